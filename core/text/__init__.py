"""Cut text into sentences that can be spoken, and say how each is read.

Knows nothing of voices: every voice is given what is decided here. The parts: `markup` takes out what is not
read, `dictionary` has the user's own readings, `folded` brings characters to one form, `borders` finds where
sentences end, `scripts` tells languages, `reading` and the modules below turn numbers and signs into words
(of `scripts.PLAIN` languages the voice itself does).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from core.errors import BadInput
from core.text.borders import sentence_ends
from core.text.dictionary import Readings
from core.text.folded import fold
from core.text.markup import LONGEST_PAUSE_S, strip
from core.text.reading import Reading, read
from core.text.scripts import LANGUAGES, PLAIN, check_readable, language_of_han, stretches
from core.types import Sentence

__all__ = ["LANGUAGES", "sentences", "spoken"]

# Spoken characters in a sentence at most, and from which number on the first one is cut at its first
# clause, so that there is something to hear and see soon. A hanzi takes as long as two or three letters.
_LONGEST = {"en": 200, "ko": 120} | dict.fromkeys(PLAIN, 200)
_LONGEST_ELSE = 100
_FIRST_LONG = {"en": 60, "ko": 32} | dict.fromkeys(PLAIN, 60)
_FIRST_LONG_ELSE = 16
_FIRST_LEAST = {"en": 12, "ko": 6} | dict.fromkeys(PLAIN, 12)
_FIRST_LEAST_ELSE = 4

_OPENING = re.compile(r"""(?:[(\[{«‹“‘„‚「『（【《〈〔〖]|(?<=[\s，、；：])["'])+\s*\Z""")
"""What opens at the end of a part belongs to the next; a straight quotation mark opens after a space."""


def sentences(
    text: str, language: str = "auto", *, limit: int | None = None, readings: Readings | None = None
) -> list[Sentence]:
    """`text` cut into sentences, in order, that together hold all of it but the white space between them.

    language: one of `LANGUAGES`: what Chinese characters, Latin words and bare numbers are read as. Text in
        another script is still read in its own language, but English words stay in the sentence around
        them. "auto" tells it by the script, so that Latin letters are English.
    limit: the most characters `text` may have.
    readings: how some words are said, before anything else is read.

    Raises BadInput `empty_text` if there is nothing to say, `text_too_long`, or `unsupported_language` for an
    unknown `language` and for text in a script that none of them is written in.
    """
    _check(text, language, limit)
    plain = strip(text, readings)
    folded = fold(plain.text)
    origin = [plain.origin[k] for k in folded.origin]
    check_readable(folded.text, origin)
    pauses: dict[int, float] = {}
    for place, seconds in plain.pauses:
        at = bisect_left(folded.origin, place)
        pauses[at] = min(pauses.get(at, 0.0) + seconds, LONGEST_PAUSE_S)
    drafts = _drafts(folded.text, origin, language, pauses)
    if not drafts:
        raise BadInput("empty_text", "the text has no words to speak; write at least one", "text")
    pieces = [piece for draft in drafts for piece in _cut_long(draft)]
    pieces[:1] = _cut_first(pieces[0])
    for piece, after in pairwise(pieces):
        if opening := _OPENING.search(text, piece.start, piece.stop):
            piece.stop = after.start = opening.start()
    done = [_finished(text, k, piece, plain.hidden) for k, piece in enumerate(pieces)]
    return _with_actions(done, [piece.stop for piece in pieces], plain.actions)


def _with_actions(
    said: list[Sentence], stops: list[int], actions: Sequence[tuple[int, str]]
) -> list[Sentence]:
    """Each sentence with what the person shall do in it; what stands behind the last word comes with it."""
    for place, name in actions:
        k = min(bisect_right(stops, place), len(said) - 1)
        sentence = said[k]
        last = max((n for n, c in enumerate(sentence.spoken) if c.isalnum()), default=0)
        asked = (min(place, sentence.offsets[last]), name)
        said[k] = replace(sentence, actions=(*sentence.actions, asked))
    return said


def spoken(text: str, language: str = "auto", *, readings: Readings | None = None) -> str:
    """`text` as it will be read, one sentence a line. Raises what `sentences` raises."""
    return "\n".join(sentence.spoken for sentence in sentences(text, language, readings=readings))


def _check(text: str, language: str, limit: int | None) -> None:
    if language != "auto" and language not in LANGUAGES:
        raise BadInput(
            "unsupported_language",
            f"there is no language {language!r}; use auto, {', '.join(LANGUAGES)}",
            "language",
        )
    if limit is not None and len(text) > limit:
        raise BadInput(
            "text_too_long",
            f"the text has {len(text)} characters, at most {limit} are allowed; send it in parts",
            "text",
        )


@dataclass(slots=True)
class _Draft:
    """A sentence in the making: the part `[start, stop)` of the text, white space included; the places of
    `reading` are offsets in the text. pause: seconds of silence asked for after it."""

    start: int
    stop: int
    reading: Reading
    language: str
    pause: float = 0.0


def _drafts(text: str, origin: list[int], language: str, pauses: Mapping[int, float]) -> list[_Draft]:
    """Sentences and stretches of one language, tiling the text; what has no words is with its neighbour.

    text: folded; `origin` leads back to what was written. pauses: place in `text` -> seconds; each ends a
    sentence.
    """
    whole = language_of_han(text, language)
    known = language if language != "auto" else stretches(text[:1000], language, whole, "en")[0][2]
    drafts: list[_Draft] = []
    begin = start = 0
    for end in sorted({*sentence_ends(text, language), *pauses}):
        part = text[begin:end]
        han = language_of_han(part, language, whole)
        for a, b, own in stretches(part, language, han, known):
            reading = read(part[a:b], own)
            stop = origin[begin + b]
            if reading.has_words() and any(c.isalnum() for c in part[a:b]):
                drafts.append(_Draft(start, stop, reading.at(origin[begin + a : begin + b + 1]), own))
                start, known = stop, own
            elif drafts:
                drafts[-1].stop = start = stop
        if drafts:
            drafts[-1].pause += pauses.get(end, 0.0)
        begin = end
    return drafts


def _cut_long(draft: _Draft) -> list[_Draft]:
    """`draft` in parts of nearly the same length, none longer than can be spoken in one breath."""
    longest = _LONGEST.get(draft.language, _LONGEST_ELSE)
    reading = draft.reading
    length = len(reading.spoken)
    if length <= longest:
        return [draft]
    clauses = reading.clause_ends()
    cuts = [0]
    while length - cuts[-1] > longest:
        left = length - cuts[-1]
        ideal = cuts[-1] + left // -(-left // longest)
        cuts.append(_cut_near(reading, clauses, cuts[-1], ideal, longest))
    return _split(draft, [k for k in cuts[1:] if k < length])


def _cut_near(reading: Reading, clauses: list[int], start: int, ideal: int, longest: int) -> int:
    """Where to cut `reading.spoken[start:]`: after a clause, else at a space, else between characters."""
    window = range(start + 1, min(start + longest, len(reading.spoken) - 1) + 1)
    spaces = (k for k in window if reading.spoken[k - 1] == " " and reading.can_cut(k))
    between = (k for k in window if reading.can_cut(k) and not _in_word(reading.spoken, k))
    anywhere = (k for k in window if reading.can_cut(k))
    for places in (
        [k for k in clauses if k in window and k > start + longest // 4],
        spaces,
        between,
        anywhere,
    ):
        if found := sorted(places, key=lambda k: abs(k - ideal)):
            return found[0]
    # One long reading of a short text (a number of a hundred digits): it stays whole.
    beyond = range(window.stop, len(reading.spoken))
    return next((k for k in beyond if reading.can_cut(k)), len(reading.spoken))


def _in_word(text: str, k: int) -> bool:
    return text[k - 1] < "\u2e80" and text[k] < "\u2e80"


def _cut_first(draft: _Draft) -> list[_Draft]:
    """A long `draft` in two, after its first clause."""
    if len(draft.reading.spoken) <= _FIRST_LONG.get(draft.language, _FIRST_LONG_ELSE):
        return [draft]
    least = _FIRST_LEAST.get(draft.language, _FIRST_LEAST_ELSE)
    cut = next((k for k in draft.reading.clause_ends() if k >= least), None)
    return _split(draft, [cut] if cut else [])


def _split(draft: _Draft, cuts: list[int]) -> list[_Draft]:
    """`draft` cut before the given offsets in what is spoken."""
    reading = draft.reading
    length = len(reading.spoken)
    parts = []
    for k, stop in zip([0, *cuts], [*cuts, length], strict=True):
        first = k + (reading.spoken[k] == " ")
        last = stop - (reading.spoken[stop - 1] == " ")
        parts.append(
            _Draft(
                draft.start if k == 0 else reading.places[k],
                draft.stop if stop == length else reading.places[stop],
                reading.part(first, last),
                draft.language,
                draft.pause if stop == length else 0.0,
            )
        )
    return parts


def _finished(text: str, index: int, draft: _Draft, hidden: Sequence[tuple[int, int]]) -> Sentence:
    written = text[draft.start : draft.stop]
    start = draft.start + len(written) - len(written.lstrip())
    stop = draft.stop - (len(written) - len(written.rstrip()))
    places = draft.reading.places
    if min(places) < start or max(places) > stop:
        places = [min(max(place, start), stop) for place in places]
    first = bisect_right(hidden, start, key=lambda span: span[1])
    after = bisect_left(hidden, stop, key=lambda span: span[0])
    inside = tuple((max(a, start), min(b, stop)) for a, b in hidden[first:after])
    return Sentence(
        index,
        text[start:stop],
        start,
        draft.reading.spoken,
        (*places, stop),
        draft.language,
        inside,
        draft.pause,
    )
