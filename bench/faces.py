"""CodeFormer and GFPGAN in the stream: how much faster than the authors' flow, how exact, how still.

The weights are the recipe's (tests/fixtures/codeformer), not the published ones; that changes no time. The
plain way is what the authors' script does with a frame: RetinaFace-R50, network, ParseNet, paste; float32.
"""

import asyncio
import copy
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench import Figure, _packages
from bench._scene import rendered, scene
from bench._small_codeformer import downloaded
from bench._timing import side_by_side
from core.engines.compute.devices import device_of
from core.engines.face.network import as_input
from core.engines.neural import NeuralSettings
from core.engines.restoration.codeformer import CodeFormerEngine
from core.engines.restoration.ffhq import alignments, cut, lay
from core.engines.restoration.gfpgan import GfpganNetwork
from core.engines.restoration.masks import square, with_mouth_of
from core.engines.restoration.network import Restorer
from core.enhancement.every_nth import CarryOver
from core.media.paste import paste
from core.media.planes import to_bgr, to_i420
from core.nets import gfpgan as gfpgan_net
from core.nets.codeformer import CodeFormer
from core.render import Request
from core.tracking.pose import LANDMARKS, placed
from core.types import FaceTrack, Image
from tests.parity import _codeformer_reference as reference
from tests.parity import gfpgan
from tests.parity.codeformer import net_of
from tests.support.faces import tracked

_FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures" / "codeformer"
_ROUNDS = 3
_CPU = torch.device("cpu")


def figures() -> Iterator[Figure]:
    """Network, whole path, exactness, stillness, pipeline."""
    settings = NeuralSettings()
    device = device_of(settings.device)
    net, _ = net_of(_FIXTURES, 1.1)
    engine = CodeFormerEngine(net=copy.deepcopy(net), settings=settings)
    plain = net.to(device)
    fast, face = cast(Restorer, engine._network), _face()
    yield from _network(plain, fast, face)
    yield from _path(plain, engine, device)
    yield from _laying_back()
    yield from _carried()
    yield from _stillness(plain, fast, face)
    del net, plain
    yield from _gfpgan(fast, face)
    del engine, fast
    yield from _packages.figures(face)
    yield from _pipeline()
    if device.type != "cpu":
        from bench import gpu  # it imports much that this does not need

        yield from gpu.faces_figures(settings)


def _network(plain: CodeFormer, fast: Restorer, face: Image) -> Iterator[Figure]:
    x = as_input(face[None], fast.device, torch.float32).contiguous()

    def theirs() -> None:
        with torch.inference_mode():
            plain(x, 0.5, True)

    held = fast.codes(face[None])
    mine, baseline, ratio = side_by_side(lambda: fast.restore(face[None], held, 0.5), theirs, _ROUNDS)
    kind = f"{str(fast.dtype).removeprefix('torch.')}, {fast.device}"
    yield Figure(f"codeformer net ({kind})", mine, "s/face", higher=False, baseline=baseline)
    yield Figure("codeformer net, times plain float32", ratio, "x", 3.5 if fast.device == _CPU else None)
    with torch.inference_mode():
        features, seen = plain.encoder(x)
        codes = plain.predict(features).argmax(dim=2)
        wanted = _levels(plain.draw(codes, features, seen, 0.5))
    same = codes.cpu().numpy().astype(np.int16)
    likeness = _psnr(fast.restore(face[None], same, 0.5)[0], wanted)
    yield Figure("codeformer, likeness to float32 (codes held)", likeness, "dB", 38)
    changed = float((fast.codes(face[None]) != same).mean())
    yield Figure("codeformer, codes that differ from float32's", 100 * changed, "%", higher=False)


