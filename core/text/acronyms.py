"""Which words in capitals are read letter by letter (API), and which as words (NASA)."""

import re
from functools import lru_cache

ACRONYM = r"(?<![A-Z])(?P<letters>[A-Z]{2,6})(?P<many>'?s)?(?![a-zA-Z])"
"""Capitals of their own, or at the end of a word (OpenAI, GPUs)."""

# Three letters or fewer are spelled, unless they are one of these.
_SHORT_WORDS = """
    A I ACE ACT ADD AGE AGO AIR ALL AND ANY APP ARE ARM ART AS ASK AT BAD BAG BE BED BEE BIG BIT BOX
    BOY BUG BUS BUT BUY BY CAN CAR CAT CUT DAY DID DO DOG DR EAR EAT EGG END EYE FAN FAR FEW FIX FLY
    FOR FUN GAS GET GIF GO GOD GOT HAD HAS HAT HE HER HEY HI HIM HIS HIT HOT HOW ICE IF IN IS ITS
    JAM JAR JOB JOY KEY KID LAB LAN LAW LET LIE LOL LOT LOW MAD MAN MAP MAX MAY ME MEN MET MIN MIX
    MOD MOM MR MRS MS MY NEW NO NOR NOT NOW ODD OF OFF OH OIL OK OLD ON ONE OR OUR OUT OWN PAY PEN
    PET PIN POP PUT RAM RAN RAT RAW RED ROM RUN SAD SAW SAY SEA SEE SET SHE SIM SIR SIT SIX SKY SO
    SON SUM SUN TAX TEA TEN THE TIE TIP TO TOO TOP TOY TRY TWO UP USE VAN WAN WAR WAS WAY WE WET WHO
    WHY WIN WON WOW YES YET YOU ZIP ZOO
"""
# More are spelled if they have no vowel, or are one of these.
_LONG_LETTERS = """
    AFAIK AIGC EMBA ESOP ESPN GDPR HDMI HTTPS ICBM IEEE IIRC IMAP IMDB IMHO IPTV ISBN ISSN NAACP
    OECD PCIE UEFI USAF USDT USSR VOIP WIPO XAML YMCA
"""
# A vowel and three consonants are no word but these.
_UNSAYABLE = re.compile("[AEIOU][^AEIOUY]{2}[^AEIOUYS]")
_SAYABLE = frozenset(["INCH", "ITCH", "ARCH", "ETCH", "ACHT", "ANGST"])
_WORDS = frozenset(_SHORT_WORDS.split())
_LETTERS = frozenset(_LONG_LETTERS.split())


def spell(match: re.Match[str]) -> str | None:
    """The letters of an acronym with spaces between them, or None if it is read as a word."""
    letters = match["letters"]
    pronounceable = (
        len(letters) > 3
        and set(letters) & set("AEIOUY")
        and letters not in _LETTERS
        and (not _UNSAYABLE.fullmatch(letters) or letters in _SAYABLE)
    )
    if letters in _WORDS or pronounceable:
        return None
    return " ".join(letters) + ("'s" if match["many"] else "")


def letters(match: re.Match[str]) -> str:
    """Letter by letter, as capitals."""
    return " ".join(match["letters"].upper())


@lru_cache(maxsize=16)
def is_shouted(text: str) -> bool:
    """Is `text` all in capitals, and a few words of it, so that capitals mean nothing?"""
    return text.isupper() and len(re.findall(r"[A-Z]{2,}", text)) > 3
