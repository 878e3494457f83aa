"""Captions drawn into the picture: where, how wide, in which font, and when it is known what to draw."""

import asyncio
import hashlib
import re
import struct

import av
import numpy as np
import pytest

from core.captions import typefaces
from core.captions.burn_in import Burner, held_for_captions
from core.captions.typefaces import drawable, find_font, fonts, opened, undrawn
from core.config import Settings
from core.errors import BadInput
from core.media.planes import split
from core.protocols import Style
from core.render import Request, render
from core.serving.engine_pool import EnginePool
from core.subtitle_style import SubtitleStyle
from core.templates.library import Templates
from core.text import sentences
from core.tts_stream import tts_stream
from core.types import AudioChunk, Cue, Fragment, Word
from tests.support import FIXTURES

TEXT = "Good evening, 晚上好。 This sentence is rather long, so that it is wrapped, 而且这里还有更多的中文。"

CHINESE = FIXTURES / "fonts" / "NotoSansCJKsc-few.otf"
"""The characters of TEXT."""


@pytest.fixture
def bare(monkeypatch):
    """A machine without any font: nothing but what we carry."""
    monkeypatch.setattr(typefaces, "_PLACES", ())
    monkeypatch.setattr(typefaces, "_PACKAGE", "no_such_package")
    fonts.cache_clear()
    yield
    fonts.cache_clear()


