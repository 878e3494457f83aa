"""How the suite is run: what side by side, what was skipped and how to run it; fixtures that take seconds."""

import asyncio
import gc
import inspect
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from core.config import Settings
from core.engines.builtin import presenter
from core.media.clip import write_clip
from core.runtime.memory import give_back
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from tests.support.clusters import SmallCluster, small_cluster

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers have a core each; read when torch is loaded

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")  # unless --hypothesis-profile names the other

WORKERS = 8
"""At most: with networks in it, one takes up to 3 GB."""

ALONE = (
    "tests/core/cluster/test_contract.py",
    "tests/server/test_cluster.py",
    "tests/page/",
    "tests/server/test_crowd.py",
    "tests/server/test_stop.py",
    "tests/server/test_clients.py",
)
"""What plays in real time or ends processes: one of them at a time, and first, as they take longest."""

WHOLLY_SLOW = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", re.MULTILINE)
"""In a file all of whose tests are slow."""

REMEDIES = {
    r"Chromium": "apt-get install chromium",
    r"'pyopenjtalk'": ".venv/bin/pip install -e '.[ja]'",
    r"'(g2pk2|jamo|mecab)'": ".venv/bin/pip install -e '.[ko]'",
    r"'ToJyutping'": ".venv/bin/pip install -e '.[yue]'",
    r"'(onnxruntime|opencc)'": ".venv/bin/pip install -e '.[g2pw]'",
    r"(torchvision|basicsr|facexlib) is not installed": "see docs/codeformer.md, basicsr and facexlib",
    r"'torch'|diffusers|wordsegment|core\.nets": "make test (with networks, not TORCH=)",
    r"Ray is not installed": ".venv/bin/pip install -e '.[ray]'",
    r"the extra ja": ".venv/bin/pip install -e '.[ja]'",
    r"mount": "sudo make test, outside of a container",
    r"bfloat16": "a processor with AVX-512 or ARM's bf16",
}
"""What makes skipped tests run, by a pattern for the reason that they give."""


def pytest_configure() -> None:
    """Let interrupts reach processes that tests start, whoever started us."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as behind `nohup` or `&`; children inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Containers set it; here every one of some hundred processes would compile all of ours anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One a core that we may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, WORKERS)


class _ByFile(LoadScopeScheduling):
    """A file's tests stay together, for they share what took long to make; so do all those of `ALONE`.

    Not xdist's groups: they are lost, without a word, under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "alone" if nodeid.startswith(ALONE) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFile:
    """Who gives the workers their tests."""
    return _ByFile(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that are slow as a whole are not even imported where slow tests are left out."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return True if WHOLLY_SLOW.search(collection_path.read_text("utf-8")) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those first that take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(ALONE))


def pytest_collection_finish() -> None:
    """What was imported stays: a million objects that no collection of garbage need look through again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine; it is ended a little before its time is up, to end what it began."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    marked = pyfuncitem.get_closest_marker("timeout")
    limit = float(marked.args[0] if marked else pyfuncitem.config.getini("timeout"))

    async def test() -> None:
        async with asyncio.timeout(0.95 * limit):
            await pyfuncitem.obj(**given)

    asyncio.run(test())
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for every reason for which tests were skipped, with what would run them."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    for reason, count in reasons.most_common():
        remedy = next((way for pattern, way in REMEDIES.items() if re.search(pattern, reason)), "")
        known = not remedy or remedy in reason
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"{count} {tests} skipped: {reason}" + ("" if known else f"; {remedy}"))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    told = report.longrepr
    reason = told[2] if isinstance(told, Sequence) and not isinstance(told, str) else str(told)
    return reason.removeprefix("Skipped: ")


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home of nobody: what the product or a library writes there unasked is gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module", autouse=True)
def _memory_given_back() -> Iterator[None]:
    """What a file's tests let go of is the system's again: networks, and the pieces that glibc would keep."""
    yield
    gc.collect()
    give_back()


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCluster]:
    """Two nodes of one processor each, some 600 MB; skips where Ray is not installed."""
    with small_cluster(2, tmp_path_factory.mktemp("nodes")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def presenter_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of the drawn presenter, 256x256, 25 frames a second."""
    clip = tmp_path_factory.mktemp("clips") / "presenter.mp4"
    write_clip(clip, presenter.frames(12, 25, 256), 25)
    return clip


@pytest.fixture(scope="session")
def small_library(presenter_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose library holds that clip as the template `small`."""
    folder = tmp_path_factory.mktemp("library")

    async def add() -> None:
        async with EnginePool() as pool:
            await Templates(Settings(data_dir=folder), pool).add(presenter_clip, "small")

    asyncio.run(add())
    return folder
