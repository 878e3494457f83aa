"""How numbers, addresses, units and markup are written: what the rules of several languages look for."""

import re
from typing import Final

INTEGER = r"(?:\d{1,3}(?:,\d{3})+(?!\d|,\d)|\d{1,2}(?:,\d\d)+,\d{3}(?!\d|,\d)|\d++)"
NUMBER = rf"(?:{INTEGER}(?:\.\d+)?|\.\d+)"
# Repetitions are bounded, so that no text makes a search slow.
_PATH = r"(?:/[^\s<>\"'()\[\]{}|\u0080-\U0010ffff]{0,2000}(?<![.,;:!?'_*~-]))?"
_LABEL = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_TOP = r"(?:com|org|net|edu|gov|io|ai|cn|dev|app|co|hk|tw|jp|kr|uk|us|me|info|tv|cc|top|xyz)"
URL = (
    rf"(?<![A-Za-z0-9@.-])(?:https?://{_LABEL}(?:\.{_LABEL}){{0,8}}(?::\d{{1,5}})?{_PATH}|"
    rf"(?:{_LABEL}\.){{1,8}}{_TOP}(?![A-Za-z0-9]|\.[A-Za-z])(?::\d{{1,5}})?{_PATH})"
)
EMAIL = rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{{0,63}}@{_LABEL}(?:\.{_LABEL}){{1,8}}"
LIST_NUMBER = r"(?m:^[ \t]*(?P<n>\d{1,3})[.)](?=\s))"
TIME = (
    r"(?<!\d)(?<!\d[:：])(?P<hour>[01]?\d|2[0-4])[:：](?P<minute>[0-5]\d)(?:[:：](?P<second>[0-5]\d)(?:\.(?P<split>\d+))?)?"
    r"(?![\d:：]|,\d{3}(?!\d))(?:Z(?!\w))?(?:\s?(?P<half>[AaPp]\.[Mm](?:\.(?![A-Za-z])|(?![A-Za-z]))|[AaPp][Mm](?![A-Za-z])))?"
)
VERSION = (
    r"(?:(?<![A-Za-z0-9.])(?P<v>[vV])\.?(?P<versioned>\d+(?:\.\d+)*)|(?<![0-9.])(?P<dotted>\d+(?:\.\d+){2,}))"
    r"(?![A-Za-z0-9%])"
)
CODE = r"(?<![A-Za-z0-9.-])\d+(?:-\d+){2,20}(?![A-Za-z0-9-])"  # digits in groups: an ISBN, say
US_PHONE = r"(?<![A-Za-z0-9.-])(?:\+?1[-. ])?(?:\(\d{3}\)\s?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![A-Za-z0-9-])"
FOREIGN_PHONE = r"\+\d{1,3}(?:[- ]\(?\d{1,5}\)?){2,5}(?![A-Za-z0-9-])"

HARDWARE = (
    r"(?<![A-Za-z0-9:-])(?:(?:[0-9A-Fa-f]{2}:){5}|(?:[0-9A-Fa-f]{2}-){5})[0-9A-Fa-f]{2}(?![A-Za-z0-9:-])"
    r"|(?<![A-Za-z0-9:])(?=[\d:]{0,34}[A-Fa-f])(?:[0-9A-Fa-f]{1,4}:){3,7}:?[0-9A-Fa-f]{1,4}(?![A-Za-z0-9:])"
    r"|(?<![A-Za-z0-9:])(?:[0-9A-Fa-f]{1,4}:){1,2}:[0-9A-Fa-f]{1,4}(?![A-Za-z0-9:])"
)
"""Addresses of network cards, and those of IPv6."""
INTERNET = (
    r"(?<![A-Za-z0-9.])(?P<ip>\d{1,3}(?:\.\d{1,3}){3})(?!\d|\.\d)"
    r"(?::(?P<port>\d{1,5}))?(?:/(?P<bits>\d{1,2}))?(?!\d)"
)
BOOK = r"(?<=IS[BS]N)[: ：]{0,2}\d[\d-]{6,16}[\dXx](?![\dA-Za-z])"
ANGLE = (
    r"(?<![\d.])(?P<degrees>\d{1,3}(?:\.\d+)?)°(?:(?P<minutes>[0-5]?\d)[′'](?:(?P<seconds>[0-5]?\d(?:\.\d+)?)[″\"])?"
    r"(?:\s?(?P<side>[NSEW])(?![A-Za-z]))?|\s?(?P<by>[NSEW])(?![A-Za-z]))"
)
_RATED = "(?:EUR|USD|GBP|JPY|CNY|CNH|HKD|AUD|CAD|CHF|NZD|SGD|BTC|ETH)"
RATE = rf"(?<![A-Za-z])(?P<a>{_RATED})/(?P<b>{_RATED})(?![A-Za-z])"

