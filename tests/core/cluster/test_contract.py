"""What a renderer owes to whoever asks for a video: the same cases here and on a cluster."""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.cluster.files import Bundler
from core.config import Settings
from core.enhancement.video import Enhancement
from core.errors import BadInput, EngineUnavailable, NodeLost
from core.live.commands import Add, AddAudio, AudioFormat, Finish, Interrupt, Say
from core.live.session import SessionRequest, SpeechEnded, SpeechFailed, SpeechStarted
from core.progress import Progress
from core.render import Item, Request
from core.renderer import Here, Renderer
from core.runtime.slots import Slots
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SHORT = Request(template="small", text="Hello there.", speech="builtin")
LONG = replace(SHORT, text="Hello there, this is a line of some length for the two of us. " * 20)


@dataclass(frozen=True, slots=True)
class Studio:
    """A renderer under test. busy: renders that it has under way, wherever."""

    renderer: Renderer
    data_dir: Path
    busy: Callable[[], Awaitable[int]]
    run: Callable[..., Any]
    cluster: Any = None


@asynccontextmanager
async def here(data_dir: Path) -> AsyncGenerator[tuple[Renderer, Any], None]:
    settings = Settings(data_dir=data_dir, speech="builtin")
    async with EnginePool(settings=settings) as pool:
        yield Here(pool, Templates(settings, pool)), None


@asynccontextmanager
async def on_ray(data_dir: Path, address: str) -> AsyncGenerator[tuple[Renderer, Any], None]:
    from core.cluster.connect import open_cluster

    settings, slots = Settings(data_dir=data_dir, speech="builtin"), Slots(0)
    async with AsyncExitStack() as ends:
        pool = await ends.enter_async_context(EnginePool(settings=settings))
        cluster = await ends.enter_async_context(open_cluster(address, Templates(settings, pool), slots))
        while slots.limit < 2:  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.05)
        yield cluster, cluster


@pytest.fixture(scope="module", params=["local", "ray"])
def studio(request: Any, small_library: Path) -> Iterator[Studio]:
    with asyncio.Runner() as runner:
        if request.param == "local":
            opening = here(small_library)
        else:
            opening = on_ray(small_library, request.getfixturevalue("ray_cluster").address)
        renderer, cluster = runner.run(opening.__aenter__())

        async def busy() -> int:
            if cluster is None:
                return sum(task.get_name() in ("tts", "encode") for task in asyncio.all_tasks())
            return sum([(await machine.figures()).running for machine in cluster.machines.values()])

        yield Studio(renderer, small_library, busy, runner.run, cluster)
        runner.run(opening.__aexit__(None, None, None))


on_the_cluster = pytest.mark.parametrize("studio", ["ray"], indirect=True, scope="module")


