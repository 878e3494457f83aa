"""English words to the sounds of `alphabet`, by hibari's dictionaries, tagger and network for unknown words.

Numbers and signs are words already (`core.text`), so none of its own normalising is used.
"""

import re
from pathlib import Path
from typing import Final

from core.engines.hibari.alphabet import MARKS, Reading
from core.engines.hibari.graph import checked

FILES: Final = {
    "lexicon_us_gold.json.gz": "63ae94f8ef0e906d5b24fe9b59ffcbd1529aca5686a774610e43973cbaa86ad2",
    "lexicon_us_silver.json.gz": "c4c2546ebf1eb07010331e7ef785a431aa17ba8e7bfb6b4af8d654ee96a71fd3",
    "oov.onnx": "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
    "tagger.json.gz": "d2da7502284bbbe45d49e0b7ce3ce67bdab82254150f4317f1b8559b4d38d0eb",
}
"""What is read of the package, and its sha256."""

# One character for one, so that places in the text stay.
_PLAIN: Final = str.maketrans(
    {"’": "'", "‘": "'", "[": " ", "]": " ", "（": "(", "）": ")"} | dict.fromkeys("–―", "—")
)
_LETTER: Final = re.compile(r"[A-Za-z]\.?")
_LETTER_A = "ˈA"


class English:
    """A reader; loading it takes 0.3 s."""

    def __init__(self, assets: Path, known: frozenset[str]) -> None:
        """assets: the folder of hibari's files. known: the symbols that the network knows.

        Raises DamagedFile for files that are not the expected ones.
        """
        for name, sha256 in FILES.items():
            checked([assets / name], sha256)
        from hibari.g2p import G2P

        self._reader = G2P()
        self._reader.oov("lipstream")  # loads the network for unknown words
        self._known = known

    def read(self, text: str) -> Reading:
        """How `text`, as it is spoken, sounds; without symbols if there is nothing to say in it."""
        text = text.translate(_PLAIN)
        symbols: list[str] = []
        owners: list[int] = []
        words: list[tuple[int, int]] = []
        place = 0
        tokens = self._reader.phonemize_tokens(self._reader.tokenize(text))
        letters = [bool(_LETTER.fullmatch(token.text)) for token in tokens]
        for k, token in enumerate(tokens):
            found = text.find(token.text, place)
            start = place if found < 0 else found
            place = start + len(token.text)
            sounds = [c for c in token.phonemes or "" if c in self._known]
            if (
                letters[k]
                and token.text[0] in "Aa"
                and any(letters[max(0, k - 1) : k] + letters[k + 1 : k + 2])
            ):
                sounds = list(_LETTER_A)  # of "U S A", no article
            if any(c.isalnum() for c in token.text) and sounds:
                owners += [-1 if c in MARKS or c == " " else len(words) for c in sounds]
                words.append((start, place))
            else:
                owners += [-1] * len(sounds)
            symbols += sounds
            if token.whitespace and symbols and symbols[-1] != " ":
                symbols.append(" ")
                owners.append(-1)
        while symbols and symbols[-1] == " ":
            symbols.pop()
            owners.pop()
        return Reading("".join(symbols), tuple(owners), tuple(words))
