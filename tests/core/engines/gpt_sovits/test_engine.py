"""The whole voice, from checkpoint files on disk to sound; small networks, real everything else."""

import asyncio
import importlib.util
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from core.config import Settings
from core.engines import ENGINES, choose, load
from core.engines.gpt_sovits.engine import PAUSE_S, GptSovits
from core.engines.gpt_sovits.settings import GptSovitsSettings, parts
from core.engines.gpt_sovits.utterance import TRIES, Pace
from core.engines.gpt_sovits.voices import add_voice
from core.engines.neural import NeuralSettings
from core.errors import BadInput, EngineUnavailable
from core.protocols import Style
from core.render import Request, Segment, render
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment, Sentence
from tests.support.gpt_sovits_models import (
    sovits_weights,
    t2s_weights,
    write_bert,
    write_ckpt,
    write_hubert,
    write_pth,
)
from tests.support.recordings import recording

pytestmark = pytest.mark.slow  # transformers alone takes seconds to import

ENGLISH = "The cat sat on the mat."
CHINESE = "你好，世界。"
ANY = Pace(0.0, 100.0)


@pytest.fixture(scope="module", autouse=True)
def _transformers():
    """Here, so that those who run none of these tests need not import it."""
    pytest.importorskip("core.nets.gpt_sovits.hubert", exc_type=(ImportError, RuntimeError))


CHINESE_ONLY = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("jieba", "pypinyin")), reason="needs the extra neural"
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    bert, tokens = write_bert(folder)
    made = GptSovitsSettings(
        voices=folder / "voices",
        hubert=write_hubert(folder / "hubert.bin"),
        bert=bert,
        tokens=tokens,
        speaker=folder / "none",
        precision="float32",
        device="cpu",
        t2s=write_ckpt(folder / "x.ckpt", t2s_weights(ends_like=7)),
        sovits=write_pth(folder / "y.pth", sovits_weights(), b"01"),
    )
    add_voice(made.voices, "anna", recording(), text="The dog ran.", language="en")
    add_voice(made.voices, "bare", recording(5.0, 44_100), text="", language="zh", aux=[recording(3.1)])
    return made


@pytest.fixture(scope="module")
def engine(settings):
    return GptSovits(settings, pace=ANY)


def sentence(text=ENGLISH, language="en", index=0):
    return Sentence(index, text, 0, text, tuple(range(len(text) + 1)), language)


def sound(engine, said=None, voice="anna", style=None):
    pieces = engine.speak(said or sentence(), voice, style or Style())
    return np.concatenate([piece.samples for piece in pieces])


@pytest.mark.parametrize("voice", ["anna", "bare"])
@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        pytest.param(CHINESE, "zh", marks=CHINESE_ONLY),
        pytest.param("我很 good。", "zh", marks=CHINESE_ONLY),
    ],
)
def test_text_becomes_sound_in_every_voice(engine, voice, text, language):
    made = sound(engine, sentence(text, language), voice)
    pause = int(PAUSE_S * engine.rate)
    assert made.dtype == np.float32
    assert (len(made) - pause) % 1280 == 0
    assert float(made[:-pause].std()) > 1e-3
    assert not made[-pause:].any()


def test_the_voices_are_those_of_the_folder(engine):
    assert [voice.name for voice in engine.voices()] == ["anna", "bare"]


