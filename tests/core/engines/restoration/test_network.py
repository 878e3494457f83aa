"""The network run on a device: batches, memory that runs out, and codes that hold still."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.face.network import as_input  # noqa: E402
from core.engines.restoration.network import MARGIN, Restorer, settled  # noqa: E402
from core.engines.restoration.parsing import Parser  # noqa: E402  # needs torch
from core.errors import Error  # noqa: E402
from core.nets import parsenet  # noqa: E402
from core.nets.packed import can_pack  # noqa: E402
from tests.support.codeformers import SMALL, small_net  # noqa: E402
from tests.support.fake_cuda import fake_device  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

CPU = torch.device("cpu")


def faces(count, seed=0):
    small = np.random.default_rng(seed).integers(0, 255, (count, 8, 8, 3), np.uint8)
    return small.repeat(SMALL.side // 8, 1).repeat(SMALL.side // 8, 2)


def plain(pictures, codes, fidelity):
    """What the network draws without any of it."""
    net = small_net()
    with torch.inference_mode():
        features, seen = net.encoder(as_input(pictures, CPU, torch.float32))
        made = net.draw(torch.from_numpy(codes.astype(np.int64)), features, seen, fidelity)
    levels = ((made.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).numpy()[..., ::-1]


@pytest.mark.parametrize("fidelity", [0.0, 0.6])
def test_in_float32_it_is_the_network_and_in_bfloat16_nearly(fidelity):
    given = faces(3)
    exact = Restorer(small_net(), CPU, torch.float32)
    codes = exact.codes(given)
    wanted = plain(given, codes, fidelity).astype(int)
    assert np.abs(exact.restore(given, codes, fidelity) - wanted).max() <= 1
    if not can_pack(torch.bfloat16):
        pytest.skip("it is the network; this processor packs no bfloat16")
    off = Restorer(small_net(), CPU, torch.bfloat16).restore(given, codes, fidelity) - wanted
    assert 10 * np.log10(255**2 / np.mean(off**2)) > 35


class Hungry(Restorer):
    """Has memory for so many faces at once."""

    room = 3

    def _restored(self, faces, held, fidelity):
        self.tried.append(len(faces))
        if len(faces) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super()._restored(faces, held, fidelity)


def hungry(room):
    made = Hungry(small_net(), CPU, torch.float32)
    made.room, made.batch, made.tried = room, 8, []
    return made


def test_where_memory_runs_out_the_batch_halves_and_stays_small():
    given, restorer = faces(7), hungry(3)
    codes = Restorer(small_net(), CPU, torch.float32).codes(given)
    made = restorer.restore(given, codes, 0.5)
    assert restorer.tried == [7, 4, 2, 2, 2, 1]
    assert np.abs(made.astype(int) - plain(given, codes, 0.5)).max() <= 1
    restorer.restore(given[:4], codes[:4], 0.5)
    assert restorer.tried[6:] == [2, 2]


def test_no_memory_for_a_single_face_is_an_error_that_says_what_to_do():
    with pytest.raises(Error, match=r"cpu has not enough free memory.*LIPSTREAM_DEVICE"):
        hungry(0).restore(faces(1), np.zeros((1, SMALL.tokens), np.int16), 0.5)


def test_recorded_it_runs_in_two_sizes_and_the_fidelity_may_change(monkeypatch):
    """What a CUDA device repeats, run on the CPU: only inputs of recorded shapes; memory runs out, too."""
    sizes = []

    def record(run, example, device, dtype=None, *, beside=None):
        assert (device, dtype) == (CPU, torch.float32)
        assert (beside is None) == (not sizes)
        if len(example[0]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(example[0]))

        @torch.inference_mode()
        def repeat(*inputs):
            assert [(x.shape, x.dtype) for x in inputs] == [(x.shape, x.dtype) for x in example]
            return run(*inputs)

        return repeat

    monkeypatch.setattr("core.engines.restoration.network.recorded", record)
    given, restorer = faces(7), Restorer(small_net(), CPU, torch.float32)
    codes = restorer.codes(given)
    restorer.batch, restorer._records = 8, True
    for fidelity in (0.3, 0.9, 0.0):
        made = restorer.restore(given, codes, fidelity)
        assert np.abs(made.astype(int) - plain(given, codes, fidelity)).max() <= 1
        assert np.array_equal(restorer.restore(given[:1], codes[:1], fidelity), made[:1])
    assert restorer.batch == 4
    assert sizes == [4, 1, 4, 1]


def test_on_a_cuda_device_one_launch_draws_what_the_network_does(monkeypatch):
    monkeypatch.setattr("core.engines.face.network._ON_GPU", 4)
    given = faces(3)
    codes = Restorer(small_net(), CPU, torch.float32).codes(given)
    wanted = {fidelity: plain(given, codes, fidelity).astype(int) for fidelity in (0.3, 0.9, 0.0)}
    with fake_device() as world:
        restorer = Restorer(small_net(), torch.device("cuda:0"), torch.float32)
        assert np.array_equal(restorer.codes(given), codes)
        for fidelity, picture in wanted.items():
            for count in (1, 3):
                replays = world.calls["replay"]
                made = restorer.restore(given[:count], codes[:count], fidelity)
                assert world.calls["replay"] == replays + 1
                assert np.abs(made - picture[:count]).max() <= 1


def test_a_code_is_held_until_another_is_clearly_likelier():
    logits = torch.tensor([[[0.0, 2.0, 2.0 + 0.9 * MARGIN], [0.0, 2.0, 2.0 + 1.1 * MARGIN]]])
    assert settled(logits, None).tolist() == [[2, 2]]
    assert settled(logits, torch.tensor([[1, 1]])).tolist() == [[1, 2]]
    assert settled(logits, torch.tensor([[0, 0]])).tolist() == [[2, 2]]


def test_noise_on_a_still_face_shows_a_third_or_less_of_what_the_reference_makes_of_it():
    still, noise = faces(1).astype(float), np.random.default_rng(1)
    noisy = np.concatenate([still + noise.normal(0, 4, still.shape) for _ in range(6)])
    shown = noisy.clip(0, 255).round().astype(np.uint8)
    restorer = Restorer(small_net(), CPU, torch.float32)
    held = np.repeat(restorer.codes(shown[:1]), 6, axis=0)
    for fidelity in (0.0, 0.7):
        steady = restorer.restore(shown, held, fidelity).astype(int)
        loose = plain(shown, restorer.codes(shown), fidelity).astype(int)
        restless = [np.abs(np.diff(made, axis=0)).mean() for made in (steady, loose)]
        assert restless[0] <= restless[1] / 3


def test_another_face_gets_codes_of_its_own_in_spite_of_those_held():
    restorer = Restorer(small_net(), CPU, torch.float32)
    mine, other = faces(1), faces(1, seed=5)
    held = restorer.codes(mine, restorer.codes(other))
    assert (held != restorer.codes(other)).any()


def test_the_parser_gives_the_labels_of_the_whole_face():
    torch.manual_seed(0)
    net = parsenet.ParseNet(parsenet.Layout(width=8, steps=2, depth=1)).eval()
    face = faces(1)[0]
    with torch.inference_mode():
        wanted = net(as_input(face[None], CPU, torch.float32)).argmax(dim=1)[0].numpy()
    made = Parser(net, CPU, torch.float32, side=SMALL.side)(face)
    assert made.shape == (SMALL.side, SMALL.side)
    assert (made == wanted).mean() > 0.999
    assert len(np.unique(made)) > 2
