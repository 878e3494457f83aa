"""Text files of the user's: UTF-8, with or without a mark of its byte order."""

import codecs

from core.errors import BadInput

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_GUESSES = ("gb18030", "shift_jis", "euc_kr", "big5")


def decoded(data: bytes, name: str, param: str | None = None) -> str:
    """The text in a file called `name`. Raises BadInput `not_text`, saying what it seems to be instead."""
    data = data.removeprefix(codecs.BOM_UTF8)
    marked = next((kind for mark, kind in _MARKS.items() if data.startswith(mark)), None)
    try:
        if marked is None:
            text = data.decode("utf-8")
            if "\0" not in text:
                return text
        what = f"it is {marked}" if marked else "it is no text"
    except UnicodeDecodeError as error:
        what = _seems(data, error.start)
    raise BadInput("not_text", f"{name} is not UTF-8 text: {what}; save it as UTF-8", param)


def _seems(data: bytes, place: int) -> str:
    """What is wrong at `place`, and whether it reads as Chinese, Japanese or Korean of another encoding."""
    line = data.count(b"\n", 0, place) + 1
    for encoding in _GUESSES:
        try:
            read = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(char.isprintable() or char.isspace() for char in read):
            name = {"gb18030": "GBK"}.get(encoding, encoding.replace("_", "-").upper())
            return f"line {line} looks like {name}"
    return f"line {line} holds byte 0x{data[place]:02X}"
