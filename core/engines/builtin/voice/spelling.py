"""Write text the way eSpeak NG 1.52 reads it right.

What it gets wrong by itself, found by having it read the 349 000 words of a Chinese dictionary and the
alphabet:

- Syllables in -iong (兄 熊 雄 胸 穷 窘, and every word with them) come out as English letters and digits.
- So do most words that end in 儿 (这儿, 一会儿, 事儿), and 兒 always.
- A single A is read as the article in "A P I".
- 便宜, 角色, 还款, 种草, 长高 and 似的 get the wrong one of two readings.
- Kanji are spelled as "Chinese letter", and so are hanzi beyond the Basic Multilingual Plane, by their code.

Phonemes are written in eSpeak's own notation between double brackets.
"""

import re
from typing import Final

from core.errors import BadInput
from core.types import Sentence

_IONG: Final = {
    "S;j'ong55": "㐫兄兇凶匈哅忷恟汹洶胷胸芎訩詾讻賯",
    "S;j'ong35": "䧺熊雄",
    "S;j'ong51": "夐敻詗诇",
    "tS;hj'ong35": "㑋㒌㧭㮪㷀㼇䅃䆳䊄䓖䛪䠻儝卭宆惸桏橩焪焭煢琼瓊睘瞏穷穹窮竆笻筇茕藑藭蛩赹跫邛銎",
    "tS;j'ong55": "冂冋坰埛扃絅蘏蘔駉駫",
    "tS;j'ong214": "㓏㢠㤯㷗㷡䌹䢛侰僒冏囧泂澃炯烱煚煛熲窘綗褧迥逈颎",
}
_PHONEMES: Final = {hanzi: f"[[{phonemes}]]" for phonemes, all_ in _IONG.items() for hanzi in all_}
# 儿 is a word in 女儿 and its like, a suffix in 这儿; before 子 and its like eSpeak has it right.
_CHILD, _SUFFIX = "[['@r35]]", "[[@r11]]"
_CHINESE: Final = re.compile(
    r"(?<=[\u4e00-\u9fff])(?P<suffix>[儿兒])(?![子童女科歌媳孙孫])|(?P<er>兒)|"
    rf"(?P<iong>[{''.join(_PHONEMES)}])"
)
# The character that is misread -> one of the sound meant, where these words stand.
_MISREAD: Final = re.compile(
    "(?P<骈>便)(?=宜)|(?P<环>还)(?=款|钱|贷|债|清|信用卡|花呗|给我|给你|给他)|(?P<决>角)(?=色)|(?P<众>种)(?=草)|"
    "(?P<掌>长)(?=高|胖|个子)|(?P<是>似)(?=的)"
)
_BEFORE_CHILD = "女婴嬰幼孤男胎健宠寵弃棄产產育少患"
_LETTERS: Final = re.compile(r"(?<![A-Za-z])[A-Za-z](?: [A-Za-z](?![A-Za-z]))+")

_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff"
_BEYOND = "\U00020000-\U0003ffff"
_KANA = "\u3041-\u3096\u30a1-\u30fa"
_UNREADABLE: Final = {
    "zh": re.compile(f"[{_KANA}{_BEYOND}]"),
    "yue": re.compile(f"[{_KANA}]"),
    "ja": re.compile(f"[{_HAN}{_BEYOND}]"),
    "ko": re.compile(f"[{_HAN}{_BEYOND}{_KANA}]"),
}
_UNREADABLE_ELSE: Final = re.compile(f"[{_HAN}{_BEYOND}{_KANA}\uac00-\ud7a3]")


def spell(sentence: Sentence) -> tuple[str, list[int]]:
    """What eSpeak is to be given for `sentence.spoken`, and for each character of it the one it stands for.

    Raises BadInput `unreadable_text` for a character that eSpeak cannot read in the sentence's language.
    """
    check(sentence)
    # Brackets are eSpeak's own; control characters would end the text.
    text = re.sub(r"[\[\]\x00-\x1f\x7f]", " ", sentence.spoken)
    text = _LETTERS.sub(lambda letters: letters[0].replace(" ", "-"), text)
    if sentence.language != "zh":
        return text, list(range(len(text)))
    text = _MISREAD.sub(lambda match: str(match.lastgroup), text)
    parts: list[str] = []
    places: list[int] = []
    done = 0
    for match in _CHINESE.finditer(text):
        parts += [text[done : match.start()], _sound(match)]
        places += [*range(done, match.start()), *[match.start()] * len(parts[-1])]
        done = match.end()
    return "".join([*parts, text[done:]]), [*places, *range(done, len(text))]


def _sound(match: re.Match[str]) -> str:
    if match["suffix"]:
        return _CHILD if match.string[match.start() - 1] in _BEFORE_CHILD else _SUFFIX
    return "儿" if match["er"] else _PHONEMES[match[0]]


def check(sentence: Sentence) -> None:
    """Raises BadInput `unreadable_text` like `spell`."""
    found = _UNREADABLE.get(sentence.language, _UNREADABLE_ELSE).search(sentence.spoken)
    if found is None:
        return
    remedy = "write it another way, or use another voice engine"
    if sentence.language == "ja":
        remedy = "write it in kana, or use a voice engine that reads kanji: kokoro with the extra `ja`"
    raise BadInput(
        "unreadable_text",
        f"the built-in voice cannot read {found[0]!r} in sentence {sentence.index + 1}, "
        f"{sentence.text[:40]!r}; {remedy}",
        "text",
    )
