"""What a drawn backdrop takes from a prompt: a kind of scene, colours and the hour, by lists of words.

Chinese is looked for anywhere, English as whole words or their beginnings.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Colour = tuple[int, int, int]
"""Red, green, blue, 0 ... 255."""


@dataclass(frozen=True, slots=True)
class Idea:
    """What to draw. colours: those named, in order; empty if none was. hour: day, dusk or night.

    about: the same in words.
    """

    scene: str
    colours: tuple[Colour, ...]
    hour: str
    about: str


_SCENES: Mapping[str, tuple[str, ...]] = {
    "sea": (
        "海", "沙滩", "湖", "落日", "日落", "夕阳", "晚霞", "日出", "朝霞", "sea", "ocean", "beach",
        "coast", "lake", "sunset", "sunrise", "shore",
    ),
    "bookshelf": (
        "书架", "书柜", "书房", "图书馆", "书墙", "书店", "book", "library", "shelf", "shelves",
        "study",
    ),
    "window": (
        "窗", "办公室", "客厅", "卧室", "房间", "室内", "阳光", "window", "office", "room",
        "interior", "sunlight", "apartment", "loft",
    ),
    "bokeh": (
        "光斑", "虚化", "霓虹", "城市", "夜景", "街", "灯光", "派对", "节日", "星", "森林", "公园",
        "花园", "树", "草地", "bokeh", "city", "lights", "neon", "street", "party", "festive",
        "stars", "forest", "park", "garden", "tree", "leaves", "meadow",
    ),
    "paper": (
        "纸", "墙", "布", "纹理", "水泥", "混凝土", "大理石", "paper", "wall", "texture", "canvas",
        "concrete", "plaster", "fabric", "marble",
    ),
    "studio": (
        "渐变", "纯色", "摄影棚", "演播", "影棚", "背景布", "简约", "studio", "gradient", "plain",
        "backdrop", "seamless", "minimal", "solid",
    ),
}  # fmt: skip

_ABOUT = {
    "sea": "the sea",
    "bookshelf": "a bookshelf",
    "window": "a wall in window light",
    "bokeh": "lights out of focus",
    "paper": "a paper wall",
    "studio": "a plain studio",
}

_HOURS: Mapping[str, tuple[str, ...]] = {
    "dusk": (
        "晚霞", "夕阳", "日落", "落日", "黄昏", "傍晚", "朝霞", "日出", "清晨", "暖", "sunset",
        "sunrise", "dusk", "dawn", "golden", "evening", "warm",
    ),
    "night": (
        "夜", "星空", "月", "霓虹", "暗", "黑暗", "night", "midnight", "neon", "moon", "dark",
        "stars",
    ),
    "day": (
        "白天", "晴", "阳光", "中午", "早晨", "明亮", "day", "sunny", "sunlight", "noon", "morning",
        "bright",
    ),
}  # fmt: skip

_COLOURS: Mapping[str, tuple[Colour, tuple[str, ...]]] = {
    "red": ((186, 52, 48), ("红", "red", "crimson", "scarlet")),
    "orange": ((226, 132, 58), ("橙", "橘", "orange", "amber")),
    "yellow": ((236, 200, 92), ("黄", "yellow", "gold")),
    "green": ((74, 140, 88), ("绿", "green", "emerald", "森林", "草", "forest", "meadow",
                                "leaves", "garden")),
    "teal": ((46, 128, 130), ("青", "teal", "cyan", "turquoise")),
    "blue": ((58, 104, 178), ("蓝", "blue", "azure")),
    "navy": ((28, 42, 84), ("藏青", "深蓝", "navy", "indigo")),
    "purple": ((118, 78, 160), ("紫", "purple", "violet", "lavender")),
    "pink": ((232, 160, 178), ("粉", "pink", "rose")),
    "brown": ((118, 84, 58), ("棕", "褐", "咖啡", "木", "brown", "wood", "coffee")),
    "beige": ((222, 206, 182), ("米色", "米白", "beige", "cream", "ivory")),
    "white": ((238, 238, 240), ("白色", "纯白", "white")),
    "grey": ((142, 146, 150), ("灰", "水泥", "grey", "gray", "silver", "concrete")),
    "black": ((30, 30, 34), ("黑", "black")),
}  # fmt: skip


def idea(prompt: str) -> Idea:
    """What to draw for `prompt`.

    >>> idea("晚霞下的海边").about
    'the sea at dusk'
    >>> idea("a green forest").about
    'lights out of focus by day, in green'
    """
    text = prompt.lower()
    scene = _best(text, _SCENES)
    hour = _best(text, _HOURS) or "day"
    places = {name: _place(text, words) for name, (_, words) in _COLOURS.items()}
    named = sorted((name for name, at in places.items() if at >= 0), key=lambda name: places[name])
    if "navy" in named and "blue" in named:
        named.remove("blue")  # the one word names both
    about = _ABOUT[scene or "studio"] + {"day": " by day", "dusk": " at dusk", "night": " at night"}[hour]
    if scene in ("studio", "paper", "bookshelf", None):
        about = _ABOUT[scene or "studio"]  # indoors, whatever the hour
    if named:
        about += f", in {' and '.join(named[:3])}"
    if scene is None and not named:
        about += " (no word of the prompt is known here)"
    return Idea(scene or "studio", tuple(_COLOURS[name][0] for name in named[:3]), hour, about)


def _best(text: str, lists: Mapping[str, Sequence[str]]) -> str | None:
    """The entry with most of its words in the text; the first of equals."""
    counts = {name: sum(_place(text, (word,)) >= 0 for word in words) for name, words in lists.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else None


def _place(text: str, words: Sequence[str]) -> int:
    """Where the first of `words` stands, -1 if none does."""
    found = [
        at for word in words if (at := _at(rf"\b{word}", text) if word.isascii() else text.find(word)) >= 0
    ]
    return min(found, default=-1)


def _at(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return found.start() if found else -1
