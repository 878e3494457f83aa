"""Fonts for captions: which has the letters of a text.

One for Latin, Greek and Cyrillic letters comes along; others are looked for on this machine.
"""

import importlib.util
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from core.captions.words import CLUSTER
from core.errors import BadInput
from core.installation import install_command

_PLACES = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
_PACKAGE = "manimgx_fonts_cjk"
"""What the extra `cjk` installs: Noto Sans CJK."""

_OWN = Path(__file__).with_name("fonts") / "DejaVuSans-Latin.ttf"

_PREFERRED = (
    *("notosanscjk-regular", "notosanscjksc-regular", "notosanssc-regular", "sourcehansanssc-regular"),
    "notosanscjk-vf.otf",
    *("wqy-microhei", "wqy-zenhei", "pingfang", "msyh", "simhei", "arial unicode"),
    *("dejavusans", "notosans-regular", "liberationsans-regular", "arial"),
)
"""File names in order, Chinese ones first: they have Latin letters too."""

_NAMED = 20
"""Fonts that a refusal names at most."""

_MOST_FACES = 32
"""Faces of a font collection that are looked at."""


def find_font(text: str, wanted: Path | str | None = None) -> Path:
    """A font that has all letters and digits of `text`.

    wanted: the one to use, whatever there is: a file, or the name of a family or file among `fonts`.
    Raises BadInput `no_font`, `bad_font` for a file that is none, or `unknown_font`.
    """
    if isinstance(wanted, str):
        wanted = _named(wanted)
    letters = sorted({c for c in text if unicodedata.category(c)[0] in "LN"})
    missing = letters[:1]
    for path in [wanted] if wanted else fonts():
        lacking = _lacking(path, letters)
        if not lacking:
            return path
        missing = lacking
    where = f"{wanted} has" if wanted else "no font on this machine has"
    shown = missing[0] if missing else "letters"
    raise BadInput(
        "no_font",
        f"{where} no {shown!r}, so captions cannot be drawn; name one in the setting subtitle_font"
        if wanted
        else f"{where} {shown!r}, so captions cannot be drawn; install one (Chinese, Japanese, Korean: "
        f"{install_command('cjk')}, or Debian's fonts-noto-cjk), or name one in the setting subtitle_font",
        "burn_subtitles",
    )


@lru_cache(maxsize=1)
def fonts() -> Sequence[Path]:
    """Every font of this machine and ours, those that are meant for this first."""
    package = importlib.util.find_spec(_PACKAGE)
    found = [
        path
        for place in (*_PLACES, *((package and package.submodule_search_locations) or ()))
        for path in Path(place).expanduser().rglob("*")
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
    ]
    ranks = {name: k for k, name in enumerate(_PREFERRED)}
    found.sort(key=lambda path: (ranks.get(path.stem.lower(), len(ranks)), str(path)))
    return [*(path for path in found if path.stem.lower() in ranks), _OWN, *found]


def _named(name: str) -> Path:
    """The font of that name. Raises BadInput `unknown_font`."""
    plain = _bare(name)
    found = [path for path in fonts() if plain in (_bare(path.stem), _bare(_family(path)))]
    if not found:
        message = f"there is no font {name!r} on this machine; leave it out, or name one of those that are"
        known = sorted({_family(path) for path in fonts()} - {""})
        raise BadInput("unknown_font", f"{message}: {', '.join(known[:_NAMED])}", "subtitle_style")
    plainest = [
        path for path in found if "bold" not in path.stem.lower() and "oblique" not in path.stem.lower()
    ]
    return (plainest or found)[0]


@lru_cache(maxsize=1024)
def _family(path: Path) -> str:
    try:
        return opened(path, 16).getname()[0] or ""
    except OSError:
        return ""


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def opened(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """The font at `size` pixels, of a family's weights the regular one. Raises OSError where it is none."""
    font = next((face for face in _faces(path, size) if " SC" in (face.getname()[0] or "")), None)
    font = font or ImageFont.truetype(str(path), size)
    with suppress(OSError, NotImplementedError):  # of one weight only; a Pillow that knows no others
        if b"Regular" in font.get_variation_names():
            font.set_variation_by_name(b"Regular")
    return font


def drawable(text: str, font: ImageFont.FreeTypeFont) -> str:
    """`text` without the signs that are no letters and of which the font has no picture: emoji, most of all.

    A sign of several, such as a family, is left out whole: drawn one by one they are others.
    """
    gone = "\0"
    kept = CLUSTER.sub(lambda sign: _drawable(sign[0], font) or gone, text)
    return re.sub(rf" ?{gone}+(?=[\s!,.:;?]|$)", "", kept).replace(gone, "")


def undrawn(text: str, path: Path) -> list[str]:
    """The signs of `text` that captions in this font are drawn without, each once, in order. Blocking."""
    font = opened(path, 16)
    return list(dict.fromkeys(sign for sign in CLUSTER.findall(text) if not _drawable(sign, font)))


def _drawable(sign: str, font: ImageFont.FreeTypeFont) -> str:
    """What of a sign, a character with what changes it, is drawn; "" is nothing."""
    if sign.isascii():
        return sign
    first = sign[0]
    lasting = first.isspace() or unicodedata.category(first)[0] in "LN"
    # A keycap stands beside its letter, not around it, in fonts that know no such pairs.
    kept = "".join(c for c in sign[1:] if unicodedata.category(c) != "Me" and not _without(font, c))
    if lasting:
        return first + kept
    return "" if "\u200d" in sign or _without(font, first) else first + kept


def _faces(path: Path, size: int) -> Iterator[ImageFont.FreeTypeFont]:
    """The faces of a collection: the first of Noto's draws Chinese characters as Japanese has them."""
    if path.suffix.lower() in (".ttc", ".otc"):
        with suppress(OSError):  # past the last one
            for index in range(_MOST_FACES):
                yield ImageFont.truetype(str(path), size, index=index)


def _lacking(path: Path, letters: Sequence[str]) -> list[str]:
    """The letters that the font has no picture of. Raises BadInput `bad_font`."""
    try:
        font = opened(path, 16)
    except OSError as error:
        raise BadInput("bad_font", f"{path} is no font that can be read", "subtitle_font") from error
    return [letter for letter in letters if _without(font, letter)]


@lru_cache(maxsize=4)
def _missing(font: ImageFont.FreeTypeFont) -> bytes:
    """What is drawn for a character that is not there."""
    return bytes(font.getmask("\U0010ffff"))


def _without(font: ImageFont.FreeTypeFont, character: str) -> bool:
    """Whether what is drawn for it is what is drawn for a character that is not there."""
    return bytes(font.getmask(character)) == _missing(font)