class Taken:
    """What came of a render."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.progress = Progress()

    async def take(self, item: Item) -> None:
        self.items.append(item)

    @property
    def sha256(self) -> str:
        data = b"".join(item.data for item in self.items if isinstance(item, Fragment))
        return hashlib.sha256(data).hexdigest()

    @property
    def rest(self) -> list[Item]:
        return [item for item in self.items if not isinstance(item, Fragment)]


async def made(renderer: Renderer, request: Request) -> Taken:
    taken = Taken()
    await renderer.render(request, taken.take, taken.progress)
    return taken


@pytest.fixture(scope="module")
def right(small_library: Path) -> Taken:
    """What SHORT comes to."""

    async def make() -> Taken:
        async with here(small_library) as (renderer, _):
            return await made(renderer, SHORT)

    return asyncio.run(make())


def test_order_and_bytes_are_the_same_wherever_it_is_made(studio: Studio, right: Taken) -> None:
    taken = studio.run(made(studio.renderer, SHORT))
    assert isinstance(taken.items[0], Fragment)
    assert taken.items[0].kind == "init"
    assert (taken.sha256, taken.rest) == (right.sha256, right.rest)


def test_progress_is_told_to_its_end(studio: Studio, right: Taken) -> None:
    progress, wanted = studio.run(made(studio.renderer, SHORT)).progress, right.progress
    assert progress.frames == wanted.frames == progress.total_frames
    assert {name: (m.state, m.done) for name, m in progress.meters.items()} == {
        name: (m.state, m.done) for name, m in wanted.meters.items()
    }
    assert progress.engines == wanted.engines
    assert 0 < progress.first_audio_s <= progress.first_frame_s <= progress.total_s
    assert all(0 <= meter.elapsed_s <= progress.total_s for meter in progress.meters.values())


def test_two_jobs_side_by_side_do_not_mix(studio: Studio, right: Taken) -> None:
    async def both() -> list[Taken]:
        other = replace(SHORT, text="Another line.")
        return await asyncio.gather(made(studio.renderer, SHORT), made(studio.renderer, other))

    one, other = studio.run(both())
    assert one.sha256 == right.sha256 != other.sha256


def test_what_was_given_is_not_written_into(studio: Studio) -> None:
    def state() -> dict[Path, bytes]:
        files = (studio.data_dir / "templates" / "small").rglob("*")
        return {path: path.read_bytes() for path in files if path.is_file()}

    before, request = state(), replace(SHORT, readings={"Hello": "Hallo"})
    studio.run(made(studio.renderer, request))
    assert state() == before
    assert request == replace(SHORT, readings={"Hello": "Hallo"})


@pytest.mark.parametrize(
    ("bad", "kind", "code", "param"),
    [
        ({"voice": "nobody"}, BadInput, "unknown_voice", "voice"),
        ({"template": "nobody"}, BadInput, "unknown_template", "template"),
        ({"text": " "}, BadInput, "empty_text", "text"),
        ({"speech": "openai-http"}, EngineUnavailable, "engine_unavailable", None),
    ],
)
def test_an_error_keeps_its_type_and_code(
    studio: Studio, bad: dict[str, str], kind: type[BadInput], code: str, param: str | None
) -> None:
    with pytest.raises(BadInput) as raised:
        studio.run(made(studio.renderer, replace(SHORT, **bad)))
    assert isinstance(raised.value, kind)
    assert (raised.value.code, raised.value.param) == (code, param)


def test_a_file_of_the_user_is_blamed_by_its_own_error(studio: Studio, tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    sound.write_bytes(b"RIFF, and then nothing")
    with pytest.raises(BadInput) as raised:
        studio.run(made(studio.renderer, replace(SHORT, text=None, audio=sound)))
    assert raised.value.code == "malformed_media"
    with pytest.raises(BadInput) as raised:
        studio.run(studio.renderer.enhance(Enhancement(sound), Taken().take, Progress()))
    assert raised.value.code == "malformed_media"


def test_a_cancelled_job_leaves_nothing_running(studio: Studio) -> None:
    async def cut() -> float:
        taken, loop = Taken(), asyncio.get_running_loop()
        work = asyncio.create_task(studio.renderer.render(LONG, taken.take, taken.progress))
        while len(taken.items) < 20:  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.01)
        began = loop.time()
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled()
        assert not await studio.busy()
        return loop.time() - began

    assert studio.run(cut()) < 10  # one second where nothing else runs beside


def test_a_sink_that_raises_ends_the_job_with_its_own_error(studio: Studio) -> None:
    class Enough(Exception):
        pass

    async def sink(item: Item) -> None:
        if isinstance(item, Fragment) and item.frames:
            raise Enough

    async def cut() -> None:
        with pytest.raises(Enough):
            await studio.renderer.render(LONG, sink, Progress())
        assert not await studio.busy()

    studio.run(cut())


def test_a_slow_reader_holds_the_job_back(studio: Studio) -> None:
    async def slowly() -> int:
        progress, taken, loop = Progress(), 0, asyncio.get_running_loop()
        still = asyncio.Event()

        async def sink(item: Item) -> None:
            nonlocal taken
            taken += isinstance(item, Fragment) and item.frames
            if taken >= 8:
                await still.wait()

        work = asyncio.create_task(studio.renderer.render(LONG, sink, progress))
        until = loop.time() + 4
        while loop.time() < until:  # noqa: ASYNC110  # more than making the rest takes, if nothing held it
            await asyncio.sleep(0.05)
        still.set()
        work.cancel()
        await asyncio.wait([work])
        return progress.frames

    assert studio.run(slowly()) < 200  # of more than a thousand


def test_a_session_hears_and_tells_the_same_wherever_it_is_made(studio: Studio) -> None:
    async def talked() -> list[Any]:
        seen: asyncio.Queue[object] = asyncio.Queue()

        async def ended() -> SpeechEnded:
            while not isinstance(item := await seen.get(), SpeechEnded):
                if not isinstance(item, Fragment):
                    told.append(item)
            return item

        told: list[Any] = []
        wanted = SessionRequest(template="small", speech="builtin", readings={"Hi": "Hello"})
        async with studio.renderer.session(wanted) as live:
            running = asyncio.create_task(live.run(seen.put))
            assert live.shape.fps == 25
            assert [await live.do(Add("Hi ")), await live.do(Add("you."))] == [1, 1]
            await live.do(Finish())
            told.append(await ended())
            with pytest.raises(BadInput) as raised:
                await live.do(AudioFormat(7, 1, "s16le"))
            told.append(raised.value.code)
            await live.do(AudioFormat(16_000, 1, "s16le"))
            assert await live.do(AddAudio(bytes(16_000))) == 2
            await live.do(Interrupt())
            cut = await ended()
            assert (cut.utterance, cut.interrupted) == (2, True)
            assert await live.do(Say("")) == 3
            told.append(await ended())
            running.cancel()
            await asyncio.wait([running])
        assert not await studio.busy()
        return told

    started, *words, ended, refused, failed, none = studio.run(asyncio.wait_for(talked(), 60))
    assert isinstance(started, SpeechStarted)
    assert [(word.utterance, word.text) for word in words] == [(1, "Hi"), (1, "you")]
    assert ended == SpeechEnded(1, False, ended.position_s, "Hi you.")
    assert words[1].end_s - words[0].start_s == pytest.approx(ended.position_s, abs=0.05)
    assert refused == "audio_format"
    assert failed == SpeechFailed(3, "empty_text", failed.message)
    assert none == SpeechEnded(3, False, 0.0, "")


@on_the_cluster
def test_a_template_is_sent_to_a_node_once(studio: Studio) -> None:
    async def received() -> None:
        await asyncio.gather(*(made(studio.renderer, SHORT) for _ in range(4)))
        bundle = await Bundler().template(studio.data_dir / "templates" / "small")
        for machine in studio.cluster.machines.values():
            assert (await machine.figures()).received[bundle.digest] == bundle.bytes

    studio.run(received())


@on_the_cluster
def test_the_death_of_a_node_at_fragment_20_is_told_and_another_does_it(studio: Studio, right: Taken) -> None:
    async def cut() -> None:
        taken, cluster = Taken(), studio.cluster

        async def sink(item: Item) -> None:
            taken.items.append(item)
            if len(taken.items) == 20:
                busy = next(machine for machine in cluster.machines.values() if machine.running)
                os.kill(busy.hello.process, signal.SIGKILL)

        with pytest.raises(NodeLost):
            await cluster.render(LONG, sink, taken.progress)
        assert (await made(cluster, SHORT)).sha256 == right.sha256

    studio.run(cut())
