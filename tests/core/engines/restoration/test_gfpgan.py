"""The engine, with a small GFP-GAN of the real make; its network and geometry have tests of their own."""

import asyncio
import dataclasses
import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.config import Settings  # noqa: E402  # needs torch
from core.engines import ENGINES, choose, load  # noqa: E402
from core.engines.compute.devices import device_of  # noqa: E402
from core.engines.face.network import as_input, as_pictures  # noqa: E402
from core.engines.neural import NeuralSettings  # noqa: E402
from core.engines.restoration.gfpgan import GfpganEngine, GfpganNetwork  # noqa: E402
from core.engines.restoration.masks import with_shape_of  # noqa: E402
from core.errors import BadInput, EngineUnavailable  # noqa: E402
from core.render import Request, render  # noqa: E402
from core.serving.engine_pool import EnginePool  # noqa: E402
from core.templates.library import Templates  # noqa: E402
from core.types import Fragment  # noqa: E402
from tests.support.bfloat16 import BFLOAT16  # noqa: E402
from tests.support.codeformers import small_net  # noqa: E402
from tests.support.faces import tracked  # noqa: E402
from tests.support.fake_cuda import fake_device  # noqa: E402
from tests.support.gfpgans import SMALL, small_gfpgan  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def clear():
    return GfpganEngine(net=small_gfpgan(), settings=NeuralSettings(device="cpu", precision="float32"))


def scene(count=6):
    track, crops = tracked(count)
    return track, np.stack(crops)


def learnt(one, track, crops):
    return one.prepare(track, crops, lambda _: None)


def faces(count):
    small = np.random.default_rng(0).integers(0, 255, (count, 8, 8, 3), np.uint8)
    return small.repeat(SMALL.side // 8, 1).repeat(SMALL.side // 8, 2)


def test_however_patches_are_grouped_they_come_out_the_same_bit_for_bit(clear):
    track, crops = scene()
    before = crops.copy()
    prepared = learnt(clear, track, crops)
    whole = clear.enhance(crops, range(6), track, prepared, 0.5)
    for size in (1, 4):
        parts = [
            clear.enhance(
                crops[k : min(k + size, 6)], range(k, min(k + size, 6)), track, prepared, fidelity=0.5
            )
            for k in range(0, 6, size)
        ]
        assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(crops, before)


def test_the_face_changes_its_surroundings_and_frames_without_a_face_do_not(clear):
    track, crops = scene()
    some = dataclasses.replace(track, found=np.arange(6) % 3 != 0)
    made = clear.enhance(crops, range(6), some, learnt(clear, some, crops), 0.0)
    x, y = (track.poses[1] @ [0.5, 0.55, 1]).astype(int)
    middle = np.s_[1, y - 20 : y + 20, x - 20 : x + 20]
    assert np.abs(made[middle].astype(int) - crops[middle]).mean() > 5
    assert np.array_equal(made[:, -4:], crops[:, -4:])
    same = [np.array_equal(a, b) for a, b in zip(made, crops, strict=True)]
    assert same == (~some.found).tolist()


def test_what_is_learnt_has_no_codes_and_saves_as_arrays(clear, tmp_path):
    track, crops = scene()
    np.savez(tmp_path / "learnt.npz", **learnt(clear, track, crops))
    with np.load(tmp_path / "learnt.npz") as saved:
        assert {key: value.shape for key, value in saved.items()} == {
            "matrices": (6, 2, 3),
            "looked": (2,),
            "masks": (2, 128, 128),
            "codes": (2, 0),
        }


@pytest.mark.parametrize("precision", [torch.float32, BFLOAT16])
def test_on_a_device_it_is_the_network(precision):
    given = faces(3)
    with torch.inference_mode():
        wanted = as_pictures(small_gfpgan()(as_input(given, CPU, torch.float32))).astype(int)
    network = GfpganNetwork(small_gfpgan(), CPU, precision)
    made = network.restore(given, network.codes(given), 0.3)
    assert np.abs(made - wanted).max() <= (1 if precision == torch.float32 else 12)


@pytest.mark.parametrize(("kind", "dtype"), [("cuda", "bfloat16"), ("cuda", "float16"), ("mps", "float16")])
def test_a_gpu_gets_the_maps_in_few_bits_the_styles_in_float32_and_keeps_its_rules(kind, dtype):
    given = faces(3)
    wanted = GfpganNetwork(small_gfpgan(), CPU, torch.float32).restore(given, np.zeros((3, 0), np.int16), 0)
    with fake_device(kind):
        network = GfpganNetwork(small_gfpgan(), device_of(kind), getattr(torch, dtype))
        network.batch = 2
        made = network.restore(given, network.codes(given), 0.3)
        linear = network._net.final_linear.weight
        assert (linear.device.type, linear.dtype) == (kind, torch.float32)
        assert network._net.final_conv.weight.dtype == getattr(torch, dtype)
    assert np.abs(made.astype(int) - wanted).max() <= 12


def blurred(picture):
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 12)