@pytest.mark.parametrize("size", [(256, 256), (1280, 720), (360, 640)])
@pytest.mark.parametrize("text", ["你好，世界。" * 7, "Words and words. " * 5, "W" * 60, "x", "i\nj"])
def test_text_is_drawn_below_and_inside_whatever_it_is(size, text):
    width, height = size
    burner = Burner(CHINESE, width, height, 16_000, 25)
    planes = np.random.default_rng(0).integers(60, 90, (height * 3 // 2, width), np.uint8)
    before = planes.copy()
    burner.draw(planes, Cue(0, 0, 16_000, text))
    changed = np.argwhere(split(planes)[0] != split(before)[0])
    assert len(changed) > 10
    assert changed[:, 0].max() < height * 0.96
    luma = split(planes)[0]
    assert luma.max() > 180  # white
    assert luma.min() < 40  # in black
    for plane, was in zip(split(planes)[1:], split(before)[1:], strict=True):
        assert (abs(plane.astype(int) - 128) <= abs(was.astype(int) - 128)).all()  # no colour is added
    assert (luma[: height // 3] == split(before)[0][: height // 3]).all()
    for line in burner._lines(text):
        assert burner._font.getlength(line) <= width


def test_a_frame_shows_the_cue_that_is_heard_with_it():
    burner = object.__new__(Burner)
    burner._rate, burner._fps = 16_000, 25
    burner.cues = [Cue(0, 640, 1280, "a"), Cue(1, 1280, 1900, "b"), Cue(2, 6400, 7040, "c")]
    shown = [cue.text if (cue := burner.text_at(frame)) else "" for frame in range(12)]
    assert shown == ["", "a", "b", "", "", "", "", "", "", "", "c", ""]


def test_a_machine_without_fonts_draws_latin_greek_and_cyrillic_letters_and_says_what_others_take(bare):
    for text in ("Où est l'œuvre? Żółć, ñandú, Ærø: 12 – 3½ €.", "Ελληνικά", "Привет, ёж", "Tiếng Việt"):
        assert find_font(text) == typefaces._OWN
    with pytest.raises(BadInput, match=r"on this machine has '[你好]'.*cjk.*fonts-noto-cjk.*subtitle_font"):
        find_font("Hi, 你好")


def test_the_font_we_carry_is_the_one_that_is_described():
    described = typefaces._OWN.with_name("SOURCES.md").read_text(encoding="utf-8")
    assert hashlib.sha256(typefaces._OWN.read_bytes()).hexdigest() in described


def test_a_font_must_have_the_letters_of_the_text(tmp_path):
    assert find_font("Hello 12 – 🙂") in fonts()
    with pytest.raises(BadInput, match=r"has no .*captions cannot be drawn.*subtitle_font"):
        find_font("\U00013430\U00018b00", fonts()[0])  # Egyptian and Khitan
    (tmp_path / "x.ttf").write_bytes(b"no font")
    with pytest.raises(BadInput, match="no font that can be read"):
        find_font("x", tmp_path / "x.ttf")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Great 😎, thanks 👨‍👩‍👧!", "Great, thanks!"),
        ("🇫🇷 Bonjour 👋🏽🎉Marie", " Bonjour Marie"),
        ("Press 1️⃣ twice", "Press 1 twice"),
        ("naïve e\u0301té — “½ €”", "naïve e\u0301té — “½ €”"),
        ("😎", ""),
        ("你好", "你好"),  # a letter is never left out
    ],
)
def test_what_is_no_letter_and_not_in_the_font_is_left_out_whole(text, left):
    assert drawable(text, opened(typefaces._OWN, 16)).replace("\ufe0f", "") == left
    if text == left:
        assert undrawn(text, typefaces._OWN) == []


def test_the_signs_left_out_are_told_each_once():
    assert undrawn("😎 👨‍👩‍👧 a 😎 1️⃣", typefaces._OWN) == ["😎", "👨‍👩‍👧"]


def test_an_emoji_changes_neither_the_picture_nor_the_highlight():
    style = SubtitleStyle(highlight="#ff0000", box="#00000080")
    for word, other in ((0, 0), (2, 1), (3, 2)):
        one, plain = (
            drawn(style, k, text) for k, text in ((word, "one 😎 two three"), (other, "one two three"))
        )
        assert all((a == b).all() for a, b in zip(one, plain, strict=True))
    assert (drawn(style, 0, "😎")[0] == 128).all()


def drawn(style, word=None, text="one two three"):
    """Brightness and colour of a grey frame with captions on it."""
    burner = Burner(typefaces._OWN, 640, 360, 16_000, 25, style)
    planes = np.full((540, 640), 128, np.uint8)
    words = tuple(
        Word(k * 100, match.start(), match.end()) for k, match in enumerate(re.finditer(r"\S+", text))
    )
    burner.draw(planes, Cue(0, 0, 16_000, text, words), word)
    return split(planes)


def test_the_word_that_is_heard_has_the_colour_of_the_highlight_and_no_other():
    style = SubtitleStyle(colour="#ffffff", highlight="#ff0000", size=10)
    places = []
    for word in range(3):
        red = drawn(style, word)[2] > 180
        rows, columns = np.nonzero(red)
        places.append((columns.min(), columns.max()))
        assert rows.min() > 90
    assert places[0][1] < places[1][0] <= places[1][1] < places[2][0]
    assert not (drawn(style)[2] > 180).any()
    assert not (drawn(SubtitleStyle(), 1)[2] > 140).any()


@pytest.mark.parametrize(
    ("place", "low", "high"), [("top", 0.05, 0.3), ("middle", 0.35, 0.65), ("bottom", 0.75, 0.95)]
)
def test_text_is_where_it_was_asked_for_and_as_large(place, low, high):
    heights = []
    for size in (5, 10):
        rows = np.nonzero((drawn(SubtitleStyle(place=place, size=size), text="HHH")[0] != 128).any(1))[0]
        assert low * 360 <= rows.min()
        assert rows.max() <= high * 360
        heights.append(rows.max() - rows.min())
    assert heights[1] > 1.7 * heights[0]


def test_a_box_lies_under_the_text_and_lets_through_what_it_should():
    luma = drawn(SubtitleStyle(box="#000000"), text="i")[0]
    assert (luma == 16).sum() > 200
    half = drawn(SubtitleStyle(box="#00000080"), text="i")[0]
    assert ((half > 60) & (half < 80)).sum() > 200


def test_a_font_is_named_by_its_family_or_file():
    assert find_font("abc", "dejavu sans") in fonts()
    assert "dejavu" in str(find_font("abc", "DejaVuSans-Latin")).lower()
    with pytest.raises(BadInput, match=r"there is no font '\.\./\.\./etc/passwd' on this machine"):
        find_font("abc", "../../etc/passwd")


@pytest.mark.parametrize("tells", [True, False])
async def test_speech_waits_until_it_is_known_what_is_shown_with_it(tells):
    async with EnginePool() as pool:
        speech = await pool.engine("speech", "builtin")
        said = sentences(TEXT + " And one more.", "auto")

        async def chunks():
            async for chunk in tts_stream(said, speech, None, Style()):
                words = chunk.words if tells else ()
                yield AudioChunk(chunk.samples, chunk.rate, chunk.first, chunk.sentence, None, words)

        plain = [chunk async for chunk in chunks()]
        cues: list[Cue] = []
        passed = []
        async for chunk in held_for_captions(chunks(), cues):
            until = chunk.first + len(chunk.samples)
            assert cues[-1].stop >= until or chunk.first >= cues[-1].stop  # all that is heard of it is known
            passed.append(chunk)
        assert [c.first for c in passed] == [c.first for c in plain]
        assert len(cues) > 3


@pytest.mark.slow
def test_a_rendered_video_shows_them(small_library, tmp_path, monkeypatch):
    monkeypatch.setenv("LIPSTREAM_SUBTITLE_FONT", str(CHINESE))

    async def frames(burn):
        data = bytearray()

        async def sink(item):
            if isinstance(item, Fragment):
                data.extend(item.data)

        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=small_library), pool)
            request = Request(
                template="small", text="Good evening, 晚上好。", speech="builtin", burn_subtitles=burn
            )
            await render(request, pool, templates, sink)
        (tmp_path / "v.mp4").write_bytes(data)
        with av.open(str(tmp_path / "v.mp4")) as file:
            return [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]

    plain, burnt = asyncio.run(frames(False)), asyncio.run(frames(True))
    assert len(plain) == len(burnt)
    middle = len(plain) // 2
    height = len(plain[0])
    brightest = [int(pictures[middle][height * 3 // 4 :].max()) for pictures in (plain, burnt)]
    assert brightest[1] > 220
    differ = [int(abs(a.astype(int) - b)[: height // 2].mean()) for a, b in zip(plain, burnt, strict=True)]
    assert max(differ) <= 1


def test_a_request_without_a_font_is_refused_before_any_work(small_library, bare):
    async def main():
        async with EnginePool() as pool:
            request = Request(template="small", text="嗨。", burn_subtitles=True)
            await render(request, pool, Templates(Settings(data_dir=small_library), pool), asyncio.sleep)

    with pytest.raises(BadInput, match="no font"):
        asyncio.run(main())


def collection(*fonts: bytes) -> bytes:
    """Fonts in one file (`.ttc`), as OpenType's chapter on collections has it."""
    head = 12 + 4 * len(fonts)
    made, starts = b"", []
    for font in fonts:
        start = head + len(made)
        starts.append(start)
        tables = struct.unpack_from(">H", font, 4)[0]
        moved = bytearray(font + b"\0" * (-len(font) % 4))
        for k in range(tables):
            at = 12 + 16 * k + 8
            struct.pack_into(">I", moved, at, struct.unpack_from(">I", font, at)[0] + start)
        made += bytes(moved)
    return struct.pack(">4sHHI", b"ttcf", 1, 0, len(fonts)) + struct.pack(f">{len(starts)}I", *starts) + made


def test_of_a_collection_the_face_with_simplified_characters_is_taken(tmp_path):
    path = tmp_path / "noto.ttc"
    path.write_bytes(collection(typefaces._OWN.read_bytes(), CHINESE.read_bytes()))
    assert " SC" in typefaces.opened(path, 20).getname()[0]
    path.write_bytes(collection(typefaces._OWN.read_bytes(), typefaces._OWN.read_bytes()))
    assert "DejaVu" in typefaces.opened(path, 20).getname()[0]