def test_a_seed_gives_the_same_sound_again(engine):
    first, again, other = (sound(engine, style=Style(seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_sentences_spoken_side_by_side_are_those_spoken_one_by_one(engine):
    said = [sentence(ENGLISH, index=k) for k in range(3)]
    alone = [sound(engine, one) for one in said]
    running = {k: engine.speak(one, "anna", Style()) for k, one in enumerate(said)}
    parts = {k: [] for k in running}
    while running:
        for k in list(running):
            piece = next(running[k], None)
            if piece is None:
                del running[k]
            else:
                parts[k].append(piece.samples)
    for k, wanted in enumerate(alone):
        np.testing.assert_allclose(np.concatenate(parts[k]), wanted, atol=1e-4)


def test_features_are_computed_once_and_again_only_for_other_models(settings, tmp_path):
    folder = settings.voices / "anna"
    for old in folder.glob("features-*.npz"):
        old.unlink()
    sound(GptSovits(settings, pace=ANY))
    assert len(list(folder.glob("features-*.npz"))) == 1
    without_hubert = replace(settings, hubert=tmp_path / "none")
    first = sound(GptSovits(without_hubert, pace=ANY))
    np.testing.assert_array_equal(first, sound(GptSovits(settings, pace=ANY)))
    other = replace(without_hubert, sovits=write_pth(tmp_path / "z.pth", sovits_weights()))
    with pytest.raises(BadInput, match=r"none"):
        sound(GptSovits(other, pace=ANY))


def test_slower_is_longer_and_higher_is_as_long(engine):
    plain, slow, high = (
        len(sound(engine, style=style)) for style in (Style(), Style(speed=0.5), Style(pitch=12))
    )
    assert slow == pytest.approx(2 * plain, abs=2 * 640)
    assert high == pytest.approx(plain, abs=2 * 640)


def test_what_is_tried_again_is_told_with_the_sound(settings):
    engine = GptSovits(settings, pace=Pace(least_s=40.0, most_s=100.0))
    told = [why for piece in engine.speak(sentence(), "anna", Style()) for why in piece.retried]
    assert told == ["too_short"] * (TRIES - 1)


def test_a_model_pair_that_is_not_needed_makes_room_for_another(settings, tmp_path):
    engine = GptSovits(replace(settings, memory_mb=1), pace=ANY)
    for k in range(3):
        add_voice(
            settings.voices,
            f"own{k}",
            recording(),
            text="",
            language="en",
            sovits=write_pth(tmp_path / f"{k}.pth", sovits_weights()),
        )
    made = [sound(engine, voice=f"own{k}") for k in (0, 1, 2, 0)]
    np.testing.assert_array_equal(made[0], made[3])
    assert len(engine._models._pairs) == 1
    roomy = GptSovits(settings, pace=ANY)
    for k in range(3):
        sound(roomy, voice=f"own{k}")
    assert len(roomy._models._pairs) == 3


def test_the_fast_mode_speaks_too(settings):
    made = sound(GptSovits(replace(settings, precision="fast"), pace=ANY))
    assert float(made.std()) > 1e-3


@pytest.mark.parametrize(
    ("text", "voice", "code"),
    [
        (ENGLISH, "nobody", "unknown_voice"),
        ("…！？", "anna", "nothing_to_say"),
        ("", "anna", "nothing_to_say"),
        ("good " * 20_000, "anna", "sentence_too_long"),
        ("good day " * 200, "anna", "sentence_too_long"),
    ],
)
def test_what_cannot_be_spoken_is_refused(engine, text, voice, code):
    with pytest.raises(BadInput) as caught:
        next(engine.speak(sentence(text), voice, Style()))
    assert caught.value.code == code


def test_unknown_symbols_do_no_harm(engine):
    assert len(sound(engine, sentence("Good ☃ \x00 day �.")))


def test_swapped_checkpoints_are_named(settings):
    engine = GptSovits(replace(settings, t2s=settings.sovits, sovits=settings.t2s))
    with pytest.raises(BadInput, match=r"y\.pth is a SoVITS v2 \.pth; a T2S \.ckpt"):
        next(engine.speak(sentence(), "anna", Style()))


def test_a_net_of_another_layout_is_refused_with_what_does_not_fit(settings, tmp_path):
    weights = {k: v for k, v in sovits_weights().items() if not k.startswith("flow.flows.2.")}
    engine = GptSovits(
        replace(settings, sovits=write_pth(tmp_path / "x.pth", {**weights, "y": torch.ones(1)}))
    )
    with pytest.raises(BadInput) as caught:
        next(engine.speak(sentence(), "anna", Style()))
    assert caught.value.code == "weights_wrong"


def test_the_engine_is_in_the_table_and_speaks_with_an_installations_own_files(
    settings, tmp_path, monkeypatch
):
    own = {name: str(getattr(settings, part)) for part, name in parts().items()}
    own["gpt-sovits-speaker"] = own["chinese-hubert"]  # not needed by v2, but it must be there
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(own))
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LIPSTREAM_PRECISION", "float32")
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    with pytest.raises(EngineUnavailable, match="gpt-sovits-t2s"):
        choose("speech", "gpt-sovits")
    assert choose("speech", "gpt-sovits", NeuralSettings().weights()) == "gpt-sovits"
    engine = load("speech", "gpt-sovits")
    assert list(engine.voices()) == []
    add_voice(tmp_path / "voices", "anna", recording(), text="The dog ran.", language="en")
    assert [voice.name for voice in engine.voices()] == ["anna"]
    assert len(sound(engine)) > 0


def test_a_video_is_rendered_with_this_voice(settings, small_library, tmp_path, monkeypatch):
    """The whole product: text to fragments, spoken by networks from real checkpoint files."""
    own = {name: str(getattr(settings, part)) for part, name in parts().items()}
    own["gpt-sovits-speaker"] = own["chinese-hubert"]
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(own))
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    shutil.copytree(small_library / "templates", tmp_path / "templates")
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    add_voice(tmp_path / "voices", "anna", recording(), text="The dog ran.", language="en")

    async def run():
        spec = replace(ENGINES["speech"]["gpt-sovits"], sets=())
        monkeypatch.setitem(ENGINES["speech"], "gpt-sovits", spec)
        items = []

        async def sink(item):
            items.append(item)

        async with EnginePool() as pool:
            request = Request(
                template="small",
                text=ENGLISH,
                language="en",
                speech="gpt-sovits",
                voice="anna",
                enhance=False,
            )
            return await render(request, pool, Templates(Settings(), pool), sink), items

    progress, items = asyncio.run(run())
    assert progress.engines["speech"] == "gpt-sovits"
    assert progress.rate == 32_000
    segment = next(item for item in items if isinstance(item, Segment))
    assert (segment.stop - segment.start - 9600) % 1280 == 0
    assert {item.kind for item in items if isinstance(item, Fragment)} == {"init", "video", "audio"}
