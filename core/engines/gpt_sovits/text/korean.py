"""Korean to phonemes: pronunciation rules (g2pk2 with mecab-ko), then single letters of hangul.

Latin letters are said by their Korean names. Learnt from GPT-SoVITS (MIT) and g2pk2 (Apache-2.0).
"""

import importlib.util
import re
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.text.symbols import symbols
from core.errors import EngineUnavailable
from core.installation import install_command

_LETTERS_LIST = """
    에이 비 시 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 아르 에스 티 유 브이 더블유 엑스
    와이 제트
"""
_LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        _LETTERS_LIST.split(),
        strict=True,
    )
)
_DIVIDED = str.maketrans(
    {
        "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
        "ㅑ": "ㅣㅏ", "ㅒ": "ㅣㅐ", "ㅕ": "ㅣㅓ", "ㅖ": "ㅣㅔ", "ㅛ": "ㅣㅗ", "ㅠ": "ㅣㅜ",
    }
)  # fmt: skip
_MARKS = {
    **dict.fromkeys("：；，·、", ","),
    **dict.fromkeys("。\n", "."),
    "！": "!",
    "？": "?",
    " ": "空",
}
# g2pk2 turns ㄹ after 을/를 into ㄹㄹ where ㄴ is said
_LIQUID = re.compile(r"((?:ㅇ|ㄹ)ㅡㄹ) ㄹ")


class _Rules(NamedTuple):
    """The parts of g2pk2: modules, its table of batchim rules, its idioms, and mecab."""

    special: Any
    regular: Any
    utils: Any
    numerals: Any
    table: list[tuple[str, str, list[str]]]
    idioms: list[tuple[str, str]]
    mecab: Any


_SPECIAL_LIST = """
    jyeo ye consonant_ui josa_ui vowel_ui jamo rieulgiyeok rieulbieub verb_nieun balb palatalize
    modifying_rieul
"""
_SPECIAL = _SPECIAL_LIST.split()


@cache
def _rules() -> _Rules:
    """g2pk2's modules without its `__init__`, which downloads an English dictionary."""
    spec = importlib.util.find_spec("g2pk2")
    if spec is None or not spec.submodule_search_locations:
        raise EngineUnavailable("GPT-SoVITS text", ["g2pk2"], f"install it with: {install_command('ko')}")
    mecab = need("mecab", "python-mecab-ko", "ko").MeCab()
    folder = Path(spec.submodule_search_locations[0])
    if "g2pk2" not in sys.modules:
        package = types.ModuleType("g2pk2")
        package.__path__ = [str(folder)]
        sys.modules["g2pk2"] = package
    special, regular, utils, numerals = (
        need(f"g2pk2.{name}", "g2pk2", "ko") for name in ("special", "regular", "utils", "numerals")
    )
    rows = (line.split("#")[0].strip() for line in (folder / "idioms.txt").read_text("utf-8").splitlines())
    idioms = [(row.split("===")[0], row.split("===")[1]) for row in rows if "===" in row]
    return _Rules(special, regular, utils, numerals, utils.parse_table(), idioms, mecab)


def _pronounced(text: str) -> str:
    """`text` respelled as it is spoken: 좋네요 -> 존네요."""
    rules = _rules()
    jamo = need("jamo", "jamo", "ko")
    for written, said in rules.idioms:
        text = re.sub(written, said, text)
    text = rules.numerals.convert_num(rules.utils.annotate(text, rules.mecab))
    letters: str = jamo.h2j(text)
    for name in _SPECIAL:
        letters = getattr(rules.special, name)(letters, False, False)
    letters = re.sub("/[PJEB]", "", letters)
    for written, said, _ in rules.table:
        letters = re.sub(written, said, letters)
    for name in ("link1", "link2", "link3", "link4"):
        letters = getattr(rules.regular, name)(letters, False, False)
    return str(rules.utils.compose(letters))


def phonemes(text: str) -> list[str]:
    """Symbols of `text`: a space is 空, what has no symbol is 停.

    Raises EngineUnavailable if the `ko` extra is not installed.
    """
    jamo = need("jamo", "jamo", "ko")
    text = "".join(_LETTERS.get(char.lower(), char) for char in text)
    letters = jamo.j2hcj(jamo.h2j(_pronounced(text))).translate(_DIVIDED)
    letters = _LIQUID.sub(r"\1 ㄴ", letters)
    if re.search(r"[\u3131-\u3163]$", letters):
        letters += "."
    known = _known()
    marked = (_MARKS.get(letter, letter) for letter in letters)
    return [letter if letter in known else "停" for letter in marked]


@cache
def _known() -> frozenset[str]:
    return frozenset(symbols("v2"))
