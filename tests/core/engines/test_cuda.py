"""Every network's way through a CUDA device, on one that is not there (`tests.support.fake_cuda`): what
comes out is what the CPU gives, and no rule of devices, streams and graphs is broken on the way.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.face.retinaface import RetinaFaceFinder  # noqa: E402
from core.engines.face.s3fd import S3fdFinder, network_input  # noqa: E402
from core.engines.gpt_sovits.engine import GptSovits  # noqa: E402
from core.engines.gpt_sovits.settings import GptSovitsSettings  # noqa: E402
from core.engines.gpt_sovits.utterance import Pace  # noqa: E402
from core.engines.gpt_sovits.voices import add_voice  # noqa: E402
from core.engines.neural import NeuralSettings  # noqa: E402
from core.engines.restoration.codeformer import CodeFormerEngine  # noqa: E402
from core.engines.restoration.parsing import Parser  # noqa: E402
from core.engines.upscaler import RealEsrgan  # noqa: E402
from core.engines.wav2lip.engine import Wav2LipEngine  # noqa: E402
from core.nets import parsenet, rrdbnet  # noqa: E402
from core.nets.retinaface import RetinaFace  # noqa: E402
from core.nets.s3fd import S3FD  # noqa: E402
from core.protocols import Style  # noqa: E402  # needs torch
from core.types import Sentence  # noqa: E402
from tests.core.engines.test_face_finders import randomised  # noqa: E402
from tests.core.engines.wav2lip.test_engine import IDLE, Echo, draw, sound, track  # noqa: E402
from tests.support.codeformers import small_net  # noqa: E402
from tests.support.faces import tracked  # noqa: E402
from tests.support.fake_cuda import fake_device  # noqa: E402
from tests.support.gpt_sovits_models import (  # noqa: E402
    sovits_weights,
    t2s_weights,
    write_bert,
    write_ckpt,
    write_hubert,
    write_pth,
)
from tests.support.recordings import recording  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

CPU = torch.device("cpu")


@pytest.fixture(params=["cuda:1", "mps"])
def device(request):
    """A device that is there for the length of a test."""
    kind = request.param.partition(":")[0]
    with fake_device(kind, count=2 if kind == "cuda" else 1) as world:
        yield torch.device(request.param)
        assert {place for place in world.made_on if place != "cpu"} <= {
            str(torch.device(request.param)),
            "mps:0",
        }


def settings(device, precision="float32"):
    return NeuralSettings(device=str(device), precision=precision)


def picture(height=60, width=70):
    small = np.random.default_rng(0).integers(0, 255, (height // 10, width // 10, 3), np.uint8)
    return small.repeat(10, 0).repeat(10, 1)


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_lips(device, precision):
    engine = Wav2LipEngine(net=Echo(0.05), settings=settings(device, precision))
    usual = Wav2LipEngine(net=Echo(0.05), settings=settings(CPU))
    samples, where = sound(1.5), track(40, roll=0.1)
    for count in (1, 3, 21):
        wanted, crops = draw(usual, range(count), samples, IDLE, where=where)
        made, _ = draw(engine, range(count), samples, IDLE, where=where)
        assert np.abs(made.astype(int) - wanted).mean() < 0.3
        assert not np.array_equal(made, crops)


def clearer(device, precision="float32"):
    torch.manual_seed(0)
    small = parsenet.ParseNet(parsenet.Layout(width=8, steps=2, depth=1))
    parser = Parser(randomised(small), device, torch.float32, 64)
    return CodeFormerEngine(net=small_net(), parser=parser, settings=settings(device, precision))


@pytest.fixture(scope="module")
def clear_here():
    """Faces, and what is learnt and made of them on the processor."""
    where, crops = tracked(6)
    crops = np.stack(crops)
    engine = clearer(CPU)
    learnt = engine.prepare(where, crops, lambda _: None)
    return where, crops, learnt, engine.enhance(crops, range(6), where, learnt, 0.5).astype(int)


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_faces_made_clear(clear_here, device, precision, monkeypatch):
    where, crops, learnt, usual = clear_here
    monkeypatch.setattr("core.engines.face.network._ON_GPU", 4)
    engine = clearer(device, precision)
    learnt_there = engine.prepare(where, crops, lambda _: None)
    assert np.abs(learnt["masks"].astype(int) - learnt_there["masks"]).mean() < 1
    if precision == "float32":
        assert np.array_equal(learnt["codes"], learnt_there["codes"])
    # The same codes for both: in rougher numbers, others are about as good, and another face.
    there = engine.enhance(crops, range(6), where, learnt, 0.5).astype(int)
    assert np.abs(usual - there).mean() < (0.1 if precision == "float32" else 3)
    assert np.abs(usual - crops).mean() > 3


def test_faces_found(device):
    torch.manual_seed(0)
    net, other = randomised(RetinaFace(mobile=True)), randomised(S3FD())
    net.ClassHead[0].conv1x1.bias.data[1::2] += 3  # faces, all over
    wanted = RetinaFaceFinder(net, device=CPU).detect(picture())
    made = RetinaFaceFinder(net, device=device).detect(picture())
    assert len(wanted[0]) > 0
    np.testing.assert_allclose(made[0], wanted[0], rtol=1e-3, atol=1e-2)
    for a, b in zip(
        S3fdFinder(other, device=CPU, dtype=torch.float32).maps(network_input(picture())),
        S3fdFinder(other, device=device, dtype=torch.float32).maps(network_input(picture())),
        strict=True,
    ):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-3, atol=1e-3)


def test_pictures_enlarged(device):
    torch.manual_seed(0)
    net = rrdbnet.RRDBNet(rrdbnet.Layout(width=8, blocks=1, growth=4)).eval()
    wanted = RealEsrgan(net, settings=settings(CPU), tile=32).enlarge(picture())
    made = RealEsrgan(net, settings=settings(device), tile=32).enlarge(picture())
    assert np.abs(made.astype(int) - wanted).max() <= 1


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    pytest.importorskip("core.nets.gpt_sovits.hubert", exc_type=(ImportError, RuntimeError))
    folder = tmp_path_factory.mktemp("models")
    bert, tokens = write_bert(folder)
    add_voice(folder / "voices", "anna", recording(), text="The dog ran.", language="en")
    files = {
        "hubert": write_hubert(folder / "hubert.bin"),
        "t2s": write_ckpt(folder / "x.ckpt", t2s_weights(ends_like=7)),
        "sovits": write_pth(folder / "y.pth", sovits_weights(), b"01"),
    }

    def made(place, precision):
        return GptSovitsSettings(
            voices=folder / "voices",
            bert=bert,
            tokens=tokens,
            speaker=folder / "none",
            precision=precision,
            device=str(place),
            **files,
        )

    return made


TEXTS = ("The cat sat.", "It ran away from us all.")


def spoken(settings):
    """Both texts, spoken in turn, so that they share the decoder's steps."""
    for path in settings.voices.glob("*/features-*"):
        path.unlink()  # or the reference would not be heard on this device
    engine = GptSovits(settings, pace=Pace(0.0, 100.0))
    sentences = [
        Sentence(k, text, 0, text, tuple(range(len(text) + 1)), "en") for k, text in enumerate(TEXTS)
    ]
    going = {k: engine.speak(sentence, "anna", Style()) for k, sentence in enumerate(sentences)}
    parts = [[], []]
    while going:
        for k in list(going):
            piece = next(going[k], None)
            if piece is None:
                del going[k]
            else:
                parts[k].append(piece.samples)
    return np.concatenate(parts[0] + parts[1])


@pytest.fixture(scope="module")
def spoken_here(voices):
    return spoken(voices(CPU, "float32"))


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_speech(device, precision, voices, spoken_here):
    assert spoken_here.std() > 1e-3
    made = spoken(voices(device, precision))
    np.testing.assert_allclose(made, spoken_here, atol=1e-3 if precision == "float32" else 0.1)