FRACTION = r"(?<![\d./])(?:(?P<whole>\d{1,4})\s)?(?P<top>\d{1,4})/(?P<bottom>\d{1,4})(?![\d/]|\.\d)"

GROUPED = r"(?<![\d.,'])[1-9]\d{0,2}(?:(?:\.\d{3}){2,}|(?:'\d{3})+|(?: \d{3})* 000)(?![\d.,']*\d| \d{3}\b)"
"""Thousands by points, spaces or strokes: 1.234.567, 10 000, 1'000."""
ABSOLUTE = r"\|(?P<of>-?[\w.]{1,8}(?:[-+][\w.]{1,8}){0,2})\|(?=\s?[=<>≤≥≠+×÷*-])"
EMOTICON = r"(?<![\w)])(?:[:;]['^-]?[)(DPp|oO*\[\]\\]|[T>^][_.-]{1,3}[T<^]|xD|XD)(?![\w(])"
ROWS = (
    r"(?<![A-Za-z0-9])(?P<of>[A-Z][A-Za-z]{0,3})(?P<a>\d{1,3})\s?[-~—]\s?"
    r"(?P<last>[A-Z][A-Za-z]{0,3})(?P<b>\d{1,3})(?![A-Za-z0-9])"
)
"""P12-P18; a row only where both letters are the same."""
EPISODE = r"(?<![A-Za-z0-9])[Ss](?P<season>\d{1,2})\s?[Ee][Pp]?(?P<n>\d{1,3})(?![A-Za-z0-9])"
CURRENCIES = (
    r"(?:US\$|HK\$|NT\$|A\$|C\$|S\$|R\$|RMB|CNY|USD|EUR|GBP|JPY|HKD|TWD|AUD|CAD|SGD|KRW|THB|CHF|[$¥€£₩₹₽฿₿₫])"
)

