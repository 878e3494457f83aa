"""The engine, with a small CodeFormer of the real make; its network and geometry have tests of their own."""

import asyncio
import dataclasses
import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.config import Settings  # noqa: E402  # needs torch
from core.engines import ENGINES, choose, load  # noqa: E402
from core.engines.neural import NeuralSettings  # noqa: E402
from core.engines.restoration.codeformer import CodeFormerEngine  # noqa: E402
from core.engines.restoration.engine import mask_at  # noqa: E402
from core.engines.restoration.ffhq import cut  # noqa: E402
from core.errors import BadInput, EngineUnavailable  # noqa: E402
from core.render import Request, render  # noqa: E402
from core.serving.engine_pool import EnginePool  # noqa: E402
from core.templates.library import Templates  # noqa: E402
from core.types import Face, FaceTrack, Fragment  # noqa: E402
from tests.support.codeformers import SMALL, small_net  # noqa: E402
from tests.support.faces import tracked  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


def engine(**given):
    settings = NeuralSettings(device="cpu", precision="float32")
    return CodeFormerEngine(net=small_net(), settings=settings, **given)


@pytest.fixture(scope="module")
def clear():
    return engine()


def scene(count=12):
    track, crops = tracked(count)
    return track, np.stack(crops)


def learnt(one, track, crops):
    return one.prepare(track, crops, lambda _: None)


