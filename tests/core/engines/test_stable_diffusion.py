"""Painting through diffusers, on a tiny pipeline of random weights: everything but the beauty."""

import importlib.util
import json
import struct
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not all(importlib.util.find_spec(name) for name in ("transformers", "diffusers")):
    pytest.skip("needs diffusers: pip install -e '.[test,neural]'", allow_module_level=True)

from core.engines import ENGINES  # noqa: E402  # after the checks for what it needs
from core.engines.neural import NeuralSettings  # noqa: E402
from core.errors import BadInput, Error, Stopped  # noqa: E402
from core.protocols import PaintOrder  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),  # of the libraries
]


@pytest.fixture(scope="module", autouse=True)
def engine():
    """Our module. Here, so that those who run none of these tests need not import the libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries say of each other's versions
        importlib.import_module("core.nets.diffusion")  # first: a torchvision may not fit
        return importlib.import_module("core.engines.stable_diffusion")


def tiny(**scheduler):
    """A pipeline with the parts of Stable Diffusion 1.5, 128 pixels a side, weights from a seed."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    letters = [chr(code) for code in range(33, 127)]
    names = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    text = CLIPTextConfig(
        vocab_size=len(names), hidden_size=32, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=2,
        bos_token_id=len(names) - 2, eos_token_id=len(names) - 1, pad_token_id=len(names) - 1,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=64, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), cross_attention_dim=32,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=8, norm_num_groups=8,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2, latent_channels=4,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=8, sample_size=32,
    )  # fmt: skip
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False, **scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="module")
def folder(engine, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    tiny().save_pretrained(path)
    return path


def settings(model):
    return NeuralSettings(diffusion_model=str(model), device="cpu", precision="float32")


@pytest.fixture(scope="module")
def painter(engine, folder):
    return engine.StableDiffusion(settings(folder))


def paint(painter, prompt="a sea", steps=3, stopped=lambda: False, **more):
    told = []
    order = PaintOrder(prompt, **({"width": 96, "height": 64} | more), steps=steps)
    painting = painter.paint(order, lambda done, total: told.append((done, total)), stopped)
    return painting, told


def test_a_picture_comes_in_the_proportions_asked_for_with_progress_by_the_step(painter):
    painting, told = paint(painter, width=1920, height=1080)
    height, width = painting.picture.shape[:2]
    assert painting.picture.dtype == np.uint8
    assert (width % 64, height % 64) == (0, 0)
    assert width > height
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_same_seed_is_the_same_picture_and_another_is_another(painter):
    first, same, other = (paint(painter, seed=seed)[0].picture for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_prompt_negative_and_guidance_all_reach_the_network(painter):
    plain = paint(painter, guidance=7.0)[0].picture
    for change in ({"prompt": "a hill"}, {"negative": "a boat"}, {"guidance": 1.5}):
        assert not np.array_equal(plain, paint(painter, **({"guidance": 7.0} | change))[0].picture), change


def test_it_stops_between_steps(painter):
    asked = []

    def stopped():
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Stopped):
        paint(painter, steps=50, stopped=stopped)
    assert len(asked) == 3
    assert paint(painter)[0].picture.any()  # and paints on


def test_turbo_checkpoints_get_few_steps_and_others_many(engine, folder, tmp_path):
    turbo = tmp_path / "turbo"
    tiny(timestep_spacing="trailing").save_pretrained(turbo)
    assert len(paint(engine.StableDiffusion(settings(turbo)), steps=None)[1]) == 4


def test_what_the_safety_checker_withholds_is_refused(painter, monkeypatch):
    class Made:
        images = np.zeros((1, 64, 64, 3), np.float32)
        nsfw_content_detected = (True,)

    pipe = painter._pipe
    held = type(
        "Held", (), {"__call__": lambda *_, **__: Made, "scheduler": pipe.scheduler, "unet": pipe.unet}
    )()
    held.vae_scale_factor = pipe.vae_scale_factor
    monkeypatch.setattr(painter, "_pipe", held)
    with pytest.raises(BadInput, match="safety checker") as caught:
        paint(painter)
    assert caught.value.code == "unsafe_picture"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 TB"),
    ],
)
def test_running_out_of_memory_says_what_to_do(painter, monkeypatch, error):
    def fail(*_arguments, **_more):
        raise error

    monkeypatch.setattr(painter._pipe.unet, "forward", fail)
    with pytest.raises(Error, match="LIPSTREAM_DEVICE=cpu") as caught:
        paint(painter)
    assert "96x64" not in str(caught.value)
    assert "picture of" in str(caught.value)


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "a file that is none"])
def test_a_checkpoint_that_cannot_be_loaded_names_the_command(engine, tmp_path, monkeypatch, what):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = tmp_path / "model"
    if what == "an empty folder":
        path.mkdir()
    elif what == "a file that is none":
        path = path.with_suffix(".safetensors")
        path.write_bytes(b"\xff" * 200)
    with pytest.raises(BadInput, match="hf download") as caught:
        engine.StableDiffusion(settings(path))
    assert caught.value.code in ("weights_missing", "malformed_weights")


def test_a_single_file_is_known_by_its_header(engine, tmp_path):
    for name, xl in (("conditioner.embedders.1.model.ln_final.weight", True), ("cond_stage_model.x", False)):
        header = json.dumps({name: {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}}).encode()
        path = tmp_path / "any.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        assert engine.is_xl(path) is xl


def test_it_is_preferred_where_a_checkpoint_is_set():
    spec = ENGINES["paint"]["stable-diffusion"]
    assert spec.missing(settings("anything").weights()) == []
    assert spec.missing(NeuralSettings().weights()) == ["the setting diffusion_model"]
    assert next(iter(ENGINES["paint"])) == "stable-diffusion"
