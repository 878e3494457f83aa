"""English words to the sounds of `alphabet`, by hibari's dictionaries, tagger and network for unknown words.

Numbers and signs are words already (`core.text`), so none of its own normalising is used.
"""

import re
from pathlib import Path
from typing import Final

from core.engines.hibari.alphabet import Reading, ReadingDraft
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
        draft, place = ReadingDraft(self._known), 0
        tokens = self._reader.phonemize_tokens(self._reader.tokenize(text))
        letters = [bool(_LETTER.fullmatch(token.text)) for token in tokens]
        for k, token in enumerate(tokens):
            found = text.find(token.text, place)
            start = place if found < 0 else found
            place = start + len(token.text)
            sounds = token.phonemes or ""
            beside = letters[max(0, k - 1) : k] + letters[k + 1 : k + 2]
            if letters[k] and token.text[0] in "Aa" and any(beside):
                sounds = _LETTER_A  # of "U S A", no article
            if any(c.isalnum() for c in token.text):
                draft.word(sounds, start, place)
            else:
                draft.marks(sounds)
            draft.marks(" " * bool(token.whitespace))
        return draft.finished()
