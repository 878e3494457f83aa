"""Cut a text into the pieces a checkpoint says well in one go: GPT-SoVITS's cut methods, and what surrounds
them.

Lengths are in characters. Learnt from GPT-SoVITS (MIT); where a method would lose text or return a piece too
long for the Chinese BERT, it is put right here.
"""

import re
from collections.abc import Callable, Iterator

from core.errors import BadInput

LONGEST = 510
"""BERT has room for 512 tokens, two of them its own."""

_SHORTEST = 5
_FIRST_CLAUSE = 4
_ENDS = "，。？！,.?!~:：—…"
_QUIET = frozenset("!?…,.- ")
_CUT5_ENDS = frozenset(",.;?!、，。？！：…")
_AFTER_END = re.compile(rf"(?<=[{_ENDS}])")


def _clauses(text: str) -> list[str]:
    text = text.replace("……", "。").replace("——", "，")
    if text[-1:] not in _ENDS or not text:
        text += "。"
    return [clause for clause in _AFTER_END.split(text) if clause]


def _audible(pieces: list[str], quiet: frozenset[str] = _QUIET) -> str:
    return "\n".join(piece for piece in pieces if not quiet.issuperset(piece))


def _whole(text: str) -> str:
    return "\n" if _QUIET.issuperset(text) else text


def _by_four(text: str) -> str:
    clauses = _clauses(text)
    starts = range(0, len(clauses), 4)
    if len(starts) < 2:
        return _audible([text])
    stops = [*starts[1:-1], len(clauses)]  # the last group takes the remainder too
    return _audible(["".join(clauses[a:b]) for a, b in zip(starts[:-1], stops, strict=True)])


def _by_fifty(text: str) -> str:
    clauses = _clauses(text)
    if len(clauses) < 2:
        return text
    pieces = [""]
    for clause in clauses:
        if len(pieces[-1]) > 50:
            pieces.append("")
        pieces[-1] += clause
    if len(pieces) > 1 and len(pieces[-1]) < 50:
        pieces[-2:] = ["".join(pieces[-2:])]
    return _audible(pieces)


def _at_chinese_stops(text: str) -> str:
    return _audible(text.strip("。").split("。"))


def _at_english_stops(text: str) -> str:
    return _audible(re.split(r"(?<!\d)\.(?!\d)", text.strip(".")))


def _at_every_mark(text: str) -> str:
    pieces: list[str] = []
    start = 0
    for k, char in enumerate(text):
        in_number = char == "." and text[k - 1 : k].isdigit() and text[k + 1 : k + 2].isdigit()
        if char in _CUT5_ENDS and not in_number:
            pieces.append(text[start : k + 1])
            start = k + 1
    return _audible([*pieces, text[start:]], _CUT5_ENDS)


METHODS: dict[str, Callable[[str], str]] = {
    "cut0": _whole,
    "cut1": _by_four,
    "cut2": _by_fifty,
    "cut3": _at_chinese_stops,
    "cut4": _at_english_stops,
    "cut5": _at_every_mark,
}


def cut(text: str, method: str) -> str:
    """`text` with line breaks where `method` cuts it.

    cut0 nowhere; cut1 every four clauses; cut2 about every fifty characters; cut3 at 。; cut4 at the full
    stop; cut5 at every mark. cut3 and cut4 take the marks out, as in the reference.

    Raises BadInput `unknown_split_method`.
    """
    if method not in METHODS:
        raise BadInput(
            "unknown_split_method",
            f"there is no split method {method!r}; use one of {', '.join(METHODS)}",
            "text_split_method",
        )
    return METHODS[method](text if method == "cut0" else text.strip("\n"))


def split(text: str, method: str = "cut5", language: str = "auto") -> list[str]:
    """`text` in pieces ready for `frontend`: cut, short pieces joined, each with a mark at its end.

    No piece is empty, only marks, or longer than LONGEST. `language` decides between 。 and a full stop.

    Raises BadInput `unknown_split_method`, or `nothing_to_say` if no piece has a letter or a number.
    """
    stop = "." if language == "en" else "。"
    text = text.strip("\n")
    first_clause = re.split(f"[{_ENDS}]", text, maxsplit=1)[0].strip()
    if text and text[0] not in _ENDS and len(first_clause) < _FIRST_CLAUSE:
        text = stop + text
    lines = [line for line in cut(text, method).split("\n") if line not in ("", " ")]
    pieces = [piece for line in _joined(lines) for piece in _finished(line, stop)]
    if not pieces:
        raise BadInput("nothing_to_say", "the text has no words to speak; write at least one", "text")
    return pieces


def _joined(pieces: list[str]) -> list[str]:
    """Short pieces joined to what follows them; a short rest to what precedes it."""
    out: list[str] = []
    waiting = ""
    for piece in pieces:
        waiting += piece
        if len(waiting) >= _SHORTEST:
            out.append(waiting)
            waiting = ""
    if waiting and out:
        out[-1] += waiting
    elif waiting:
        out.append(waiting)
    return out


def _finished(piece: str, stop: str) -> Iterator[str]:
    if not any(_with_words(piece)):
        return
    if piece[-1] not in _ENDS:
        piece += stop
    if len(piece) <= LONGEST:
        yield piece
        return
    part = ""
    for clause in re.split(rf"([{_ENDS}])", piece):
        for start in range(0, len(clause), LONGEST):
            text = clause[start : start + LONGEST]
            if len(part) + len(text) > LONGEST:
                yield from _with_words(part)
                part = ""
            part += text
    yield from _with_words(part)


def _with_words(piece: str) -> Iterator[str]:
    if re.search(r"\w", piece):
        yield piece
