"""Parts of speech of English words, to tell "I read" from "I have read": an averaged perceptron.

Features and weights are Matthew Honnibal's (MIT), as `data/tagger.txt.xz`; tags are those of the Penn
Treebank.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from core.engines.gpt_sovits.text.tables import lines

_BEFORE = ("-START-", "-START2-")
_AFTER = ("-END-", "-END2-")


@cache
def _model() -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Word -> its only tag; feature -> "TAG:weight ..." (parsed when met); all tags."""
    only: dict[str, str] = {}
    weights: dict[str, str] = {}
    for line in lines("tagger.txt.xz"):
        if line.startswith("= "):
            _, word, tag = line.split(" ")
            only[word] = tag
        else:
            feature, _, row = line.partition("\t")
            weights[feature] = row
    bias = weights["bias"].split(" ")
    return only, weights, tuple(sorted(pair.rpartition(":")[0] for pair in bias))


def _folded(word: str) -> str:
    if "-" in word[1:]:
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    return "!DIGITS" if word[0].isdigit() else word.lower()


def _features(word: str, context: Sequence[str], before: str, before2: str) -> list[str]:
    """`context`: the folded words from two before to two after."""
    two_before, one_before, here, one_after, two_after = context
    return [
        "bias",
        f"i suffix {word[-3:]}",
        f"i pref1 {word[0]}",
        f"i-1 tag {before}",
        f"i-2 tag {before2}",
        f"i tag+i-2 tag {before} {before2}",
        f"i word {here}",
        f"i-1 tag+i word {before} {here}",
        f"i-1 word {one_before}",
        f"i-1 suffix {one_before[-3:]}",
        f"i-2 word {two_before}",
        f"i+1 word {one_after}",
        f"i+1 suffix {one_after[-3:]}",
        f"i+2 word {two_after}",
    ]


def tag(words: Sequence[str]) -> list[str]:
    """A Penn Treebank tag for each word or mark."""
    only, weights, tags = _model()
    context = [*_BEFORE, *map(_folded, words), *_AFTER]
    before, before2 = _BEFORE
    out: list[str] = []
    for k, word in enumerate(words):
        found = only.get(word)
        if found is None:
            scores: defaultdict[str, float] = defaultdict(float)
            for feature in _features(word, context[k : k + 5], before, before2):
                for pair in weights.get(feature, "").split():
                    name, _, weight = pair.rpartition(":")
                    scores[name] += float(weight)
            found = max(tags, key=lambda name: (scores[name], name))
        out.append(found)
        before, before2 = found, before
    return out