def test_fidelity_moves_shape_and_colours_back_and_leaves_detail():
    random = np.random.default_rng(0)
    detail = random.normal(0, 12, (512, 512, 3))
    given = cv2.resize(
        random.integers(60, 200, (6, 6, 3), np.uint8), (512, 512), interpolation=cv2.INTER_CUBIC
    )
    restored = (given[::-1].astype(float) + detail).clip(0, 255).astype(np.uint8)
    assert np.array_equal(with_shape_of(restored, given, 0.0), restored)
    apart = [np.abs(blurred(with_shape_of(restored, given, w)) - blurred(given)).mean() for w in (0, 0.5, 1)]
    assert apart[1] == pytest.approx(apart[0] / 2, rel=0.05)
    assert apart[2] < 1
    left = with_shape_of(restored, given, 1.0).astype(float)
    left -= blurred(left)
    fine = detail - cv2.GaussianBlur(detail, (0, 0), 12)
    assert np.corrcoef(left.ravel(), fine.ravel())[0, 1] > 0.95


def weights(tmp_path, net, name="mine.pth"):
    torch.save({"params_ema": net.state_dict()}, tmp_path / name)
    return tmp_path / name


def test_auto_takes_codeformer_first_then_it_and_neither_without_a_gpu(monkeypatch):
    both = {"codeformer", "gfpgan"}
    monkeypatch.setattr("core.engines.has_gpu", lambda: True)
    assert choose("enhance", "auto", both) == "codeformer"
    assert choose("enhance", "auto", {"gfpgan"}) == "gfpgan"
    monkeypatch.setattr("core.engines.has_gpu", lambda: False)
    assert choose("enhance", "auto", both) == "builtin"
    assert choose("enhance", "gfpgan", {"gfpgan"}) == "gfpgan"
    assert "Apache-2.0" in ENGINES["enhance"]["gfpgan"].about


def test_missing_weights_and_those_of_another_network_are_refused_by_name(tmp_path):
    with pytest.raises(EngineUnavailable, match="lipstream models download gfpgan"):
        choose("enhance", "gfpgan", ())
    with pytest.raises(BadInput, match="lipstream models download gfpgan"):
        GfpganEngine(settings=NeuralSettings(data_dir=tmp_path, device="cpu"))
    own = {"gfpgan": weights(tmp_path, small_net())}
    with pytest.raises(BadInput, match=r"should be GFPGAN v1\.4.* but it is a CodeFormer") as refused:
        GfpganEngine(settings=NeuralSettings(data_dir=tmp_path, device="cpu", own_weights=own))
    assert refused.value.code == "weights_wrong"


def test_the_table_loads_it(tmp_path, monkeypatch):
    own = json.dumps({"gfpgan": str(weights(tmp_path, small_gfpgan()))})
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", own)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    assert load("enhance", "gfpgan").version == "gfpgan/1"


def test_a_video_is_made_with_it_by_name(small_library, tmp_path, monkeypatch):
    own = json.dumps({"gfpgan": str(weights(tmp_path, small_gfpgan()))})
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", own)
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    fragments = []

    async def sink(item):
        if isinstance(item, Fragment):
            fragments.append(item)

    async def go():
        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=small_library), pool)
            request = Request(template="small", text="Hi.", enhancer="gfpgan", fidelity=0.4)
            return await render(request, pool, templates, sink)

    progress = asyncio.run(go())
    assert progress.engines["enhance"] == "gfpgan"
    assert progress.frames == sum(one.frames for one in fragments) > 10
