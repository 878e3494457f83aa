"""The sounds of an English word no dictionary has, from its letters: g2p_en's GRU encoder and decoder, in
numpy.

Park & Kim, g2p_en (Apache-2.0); weights as `data/spelling.npz.xz`.
"""

from functools import lru_cache

import numpy as np

from core.engines.gpt_sovits.text.tables import FloatArray, spelling_weights

LONGEST_ANSWER = 20
"""Sounds. The network was trained to say no more; longer words lose their end."""

_LETTERS = {letter: place for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=3)}
_UNKNOWN_LETTER, _END_OF_WORD = 1, 2
_START, _END = 2, 3
_SOUNDS_LIST = """
    <pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH
    D DH EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2
    OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH
"""
_SOUNDS = _SOUNDS_LIST.split()
_NOT_SPOKEN = frozenset({"<pad>", "<s>", "</s>", "UW"})


def _step(row: FloatArray, state: FloatArray, part: str) -> FloatArray:
    """One step of the GRU `part` ("enc" or "dec"): (256,), (256,) -> (256,)."""
    weights = spelling_weights()
    given = weights[f"{part}_w_ih"] @ row + weights[f"{part}_b_ih"]
    kept = weights[f"{part}_w_hh"] @ state + weights[f"{part}_b_hh"]
    size = len(state)
    reset, update = np.split(1 / (1 + np.exp(-(given[: 2 * size] + kept[: 2 * size]))), 2)
    new = np.tanh(given[2 * size :] + reset * kept[2 * size :])
    mixed: FloatArray = (1 - update) * new + update * state
    return mixed


@lru_cache(maxsize=4096)
def spelled(word: str) -> tuple[str, ...]:
    """ARPAbet symbols for a lower-case word; "UNK" where the network itself is at a loss."""
    weights = spelling_weights()
    state = np.zeros(weights["enc_w_hh"].shape[1], np.float32)
    for letter in [*(_LETTERS.get(char, _UNKNOWN_LETTER) for char in word), _END_OF_WORD]:
        state = _step(weights["enc_emb"][letter], state, "enc")
    sounds: list[str] = []
    last = _START
    for _ in range(LONGEST_ANSWER):
        state = _step(weights["dec_emb"][last], state, "dec")
        last = int(np.argmax(weights["fc_w"] @ state + weights["fc_b"]))
        if last == _END:
            break
        sounds.append(_SOUNDS[last])
    return tuple("UNK" if sound == "<unk>" else sound for sound in sounds if sound not in _NOT_SPOKEN)