def _gfpgan(codeformer: Restorer, face: Image) -> Iterator[Figure]:
    """GFPGAN's network against itself in plain float32 and against CodeFormer's as it runs here."""
    plain, _ = gfpgan.net_of(_FIXTURES.parent / "gfpgan", gfpgan_net.Layout())
    fast = GfpganNetwork(copy.deepcopy(plain), codeformer.device, codeformer.dtype)
    plain.to(fast.device)
    x = as_input(face[None], fast.device, torch.float32).contiguous()
    held, none = codeformer.codes(face[None]), fast.codes(face[None])

    def ours() -> Image:
        return fast.restore(face[None], none, 0.5)

    def theirs() -> Image:
        with torch.inference_mode():
            return _levels(plain(x))

    mine, baseline, ratio = side_by_side(ours, theirs, _ROUNDS)
    kind = f"{str(fast.dtype).removeprefix('torch.')}, {fast.device}"
    yield Figure(f"gfpgan net ({kind})", mine, "s/face", higher=False, baseline=baseline)
    yield Figure("gfpgan net, times plain float32", ratio, "x", 3.5 if fast.device == _CPU else None)
    _, _, ratio = side_by_side(ours, lambda: codeformer.restore(face[None], held, 0.5), _ROUNDS)
    yield Figure("gfpgan net, times codeformer's", ratio, "x")
    yield Figure("gfpgan, likeness to float32", _psnr(ours()[0], theirs()), "dB", 38)


def _path(plain: CodeFormer, engine: CodeFormerEngine, device: torch.device) -> Iterator[Figure]:
    """A 720p frame: align, restore, mask, lay back, paste; against the authors' flow."""
    torch.manual_seed(0)
    finder, parser, whose = _packages.finder_and_parser()
    finder, parser = finder.to(device), parser.to(device)
    track, frame = _scene_720p()
    planes = to_i420(frame)
    (x, y), side = track.corners[0].tolist(), track.side
    patch = to_bgr(planes, x, y, side)
    learnt = engine.prepare(track, [patch], lambda _: None)

    def ours() -> None:
        made = engine.enhance(patch[None], [0], track, learnt, 0.5)
        paste(planes.copy(), made[0], x, y)

    def theirs() -> None:
        _their_frame(plain, finder, parser, frame, _marks(track), device)

    mine, baseline, ratio = side_by_side(ours, theirs, 2)
    yield Figure("720p frame, whole path", mine, "s", higher=False, baseline=baseline)
    yield Figure(f"720p frame, times the authors' flow ({whose})", ratio, "x", 5 if device == _CPU else None)