# symbol: Chinese, English for one, English for many
UNITS: Final = {
    "mm": ("毫米", "millimetre", "millimetres"),
    "cm": ("厘米", "centimetre", "centimetres"),
    "dm": ("分米", "decimetre", "decimetres"),
    "m": ("米", "metre", "metres"),
    "km": ("公里", "kilometre", "kilometres"),
    "nm": ("纳米", "nanometre", "nanometres"),
    "μm": ("微米", "micrometre", "micrometres"),
    "um": ("微米", "micrometre", "micrometres"),
    "ft": ("英尺", "foot", "feet"),
    "mi": ("英里", "mile", "miles"),
    "mg": ("毫克", "milligram", "milligrams"),
    "μg": ("微克", "microgram", "micrograms"),
    "g": ("克", "gram", "grams"),
    "kg": ("千克", "kilogram", "kilograms"),
    "Kg": ("千克", "kilogram", "kilograms"),
    "KG": ("千克", "kilogram", "kilograms"),
    "t": ("吨", "tonne", "tonnes"),
    "lb": ("磅", "pound", "pounds"),
    "lbs": ("磅", "pound", "pounds"),
    "oz": ("盎司", "ounce", "ounces"),
    "ml": ("毫升", "millilitre", "millilitres"),
    "mL": ("毫升", "millilitre", "millilitres"),
    "L": ("升", "litre", "litres"),
    "l": ("升", "litre", "litres"),
    "dL": ("分升", "decilitre", "decilitres"),
    "ms": ("毫秒", "millisecond", "milliseconds"),
    "μs": ("微秒", "microsecond", "microseconds"),
    "ns": ("纳秒", "nanosecond", "nanoseconds"),
    "s": ("秒", "second", "seconds"),
    "sec": ("秒", "second", "seconds"),
    "min": ("分钟", "minute", "minutes"),
    "h": ("小时", "hour", "hours"),
    "hr": ("小时", "hour", "hours"),
    "hrs": ("小时", "hour", "hours"),
    "Hz": ("赫兹", "hertz", "hertz"),
    "kHz": ("千赫兹", "kilohertz", "kilohertz"),
    "MHz": ("兆赫兹", "megahertz", "megahertz"),
    "GHz": ("吉赫兹", "gigahertz", "gigahertz"),
    "W": ("瓦", "watt", "watts"),
    "kW": ("千瓦", "kilowatt", "kilowatts"),
    "MW": ("兆瓦", "megawatt", "megawatts"),
    "Wh": ("瓦时", "watt-hour", "watt-hours"),
    "kWh": ("千瓦时", "kilowatt-hour", "kilowatt-hours"),
    "V": ("伏", "volt", "volts"),
    "kV": ("千伏", "kilovolt", "kilovolts"),
    "mA": ("毫安", "milliampere", "milliamperes"),
    "mAh": ("毫安时", "milliampere-hour", "milliampere-hours"),
    "Ω": ("欧姆", "ohm", "ohms"),
    "Pa": ("帕", "pascal", "pascals"),
    "mmHg": ("毫米汞柱", "millimetre of mercury", "millimetres of mercury"),
    "mcg": ("微克", "microgram", "micrograms"),
    "bps": ("个基点", "basis point", "basis points"),
    "pp": ("个百分点", "percentage point", "percentage points"),
    "bpm": ("次每分钟", "beat per minute", "beats per minute"),
    "hPa": ("百帕", "hectopascal", "hectopascals"),
    "kPa": ("千帕", "kilopascal", "kilopascals"),
    "MPa": ("兆帕", "megapascal", "megapascals"),
    "kJ": ("千焦", "kilojoule", "kilojoules"),
    "cal": ("卡", "calorie", "calories"),
    "kcal": ("千卡", "kilocalorie", "kilocalories"),
    "KB": ("K B", "kilobyte", "kilobytes"),
    "kB": ("K B", "kilobyte", "kilobytes"),
    "MB": ("M B", "megabyte", "megabytes"),
    "GB": ("G B", "gigabyte", "gigabytes"),
    "TB": ("T B", "terabyte", "terabytes"),
    "PB": ("P B", "petabyte", "petabytes"),
    "kbps": ("千比特每秒", "kilobit per second", "kilobits per second"),
    "Kbps": ("千比特每秒", "kilobit per second", "kilobits per second"),
    "Mbps": ("兆比特每秒", "megabit per second", "megabits per second"),
    "Gbps": ("吉比特每秒", "gigabit per second", "gigabits per second"),
    "px": ("像素", "pixel", "pixels"),
    "fps": ("帧每秒", "frame per second", "frames per second"),
    "rpm": ("转每分钟", "revolution per minute", "revolutions per minute"),
    "dB": ("分贝", "decibel", "decibels"),
    "mph": ("英里每小时", "mile per hour", "miles per hour"),
    "kph": ("公里每小时", "kilometre per hour", "kilometres per hour"),
    "ha": ("公顷", "hectare", "hectares"),
    "°C": ("摄氏度", "degree Celsius", "degrees Celsius"),
    "°c": ("摄氏度", "degree Celsius", "degrees Celsius"),
    "°F": ("华氏度", "degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("度", "degree", "degrees"),
    "m^2": ("平方米", "square metre", "square metres"),
    "m2": ("平方米", "square metre", "square metres"),
    "cm^2": ("平方厘米", "square centimetre", "square centimetres"),
    "km^2": ("平方公里", "square kilometre", "square kilometres"),
    "km2": ("平方公里", "square kilometre", "square kilometres"),
    "m^3": ("立方米", "cubic metre", "cubic metres"),
    "m3": ("立方米", "cubic metre", "cubic metres"),
    "cm^3": ("立方厘米", "cubic centimetre", "cubic centimetres"),
    "r/min": ("转每分钟", "revolution per minute", "revolutions per minute"),
    "mol": ("摩尔", "mole", "moles"),
    "mmol": ("毫摩尔", "millimole", "millimoles"),
    "μmol": ("微摩尔", "micromole", "micromoles"),
    "MWh": ("兆瓦时", "megawatt-hour", "megawatt-hours"),
    "GWh": ("吉瓦时", "gigawatt-hour", "gigawatt-hours"),
    "GW": ("吉瓦", "gigawatt", "gigawatts"),
    "Ah": ("安时", "ampere-hour", "ampere-hours"),
    "kN": ("千牛", "kilonewton", "kilonewtons"),
    "kΩ": ("千欧", "kilohm", "kilohms"),
    "lx": ("勒克斯", "lux", "lux"),
    "lm": ("流明", "lumen", "lumens"),
    "ppm": ("P P M", "part per million", "parts per million"),
    "cc": ("毫升", "cubic centimetre", "cubic centimetres"),
    "yd": ("码", "yard", "yards"),
    "hm^2": ("公顷", "hectare", "hectares"),
    "km^3": ("立方公里", "cubic kilometre", "cubic kilometres"),
    "dm^3": ("立方分米", "cubic decimetre", "cubic decimetres"),
    "mm^2": ("平方毫米", "square millimetre", "square millimetres"),
    "tbsp": ("汤匙", "tablespoon", "tablespoons"),
    "tsp": ("茶匙", "teaspoon", "teaspoons"),
    "m/s^2": ("米每平方秒", "metre per second squared", "metres per second squared"),
    "m/s": ("米每秒", "metre per second", "metres per second"),
    "km/h": ("公里每小时", "kilometre per hour", "kilometres per hour"),
    "N·m": ("牛米", "newton-metre", "newton-metres"),
    "N.m": ("牛米", "newton-metre", "newton-metres"),
    "Nm": ("牛米", "newton-metre", "newton-metres"),
    "lux": ("勒克斯", "lux", "lux"),
    "nit": ("尼特", "nit", "nits"),
    "nits": ("尼特", "nit", "nits"),
    "bit": ("比特", "bit", "bits"),
    "psi": ("P S I", "P S I", "P S I"),
    "sq ft": ("平方英尺", "square foot", "square feet"),
    "sq. ft": ("平方英尺", "square foot", "square feet"),
    "fl oz": ("液量盎司", "fluid ounce", "fluid ounces"),
    "gal": ("加仑", "gallon", "gallons"),
    "pt": ("品脱", "pint", "pints"),
    "qt": ("夸脱", "quart", "quarts"),
    "mpg": ("英里每加仑", "mile per gallon", "miles per gallon"),
}
UNIT = (
    f"(?=[{''.join({unit[0] for unit in UNITS})}])(?:"
    + "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
    + r")(?![A-Za-z0-9^])"
)

# Greek letters stand alone, in formulas; a word of them is text in a language nobody here reads.
GREEK: Final = {
    "α": ("阿尔法", "alpha"),
    "β": ("贝塔", "beta"),
    "γ": ("伽马", "gamma"),
    "δ": ("德尔塔", "delta"),
    "ε": ("艾普西隆", "epsilon"),
    "ζ": ("泽塔", "zeta"),
    "η": ("伊塔", "eta"),
    "θ": ("西塔", "theta"),
    "ι": ("约塔", "iota"),
    "κ": ("卡帕", "kappa"),
    "λ": ("拉姆达", "lambda"),
    "μ": ("缪", "mu"),
    "ν": ("纽", "nu"),
    "ξ": ("克西", "xi"),
    "ο": ("奥密克戎", "omicron"),
    "π": ("派", "pi"),
    "ρ": ("柔", "rho"),
    "σ": ("西格马", "sigma"),
    "ς": ("西格马", "sigma"),
    "τ": ("套", "tau"),
    "υ": ("宇普西隆", "upsilon"),
    "φ": ("斐", "phi"),
    "χ": ("希", "chi"),
    "ψ": ("普西", "psi"),
    "ω": ("欧米伽", "omega"),
}


def iso_date(mark: str) -> str:
    """2026-11-30, with one mark; a range of dates may follow."""
    between = re.escape(mark)
    return (
        rf"(?<![\d.])(?P<y>[12]\d{{3}}){between}(?P<m>0?[1-9]|1[0-2]){between}(?P<d>0?[1-9]|[12]\d|3[01])"
        rf"(?![\d%])(?!{between}\d{{1,2}}(?!\d))(?:T(?=\d\d:\d\d))?"
    )


def row_name(match: re.Match[str]) -> str | None:
    """Of ROWS: the letters as they are said, or None where they differ."""
    of: str = match["of"]
    if of != match["last"]:
        return None
    return " ".join(of.upper()) if of.isupper() or of == "Lv" else of


def parts(address: str) -> list[str]:
    """A web address as it is worth hearing: host and path in words and dots, no scheme, query or fragment.

    >>> parts("https://www.example.com/docs/?q=1#top")
    ['www', '.', 'example', '.', 'com', '/', 'docs']
    """
    address = re.sub(r"^https?://", "", re.split(r"[?#]", address)[0]).rstrip("/.,;:!-_")
    return re.findall(r"[^\W_]+|[./@_:-]", address)


def address_word(word: str) -> str:
    """A word of a web address; spelled if nobody could say it."""
    spelled = (
        len(word) == 1 or word.lower() in ("io", "ai", "uk", "us") or not set(word.lower()) & set("aeiouy")
    )
    return " ".join(word.upper()) if spelled and len(word) <= 5 else word


def hexadecimal(address: str) -> list[str]:
    """An address of hexadecimal digits as they are said: "A", "3", and the marks between groups."""
    return re.findall(r"\d|[A-F]|[:-]+", address.upper())
