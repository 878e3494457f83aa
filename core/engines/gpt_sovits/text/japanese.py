"""Japanese to phonemes with pitch marks, through Open JTalk.

"[" is a rise, "]" a fall of pitch; the end of an accent phrase has a mark of its own ("#") that no checkpoint
has a symbol for, so it becomes UNK, as in training. Scheme: Kurihara et al., "Prosodic features control by
symbols" (2021), as in ESPnet (Apache-2.0); learnt from GPT-SoVITS (MIT).
"""

import inspect
import os
import re
from collections.abc import Sequence
from typing import Any

from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.text.symbols import PUNCTUATION
from core.errors import EngineUnavailable
from core.installation import install_command

_SPOKEN = re.compile(
    r"[A-Za-z\d\u3005\u3040-\u30ff\u4e00-\u9fff\uff11-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d]+"
)
_MARKS_IN_A_ROW = re.compile(rf"([{PUNCTUATION}])[{PUNCTUATION}]+")
_MARKS = {
    **dict.fromkeys("：；，·、", ","),
    **dict.fromkeys("。\n", "."),
    "！": "!",
    "？": "?",
}
_ENDS_A_MORA = frozenset("aeiouAEIOUNcl")
# Of a full-context label: the phoneme; accent nucleus distance, place of the mora from the front and from the
# back; moras in the accent phrase. "xx" stands for no value.
_LABEL = re.compile(
    r"-(?P<phone>.*?)\+.*?/A:(?P<a1>[\d-]+|xx)\+(?P<a2>\d+|xx)\+(?P<a3>\d+|xx)/.*?/F:(?P<f1>\d+|xx)_"
)


def normalise(text: str) -> str:
    """`text` with no two marks in a row; Open JTalk reads numbers itself."""
    return _MARKS_IN_A_ROW.sub(r"\1", text)


def _numbers(match: re.Match[str]) -> list[int]:
    return [-50 if value == "xx" else int(value) for value in match.group("a1", "a2", "a3", "f1")]


def phonemes_of_labels(labels: Sequence[str]) -> list[str]:
    """Phonemes and pitch marks of one utterance's full-context labels; pauses inside it are "_"."""
    found: list[str] = []
    matches = [match for label in labels if (match := _LABEL.search(label))]
    for k, match in enumerate(matches):
        phone = match["phone"]
        if phone in ("sil", "pau"):
            found += ["_"] if phone == "pau" else []
            continue
        found.append(phone.lower() if phone in "AEIOU" else phone)  # unvoiced vowels count as vowels
        nucleus, place, from_back, moras = _numbers(match)
        next_place = _numbers(matches[k + 1])[1] if k + 1 < len(matches) else -50
        if from_back == 1 and next_place == 1 and phone in _ENDS_A_MORA | {"cl"}:
            found.append("#")
        elif nucleus == 0 and next_place == place + 1 and place != moras:
            found.append("]")
        elif place == 1 and next_place == 2:
            found.append("[")
    return found


def _jtalk() -> Any:
    module = need("pyopenjtalk", "pyopenjtalk-plus", "ja")
    dictionary = os.fsdecode(getattr(module, "OPEN_JTALK_DICT_DIR", b""))
    if not os.path.isdir(dictionary):  # plain pyopenjtalk would download it
        raise EngineUnavailable(
            "GPT-SoVITS text",
            ["a Japanese dictionary"],
            f"pyopenjtalk-plus ships one: {install_command('ja')}",
        )
    return module


def phonemes(text: str) -> list[str]:
    """Symbols of normalised `text`; some of them ("#", "_" ...) may be unknown to a checkpoint.

    Raises EngineUnavailable if the `ja` extra is not installed.
    """
    jtalk = _jtalk()
    # pyopenjtalk-plus corrects what Open JTalk says; the checkpoints were trained on the uncorrected
    options = inspect.signature(jtalk.run_frontend).parameters
    plain = {"use_vanilla": True} if "use_vanilla" in options else {}
    text = text.replace("％", "パーセント").lower()
    found: list[str] = []
    place = 0
    for match in _SPOKEN.finditer(text):
        found += marks(text[place : match.start()])
        found += phonemes_of_labels(jtalk.make_label(jtalk.run_frontend(match[0], **plain)))
        place = match.end()
    return found + marks(text[place:])


def marks(text: str) -> list[str]:
    """Symbols of what stands between words."""
    return [_MARKS.get(mark, mark) for mark in text if mark != " "]
