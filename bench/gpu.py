"""What a GPU does with the networks: lips, faces and speech, whole paths and networks alone.

Weights are random; that changes no time. Without a GPU there is nothing to measure, but for `--device cpu`,
which runs the same code on networks of fewer channels.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import torch

from bench import Figure
from bench._lips_scene import Scene, inputs
from bench._own_weights import own_weights
from bench._random_lips import random_net, random_weights
from bench._scene import SENTENCE, rendered, scene, speech_text
from core.engines.compute.batches import Batches
from core.engines.compute.devices import device_of, dtype_of
from core.engines.neural import NeuralSettings
from core.engines.restoration.network import Restorer
from core.engines.wav2lip.engine import Wav2LipEngine
from core.nets.codeformer import Layout
from core.nets.wav2lip import LowerHalf
from core.render import Request
from tests.support.codeformers import small_net


def figures() -> Iterator[Figure]:
    """Lips, then faces, then speech."""
    settings = NeuralSettings()
    if not _measurable(settings):
        return
    yield from lips_figures(settings)
    yield from faces_figures(settings)
    from bench import speech  # takes seconds to import, and needs transformers

    yield from speech.figures()


def _measurable(settings: NeuralSettings) -> bool:
    return settings.device == "cpu" or device_of(settings.device).type != "cpu"


def card(settings: NeuralSettings) -> str:
    """What to call the device, and what networks count in there."""
    device = device_of(settings.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return f"{name}, {str(dtype_of(settings.precision, device)).removeprefix('torch.')}"


def lips_figures(settings: NeuralSettings) -> Iterator[Figure]:
    """Frames a second of Wav2Lip by pictures a call, and whole renders."""
    device, on = device_of(settings.device), card(settings)
    example = inputs(1)
    net = Batches(LowerHalf(random_net()), example, device, dtype_of(settings.precision, device))
    for batch in (1, 16, 64):
        given = tuple(x.to(device) for x in inputs(batch))
        took = _seconds(lambda given=given: net(*given), device)  # type: ignore[misc]  # a default
        yield Figure(f"wav2lip net, batch {batch} ({on})", batch / took, "frames/s")
    engine, drawn = Wav2LipEngine(net=random_net(), settings=settings), Scene()
    for batch in (1, 16, 64):
        call = drawn.drawing(engine, 0, batch)
        took = _seconds(lambda call=call: engine.draw_together([call]), device)  # type: ignore[misc]  # a default
        yield Figure(f"wav2lip crops in, crops out, batch {batch} ({on})", batch / took, "frames/s")
    engine.close()
    with random_weights():
        yield from asyncio.run(
            _renders("wav2lip", Request(lipsync="wav2lip", enhance=False), ("sample",), device, on)
        )


def faces_figures(settings: NeuralSettings) -> Iterator[Figure]:
    """Faces a second of CodeFormer by faces a call, and whole renders."""
    device, on = device_of(settings.device), card(settings)
    layout = Layout() if device.type != "cpu" else Layout(width=32, tokens=4)
    restorer = Restorer(small_net(layout), device, dtype_of(settings.precision, device))
    faces = np.random.default_rng(0).integers(0, 255, (32, layout.side, layout.side, 3), np.uint8)
    held = np.zeros((32, layout.tokens), np.int16)
    for batch in (1, 8, 32):
        restorer.batch = batch

        def work(batch: int = batch) -> object:
            return restorer.restore(faces[:batch], held[:batch], 0.5)

        took = _seconds(work, device)
        # Where memory ran out, it is fewer by now.
        yield Figure(
            f"codeformer, faces in, faces out, {restorer.batch} a call ({on})", batch / took, "faces/s"
        )
    with _weights(layout):
        request = Request(enhancer="codeformer")
        yield from asyncio.run(_renders("codeformer", request, ("sample", "720p"), device, on))


async def _renders(
    what: str, request: Request, names: tuple[str, ...], device: torch.device, on: str
) -> list[Figure]:
    """First frame and speed with templates at 512x512 ("sample") and larger, all prepared already."""
    made = []
    long_text = SENTENCE if device.type == "cpu" else speech_text(34)
    async with scene(*(name for name in names if name != "sample")) as (pool, templates):
        for name in names:
            short = replace(request, text=SENTENCE, template=name)
            await rendered(short, pool, templates)  # loads, prepares
            firsts = [
                (await rendered(short, pool, templates)).first_frame_s or 0 for _ in range(_rounds(device))
            ]
            size = "512x512" if name == "sample" else name
            made.append(
                Figure(
                    f"{what} {size}, first frame ({on})", 1000 * statistics.median(firsts), "ms", higher=False
                )
            )
            long = replace(request, text=long_text, template=name)
            runs = [await rendered(long, pool, templates) for _ in range(1 if short == long else 3)]
            speed = statistics.median(run.frames / run.fps / run.elapsed_s for run in runs)
            made.append(Figure(f"{what} {size}, end to end ({on})", speed, "x real time"))
    return made


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Median wall seconds of `work`, its kernels included; after two runs that find them."""
    taken = []
    for _ in range(2 + _rounds(device)):
        started = time.perf_counter()
        work()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[2:])


def _rounds(device: torch.device) -> int:
    return 1 if device.type == "cpu" else 9


def _weights(layout: Layout) -> AbstractContextManager[None]:
    """While open, a file of a random CodeFormer is what the engine loads."""
    return own_weights("codeformer", {"params_ema": small_net(layout).state_dict()})
