"""MuseTalk's files: what they become is what diffusers and transformers make of them, and what is none of
them is refused by name."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from transformers import WhisperFeatureExtractor  # noqa: E402  # needs torch

from core.engines.compute.batches import Batches  # noqa: E402
from core.engines.musetalk import checkpoints  # noqa: E402
from core.engines.musetalk.checkpoints import load_networks  # noqa: E402
from core.engines.musetalk.engine import MuseTalkEngine  # noqa: E402
from core.engines.musetalk.hearing import RATE, spectrogram, stretch  # noqa: E402
from core.engines.neural import NeuralSettings  # noqa: E402
from core.errors import BadInput, Error  # noqa: E402
from core.nets.musetalk import SCALING  # noqa: E402
from tests.support import musetalks  # noqa: E402
from tests.support.musetalks import SIDE, WIDTH  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return musetalks.write(tmp_path_factory.mktemp("musetalk"))


def load(**own):
    return load_networks(NeuralSettings(device="cpu", own_weights=own), CPU, torch.float32)


def close(made, wanted):
    assert made.shape == wanted.shape
    error = float((made - wanted).abs().max() / wanted.abs().max())
    assert error <= 1e-4, error


def sound(count: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((count, 9600)).cumsum(axis=1)
    return (noise / np.abs(noise).max() * np.linspace(0.01, 1, count)[:, None]).astype(np.float32)


@torch.inference_mode()
def test_what_is_heard_and_drawn_is_what_diffusers_and_transformers_give(files):
    speaking = load(**files).speaking
    windows, latents = sound(3), torch.randn(3, 8, SIDE // 8, SIDE // 8)
    listen = WhisperFeatureExtractor(chunk_length=1)  # second; half a minute in Whisper tiny's own file
    features = listen(list(windows), sampling_rate=RATE, return_tensors="pt").input_features
    states = musetalks.whisper()(features, output_hidden_states=True).hidden_states
    tokens = torch.stack(states, dim=2)[:, 16:26].reshape(3, 30, WIDTH)
    place, half = np.arange(30)[:, None], np.exp(np.arange(0, WIDTH, 2) * -(np.log(10_000) / WIDTH))
    tokens[:, :, 0::2] += torch.from_numpy(np.sin(place * half).astype(np.float32))
    tokens[:, :, 1::2] += torch.from_numpy(np.cos(place * half).astype(np.float32))
    made = musetalks.unet()(latents, torch.tensor([0]), encoder_hidden_states=tokens).sample
    drawn = (musetalks.autoencoder().decode(made / SCALING).sample / 2 + 0.5).clamp(0, 1)

    heard = torch.from_numpy(np.stack([spectrogram(window) for window in windows]))
    close(heard, features[:, :, : heard.shape[2]])
    close(speaking.tokens(heard), tokens)
    half_face = drawn.flip(1)[:, :, SIDE // 2 :]
    assert half_face.std() > 1e-3
    close(speaking(heard, latents), half_face)
    # As the engine runs it on this processor, one picture after another.
    packed = Batches(speaking, (heard[:1], latents[:1]), CPU, torch.float32, sizes=(1,))
    close(packed(heard, latents), half_face)


@torch.inference_mode()
def test_what_is_learnt_of_a_face_is_what_diffusers_gives(files):
    faces = torch.rand(2, 3, SIDE, SIDE)
    reference, rgb = musetalks.autoencoder(), faces.flip(1)
    hidden = rgb.clone()
    hidden[:, :, SIDE // 2 :] = 0
    parts = [reference.encode(2 * x - 1).latent_dist.mode() * SCALING for x in (hidden, rgb)]
    close(load(**files).learning(faces), torch.cat(parts, dim=1))


def test_autoencoders_whose_attention_goes_by_its_old_names_load(files, tmp_path):
    old = {}
    for key, value in torch.load(files["sd-vae-ft-mse"]).items():
        for new, name in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value.")):
            key = key.replace(new, name)
        old[key.replace(".to_out.0.", ".proj_attn.")] = value
    assert sum(".query." in key for key in old) == 4
    torch.save(old, tmp_path / "old.bin")
    convolutions = {k: v[..., None, None] if "attn" in k and v.dim() == 2 else v for k, v in old.items()}
    torch.save(convolutions, tmp_path / "older.bin")
    usual = load(**files).learning.state_dict()
    for name in ("old.bin", "older.bin"):
        made = load(**{**files, "sd-vae-ft-mse": tmp_path / name}).learning.state_dict()
        assert all(torch.equal(made[key], value) for key, value in usual.items())


def _channels(path, _files):
    torch.save(musetalks.unet(channels=4).state_dict(), path)


def _truncated(path, files):
    path.write_bytes(files["musetalk-unet"].read_bytes()[:200_000])


def _lacking(path, files):
    content = torch.load(files["musetalk-unet"])
    del content["mid_block.resnets.0.conv1.weight"]
    torch.save(content, path)


def _without_an_end(path, files):
    content = torch.load(files["musetalk-unet"])
    del content["conv_out.weight"]
    torch.save(content, path)


def _drawing_colours(path, _files):
    unet = musetalks.unet()
    torch.save({**unet.state_dict(), "conv_out.weight": torch.zeros(8, 32, 3, 3)}, path)


def _three_blocks(path, _files):
    state = musetalks.autoencoder().state_dict()
    torch.save({key: value for key, value in state.items() if "encoder.down_blocks.3." not in key}, path)


def _more_bands(path, _files):
    state = {f"model.encoder.{key}": value for key, value in musetalks.whisper().state_dict().items()}
    torch.save(state | {"model.encoder.conv1.weight": torch.zeros(64, 128, 3)}, path)


def _few_moments(path, _files):
    state = musetalks.whisper(positions=20).state_dict()
    torch.save({f"model.encoder.{key}": value for key, value in state.items()}, path)


def _first_version(path, _files):
    with path.open("wb") as file:
        file.truncate(3_400_076_549)  # no blocks are written


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("musetalk-unet", _channels, "a Stable Diffusion UNet: it takes 4 channels, MuseTalk 1.5 takes 8"),
        ("musetalk-unet", _truncated, "may have been cut short"),
        ("musetalk-unet", _lacking, r"Missing key\(s\).*mid_block.resnets.0.conv1.weight"),
        ("musetalk-unet", _without_an_end, "it has no conv_out.weight"),
        ("musetalk-unet", _drawing_colours, "it draws 8 channels, MuseTalk 1.5 draws 4"),
        ("sd-vae-ft-mse", _three_blocks, "it has 3 blocks, that of Stable Diffusion 1 has 4"),
        ("whisper-tiny", _more_bands, "it hears 128 bands, MuseTalk 80"),
        ("whisper-tiny", _few_moments, "it hears 20 moments, MuseTalk 31"),
        ("musetalk-unet", _first_version, "the UNet of MuseTalk 1.0, and this engine is for 1.5"),
        ("musetalk-unet", None, "should be MuseTalk 1.5's UNet, but it is a Stable Diffusion autoencoder"),
        ("sd-vae-ft-mse", None, r"should be a Stable Diffusion autoencoder, but it is a Whisper"),
        ("whisper-tiny", None, "should be Whisper tiny, but it is a Stable Diffusion UNet"),
        ("whisper-tiny", lambda path, _: path.unlink(missing_ok=True), "download whisper-tiny"),
    ],
)
def test_a_file_that_is_not_the_one_is_named(files, tmp_path, name, write, told):
    following = dict(zip(files, [*list(files)[1:], next(iter(files))], strict=True))
    path = tmp_path / "mine.pth" if write else files[following[name]]
    if write:
        write(path, files)
    with pytest.raises(BadInput, match=told) as refused:
        load(**{**files, name: path})
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_files_of_half_precision_are_drawn_with_in_the_devices_own(files, tmp_path, kind):
    halves = {}
    for name, path in files.items():
        halves[name] = tmp_path / name
        torch.save({key: value.to(kind) for key, value in torch.load(path).items()}, halves[name])
    networks = load(**halves)
    kinds = {value.dtype for half in (networks.speaking, networks.learning) for value in half.parameters()}
    assert kinds == {torch.float32}


def test_another_autoencoder_has_templates_learnt_anew(files, tmp_path):
    other = tmp_path / "vae.pth"
    torch.save({key: 2 * value for key, value in torch.load(files["sd-vae-ft-mse"]).items()}, other)
    made = [MuseTalkEngine(networks=load(**one)) for one in (files, {**files, "sd-vae-ft-mse": other})]
    assert made[0].version != made[1].version
    assert all(engine.version.startswith("musetalk/1/") for engine in made)


def test_too_little_memory_is_said_before_anything_is_loaded(files, monkeypatch):
    monkeypatch.setattr("core.engines.compute.memory._free", lambda _device: 1_000_000)
    monkeypatch.setattr(checkpoints, "load_net", lambda *_: pytest.fail("loaded"))
    with pytest.raises(Error, match=r"MuseTalk needs about 0\.\d GB of memory on cpu, and 0\.0 GB are free"):
        load(**files)


@pytest.mark.parametrize("fps", [24, 25, 30, 50])
def test_a_frame_hears_from_well_before_it_to_a_fifth_of_a_second_after_it_begins(fps):
    for frame in range(200):
        start, stop = stretch(frame, fps)
        begins = frame * RATE / fps
        assert stop - start == 9600
        assert start % 320 == 0
        assert begins + 0.18 * RATE < stop <= begins + 0.2 * RATE
