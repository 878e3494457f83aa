"""Rewrite text by an ordered list of rules, keeping track of where every character came from.

A rule is a pattern and how what it matched is read. At each place the first rule
that matches and has an answer wins; text no rule wants goes through a table of single characters.
The rules themselves are in `chinese`, `english`, `japanese` and `korean`.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from core.text.needed import needed

Reading = str | Sequence[tuple[int, str]] | None
"""How a match is read: words; or (place in the text, words) in order of place; or None: not by this rule."""

Rule = tuple[str, str, Callable[[re.Match[str]], Reading] | str]
"""Characters that a match may begin with, as within [ ]; the pattern; the function, or what is said."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """rules: tried in order. plain: how single characters are read that no rule took; the rest stay.

    idle: a pattern of characters that no rule begins with, so that most of a text is passed over quickly. At
    the others only those rules are tried that may begin with the character, and of which the text has what
    they need. A rule that raises is logged and passed over: no text fails by one.

    Which rules: an integer with a bit for each. A pattern is compiled when it is first tried.
    """

    rules: Sequence[Rule]
    plain: Mapping[str, str]
    idle: str = r"(?!)"
    _compiled: dict[int, re.Pattern[str]] = field(default_factory=dict, init=False)
    _begun: dict[str, int] = field(default_factory=dict, init=False)

    @cached_property
    def _any(self) -> re.Pattern[str]:
        """A place where some rule may begin."""
        begins = "|".join({f"[{begins}]" for begins, _, _ in self.rules})
        return re.compile(f"(?!{self.idle})(?:{begins})")

    @cached_property
    def _needing(self) -> Mapping[str, int]:
        """The rules that a character makes possible; those that need none stand under ""."""
        table: dict[str, int] = {}
        for k, (_, pattern, _) in enumerate(self.rules):
            for character in needed(pattern) or ("",):
                table[character] = table.get(character, 0) | 1 << k
        return table

    def _beginning(self, character: str) -> int:
        """The rules whose matches may begin with `character`."""
        if character not in self._begun:
            begun = (
                1 << k for k, (begins, _, _) in enumerate(self.rules) if re.match(f"[{begins}]", character)
            )
            self._begun[character] = sum(begun)
        return self._begun[character]

    def _compile(self, k: int) -> re.Pattern[str]:
        self._compiled[k] = re.compile(self.rules[k][1])
        return self._compiled[k]

    def read(self, text: str) -> "Output":
        """`text` as it is read, with where every character of it comes from."""
        out = Output()
        possible = 0
        for character in {"", *text}:
            possible |= self._needing.get(character, 0)
        done = place = 0
        while found := self._any.search(text, place):
            place = found.start()
            if said := self._said(text, place, possible):
                stop, reading = said
                self._copy(out, text, done, place)
                for where, words in [(place, reading)] if isinstance(reading, str) else reading:
                    out.add(words, where, token=place)
                done = place = stop
            else:
                place += 1
        self._copy(out, text, done, len(text))
        return out

    def _said(
        self, text: str, place: int, possible: int
    ) -> tuple[int, str | Sequence[tuple[int, str]]] | None:
        """Where the match of the first willing rule ends, and how it is read."""
        for k in _numbers(possible & self._beginning(text[place])):
            match = (self._compiled.get(k) or self._compile(k)).match(text, place)
            if match and match.end() > place and (reading := self._asked(k, match)) is not None:
                return match.end(), reading
        return None

    def _asked(self, k: int, match: re.Match[str]) -> Reading:
        """What rule `k` makes of a match; None where it fails."""
        said = self.rules[k][2]
        try:
            return said if isinstance(said, str) else said(match)
        except Exception:  # noqa: BLE001  # any: a text is worth more than one rule's reading
            _LOG.exception("the rule %r failed at %r", self.rules[k][1][:80], match[0][:80])
            return None

    @cached_property
    def _signs(self) -> re.Pattern[str]:
        return re.compile(f"[{re.escape(''.join(self.plain))}]" if self.plain else "(?!)")

    def _copy(self, out: "Output", text: str, start: int, stop: int) -> None:
        done = start
        for match in self._signs.finditer(text, start, stop):
            out.copy(text[done : match.start()], done)
            out.add(self.plain[match[0]], match.start())
            done = match.end()
        out.copy(text[done:stop], done)


@lru_cache(maxsize=1 << 14)
def _numbers(some: int) -> tuple[int, ...]:
    """Which bits of `some` are set."""
    return tuple(k for k in range(some.bit_length()) if some >> k & 1)


class Output:
    """Text being written, with a space where two Latin words would run together.

    places[k] is the place in the text that character `k` stands for, tokens[k] where what it was read with
    begins: characters with the same one are never parted. copied[k] is false for what a rule made.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.places: list[int] = []
        self.tokens: list[int] = []
        self.copied: list[bool] = []
        self._last = ""
        self._rewritten = False

    def add(self, words: str, place: int, *, token: int | None = None) -> None:
        """What is said for the character at `place`. token: where a rule's match begins, if one made it."""
        rewritten = token is not None
        if not words:
            self._rewritten |= rewritten
            return
        seam = rewritten or self._rewritten
        if seam and _is_latin(self._last) and _is_latin(words[0]):
            words = " " + words
        self._parts.append(words)
        self.places.extend([place] * len(words))
        self.tokens.extend([place if token is None else token] * len(words))
        self.copied.extend([not rewritten] * len(words))
        self._last, self._rewritten = words[-1], rewritten

    def copy(self, words: str, place: int) -> None:
        """What is said as it is written, from `place` on."""
        if not words:
            return
        self.add(words[0], place)
        rest = range(place + 1, place + len(words))
        self._parts.append(words[1:])
        self.places.extend(rest)
        self.tokens.extend(rest)
        self.copied.extend([True] * len(rest))
        self._last, self._rewritten = words[-1], False

    def text(self) -> str:
        """What has been written."""
        return "".join(self._parts)


def _is_latin(character: str) -> bool:
    """Latin letters and digits, of which words are made that need spaces between them."""
    return character != "" and character.isalnum() and character < "\u0370"