def _their_frame(
    net: CodeFormer,
    finder: nn.Module,
    parser: nn.Module,
    frame: Image,
    landmarks: NDArray[np.float64],
    device: torch.device,
) -> None:
    """What the authors' script does with a frame; what the finder says is not used, it is not trained."""
    small = cv2.resize(frame, (0, 0), fx=640 / 720, fy=640 / 720, interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        finder(torch.from_numpy(small.astype(np.float32).transpose(2, 0, 1)[None] - 110).to(device))
        matrix = reference.affine(landmarks)
        face = reference.aligned(frame, matrix)
        restored = _levels(net(_plain_input(face, device), 0.5, True)[0])

        def parse(image: Image) -> NDArray[np.integer]:
            made = parser(_plain_input(image, device))
            labels = made[0] if isinstance(made, tuple) else made  # facexlib's gives a picture besides
            return np.asarray(labels.argmax(dim=1)[0].cpu().numpy())

        reference.pasted(frame, [restored], [matrix], 1, parse)


def _laying_back() -> Iterator[Figure]:
    track, frame = _scene_720p()
    planes = to_i420(frame)
    (x, y), side = track.corners[0].tolist(), track.side
    patch = to_bgr(planes, x, y, side)
    matrix = alignments(track)[0]
    face = cut(patch, matrix)

    def ours() -> None:
        lay(patch, with_mouth_of(face, face, 0.5), square(), matrix)
        paste(planes, patch, x, y)

    def theirs() -> None:
        reference.pasted(frame, [face], [reference.affine(_marks(track))])

    name = "720p, face laid back and pasted, CPU time"
    yield Figure(name, _cpu_ms(ours), "ms", 8, higher=False, baseline=_cpu_ms(theirs))


def _carried() -> Iterator[Figure]:
    """One face in so many restored, by a perfect engine: the drawn presenter, once blurred."""
    track, sharp = tracked(48, 512)
    given = [np.asarray(cv2.GaussianBlur(face, (0, 0), 3), np.uint8) for face in sharp]
    area = slice(track.side // 5, -track.side // 5)

    def likeness(shown: Sequence[Image]) -> float:
        return _psnr(np.stack(shown)[:, area, area], np.stack(sharp)[:, area, area])

    def shown(every: int) -> list[Image]:
        carried = CarryOver()
        return [
            carried.next(face, track.poses[k], None if k % every else sharp[k])
            for k, face in enumerate(given)
        ]

    for every in (2, 4, 8):
        name = f"one face in {every} restored, the others carried on: like each restored"
        yield Figure(name, likeness(shown(every)), "dB", baseline=likeness(given))
    took = _cpu_ms(lambda: shown(8)) / (len(given) * 7 / 8)
    yield Figure(f"a face of {track.side} pixels carried on, CPU time", took, "ms", higher=False)


def _stillness(plain: CodeFormer, fast: Restorer, face: Image) -> Iterator[Figure]:
    """A still face with noise of 4 levels: how much the result changes from frame to frame."""
    random = np.random.default_rng(0)
    shown = [np.rint(face + random.normal(0, 4, face.shape)).clip(0, 255).astype(np.uint8) for _ in range(3)]
    held = fast.codes(shown[0][None])
    for fidelity in (0.0, 0.7):
        ours = [fast.restore(one[None], held, fidelity)[0] for one in shown]
        with torch.inference_mode():
            theirs = [_levels(plain(_plain_input(one, fast.device), fidelity, True)[0]) for one in shown]
        mine, baseline = (
            float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(some)]))
            for some in (ours, theirs)
        )
        name = f"still face, change from frame to frame, w {fidelity}"
        yield Figure(name, mine, "levels", baseline / 3, higher=False, baseline=baseline)


def _pipeline() -> Iterator[Figure]:
    """A second of speech with a CodeFormer of half the channels as the enhancer."""
    with downloaded():
        yield Figure("pipeline with codeformer, efficiency", asyncio.run(_efficiency()), "", 0.95)


async def _efficiency() -> float:
    async with scene() as (pool, templates):
        request = Request(text="The first picture is on screen.", enhancer="codeformer")
        return (await rendered(request, pool, templates)).efficiency


def _cpu_ms(work: Callable[[], object]) -> float:
    """Median over 21 runs, all threads together: what other processes do does not count."""
    work()
    taken = []
    for _ in range(21):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return 1000 * statistics.median(taken)


def _face() -> Image:
    """The fixtures' face, 512 x 512."""
    with np.load(_FIXTURES / "codeformer_512_1.npz") as file:
        return np.asarray(file["image_small_bgr"].repeat(4, 0).repeat(4, 1), np.uint8)


def _scene_720p() -> tuple[FaceTrack, Image]:
    """A frame whose face is a third of its height."""
    frame = np.asarray(cv2.resize(_face(), (1280, 720), interpolation=cv2.INTER_AREA), np.uint8)
    pose = np.array([[240.0, 0, 84], [0, 240, 80]])
    corners = np.array([[440, 120]], np.int32)
    return FaceTrack(408, corners, pose[None], np.ones(1, np.bool_)), frame


def _marks(track: FaceTrack) -> NDArray[np.float64]:
    there: NDArray[np.float64] = placed(track.poses[0], LANDMARKS) + track.corners[0]
    return there


def _plain_input(face: Image, device: torch.device) -> torch.Tensor:
    return as_input(face[None], device, torch.float32).contiguous()


def _levels(made: torch.Tensor) -> Image:
    """The first of a network's pictures as uint8 BGR."""
    rgb = ((made[0].float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _psnr(a: Image, b: Image) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))