def left_is_background(face):
    labels = np.ones(face.shape[:2], np.uint8)
    labels[:, : len(face) // 2] = 0
    return labels


def test_however_patches_are_grouped_they_come_out_the_same_bit_for_bit(clear):
    track, crops = scene()
    prepared = learnt(clear, track, crops)
    whole = clear.enhance(crops[:6], range(6), track, prepared, 0.5)
    for size in (1, 4):
        parts = [
            clear.enhance(crops[k : min(k + size, 6)], range(k, min(k + size, 6)), track, prepared, 0.5)
            for k in range(0, 6, size)
        ]
        assert np.array_equal(np.concatenate(parts), whole)


def test_the_face_changes_its_surroundings_and_the_given_patches_do_not(clear):
    track, crops = scene()
    before = crops.copy()
    made = clear.enhance(crops, range(12), track, learnt(clear, track, crops))
    assert np.array_equal(crops, before)
    assert not np.shares_memory(made, crops)
    x, y = (track.poses[0] @ [0.5, 0.55, 1]).astype(int)
    assert (
        np.abs(
            made[0, y - 20 : y + 20, x - 20 : x + 20].astype(int) - crops[0, y - 20 : y + 20, x - 20 : x + 20]
        ).mean()
        > 5
    )
    assert np.array_equal(made[:, -4:], crops[:, -4:])
    assert np.array_equal(made[:, :, :4], crops[:, :, :4])


def test_fidelity_bends_the_face_towards_what_was_given(clear):
    track, crops = scene()
    prepared = learnt(clear, track, crops)
    made = [clear.enhance(crops[:1], [0], track, prepared, w)[0].astype(int) for w in (0.0, 0.5, 1.0)]
    assert np.abs(made[0] - made[1]).mean() > 0.5
    assert np.abs(made[1] - made[2]).mean() > 0.5


def test_frames_without_a_face_come_back_as_they_are(clear):
    track, crops = scene()
    found = np.arange(12) % 3 != 0
    some = dataclasses.replace(track, found=found)
    made = clear.enhance(crops, range(12), some, learnt(clear, some, crops))
    same = [np.array_equal(a, b) for a, b in zip(made, crops, strict=True)]
    assert same == (~found).tolist()
    blind = dataclasses.replace(track, found=np.zeros(12, np.bool_))
    prepared = learnt(clear, blind, crops)
    assert np.array_equal(clear.enhance(crops, range(12), blind, prepared), crops)


def test_what_the_parser_calls_background_stays_and_masks_change_gradually():
    parsing = engine(parser=left_is_background)
    track, crops = scene()
    prepared = learnt(parsing, track, crops)
    made = parsing.enhance(crops[:1], [0], track, prepared)
    changed = np.abs(made[0].astype(int) - crops[0]).max(axis=2) > 0
    middle = int((track.poses[0] @ [0.5, 0.5, 1])[0])
    assert changed[:, middle + 30 :].mean() > 0.1
    assert not changed[:, : middle - 30].any()
    prepared["masks"][0], prepared["masks"][1] = 0, 200
    levels = [int(mask_at(prepared, k).max()) for k in range(6)]
    assert levels == [0, 40, 80, 120, 160, 200]
    assert mask_at(prepared, 11).shape == (128, 128)


def test_what_is_learnt_is_small_and_saves_as_arrays(clear, tmp_path):
    track, crops = scene()
    reported = []
    prepared = clear.prepare(track, crops, reported.append)
    assert reported[-1] == 12
    assert reported == sorted(reported)
    np.savez(tmp_path / "learnt.npz", **prepared)
    with np.load(tmp_path / "learnt.npz") as saved:
        assert {key: value.shape for key, value in saved.items()} == {
            "matrices": (12, 2, 3),
            "looked": (3,),
            "masks": (3, 128, 128),
            "codes": (3, SMALL.tokens),
        }


def test_landmarks_are_looked_for_where_the_track_has_none():
    class Finder:
        """Sees somebody else first, then this face a little lower than its box says."""

        def find(self, image):
            marks = np.array([[0.3, 0.45], [0.7, 0.45], [0.5, 0.68], [0.36, 0.84], [0.66, 0.84]])
            there = marks @ track.poses[0][:, :2].T + track.poses[0][:, 2]
            box = np.zeros(4, np.float32)
            return [Face(box, 1.0, (there + 90).astype(np.float32)), Face(box, 1.0, there.astype(np.float32))]

    track, crops = scene()
    track = FaceTrack(track.side, track.corners, np.repeat(track.poses[:1], 12, 0), track.found)
    plain, seeing = engine(), engine(finder=Finder())
    assert plain.version != seeing.version
    lower = learnt(seeing, track, crops)["matrices"] - learnt(plain, track, crops)["matrices"]
    width = np.hypot(*track.poses[0][:, 0])
    assert np.all(lower[:, 1, 2] > 0.02 * width)
    assert np.abs(lower[:, 0, 2]).max() < 0.05 * width


def test_a_mouth_the_template_has_not_is_restored_from_itself(clear):
    track, crops = scene()
    prepared = learnt(clear, track, crops)
    opened = crops[:1].copy()
    x, y = (track.poses[0] @ [0.5, 0.79, 1]).astype(int)
    cv2.ellipse(opened[0], (int(x), int(y)), (20, 26), 0, 0, 360, (10, 0, 0), -1)
    given = cut(opened[0], prepared["matrices"][0], SMALL.side)[None]
    free, held = clear._network.codes(given), clear._network.codes(given, prepared["codes"][:1])
    assert (held != prepared["codes"][:1]).any()
    assert (held == free).mean() >= (free == prepared["codes"][:1]).mean()


def weights(tmp_path, layout=SMALL):
    path = tmp_path / "mine.pth"
    torch.save({"params_ema": small_net(layout).state_dict()}, path)
    return path


def test_a_checkpoint_for_another_task_is_refused_by_its_name(tmp_path):
    fused = dataclasses.replace(SMALL, fused=("32", "64", "128"))
    for layout, name in ((fused, "colourisation"), (dataclasses.replace(fused, codes=512), "inpainting")):
        own = {"codeformer": weights(tmp_path, layout)}
        with pytest.raises(BadInput, match=name) as refused:
            CodeFormerEngine(settings=NeuralSettings(data_dir=tmp_path, device="cpu", own_weights=own))
        assert refused.value.code == "weights_wrong"


def test_without_weights_it_is_not_chosen_and_says_how_to_get_them(tmp_path, monkeypatch):
    assert choose("enhance", "auto", ()) == "builtin"
    monkeypatch.setattr("core.engines.has_gpu", lambda: True)
    assert choose("enhance", "auto", {"codeformer"}) == "codeformer"
    assert choose("enhance", "auto", {"codeformer"}, "cuda:0") == "codeformer"
    assert choose("enhance", "auto", {"codeformer"}, "cpu") == "builtin"
    monkeypatch.setattr("core.engines.has_gpu", lambda: False)
    assert choose("enhance", "auto", {"codeformer"}) == "builtin"
    assert choose("enhance", "codeformer", {"codeformer"}) == "codeformer"
    with pytest.raises(EngineUnavailable, match="lipstream models download codeformer"):
        choose("enhance", "codeformer", ())
    with pytest.raises(BadInput, match="lipstream models download codeformer"):
        CodeFormerEngine(settings=NeuralSettings(data_dir=tmp_path, device="cpu"))
    assert "not for commercial use" in ENGINES["enhance"]["codeformer"].about


def test_a_video_is_made_with_it_by_name(small_library, tmp_path, monkeypatch):
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps({"codeformer": str(weights(tmp_path))}))
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    fragments = []

    async def sink(item):
        if isinstance(item, Fragment):
            fragments.append(item)

    async def go():
        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=small_library), pool)
            request = Request(template="small", text="Hi.", enhancer="codeformer", fidelity=0.4)
            return await render(request, pool, templates, sink)

    progress = asyncio.run(go())
    assert progress.engines["enhance"] == "codeformer"
    assert progress.frames == sum(one.frames for one in fragments) > 10


def test_on_a_cpu_a_cancel_waits_for_one_face():
    assert engine().batch == 1


def test_the_table_loads_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps({"codeformer": str(weights(tmp_path))}))
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    assert load("enhance", "codeformer").version.startswith("codeformer/")
