"""`lipstream engines` and `doctor`: what this machine can do, and what it lacks."""

import argparse
import asyncio
import importlib.metadata
import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from core.config import Settings
from core.engines import ENGINES, choose, load
from core.engines.compute.quickest import FILE, remembered
from core.engines.neural import NeuralSettings
from core.errors import BadInput, StorageError
from core.installation import pip
from core.media.credentials import credentials
from core.protocols import Measured
from core.runtime.processor import cores
from server.cli.shown import listed
from server.configuration import page, settings_of, show
from server.settings import ServerSettings


def engines_command(options: argparse.Namespace) -> int:
    """One line an engine: whether it can run; and the commands that get what they lack."""
    table = Table("kind", "engine", "can run", "what it is", box=None, pad_edge=False)
    settings = NeuralSettings()
    weights, remedies = settings.weights(), {}
    rows: list[dict[str, object]] = []
    for kind, specs in ENGINES.items():
        # Which of those is best depends on the template.
        best = "" if kind == "matte" else choose(kind, "auto", weights, settings.device)
        for name, spec in specs.items():
            missing = spec.missing(weights)
            state = "[green]yes[/]" if not missing else "[yellow]no[/]"
            table.add_row(kind, f"{name} [dim](auto)[/]" if name == best else name, state, spec.about)
            rows.append({"kind": kind, "name": name, "available": not missing, "missing": missing})
            if missing:
                remedies[name] = spec.remedy(weights)
    listed(options, rows, table)
    if options.json:
        return 0
    console = Console()
    if remedies:  # below the table, where a command stays on one line
        console.print("\nTo use the others:", highlight=False)
    for name, remedy in remedies.items():
        console.print(
            f"- {name}: {escape(remedy.removeprefix('get it with: '))}", highlight=False, soft_wrap=True
        )
    return 0


def doctor_command(_options: argparse.Namespace) -> int:
    """Check what a render needs; 1 if something that every job needs is wrong."""
    console = Console()
    failed = False
    for name, problem in _checks():
        failed |= problem is not None
        console.print(f"[red]✗[/] {name}: {problem}" if problem else f"[green]✓[/] {name}", highlight=False)
    console.print()
    return engines_command(_options) or int(failed)


def _checks() -> Iterator[tuple[str, str | None]]:
    """(what was looked at, what is wrong with it or None)."""
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", None
    yield f"{cores()} cores", None
    settings = Settings()
    yield f"data folder {settings.data_dir}", _unwritable(settings.data_dir)
    yield _free_space(settings.data_dir)
    yield _opencv()
    yield _networks()
    yield _encoder()
    yield from _voices()
    yield from _devices()
    if settings.c2pa_certificate or settings.c2pa_key:
        yield _credentials(settings)
    server: ServerSettings = settings_of(ServerSettings)
    if server.uploads:
        yield _storage(server)
    if server.on_cluster:
        yield from _cluster(server.cluster)


def _devices() -> Iterator[tuple[str, str | None]]:
    """What networks can run on."""
    if importlib.util.find_spec("torch") is None:
        return
    from core.engines.compute.device_check import checked  # brings torch

    settings = NeuralSettings()
    for device in checked((*settings.devices, *settings.enhance_devices), settings.precision):
        yield f"device {device.name}: {device.about}", device.problem
    for work, timed in remembered(settings.data_dir / FILE).items():
        ways = ", ".join(f"{way} {ms:.3g} ms" for way, ms in sorted(timed.items(), key=lambda way: way[1]))
        yield f"ways tried here for {work}: {ways}", None


def _credentials(settings: Settings) -> tuple[str, str | None]:
    """Whether finished videos can be signed."""
    told = f"videos signed with {settings.c2pa_certificate}"
    try:
        credentials(settings)
    except BadInput as error:
        return told, str(error)
    return told, None


def _storage(settings: ServerSettings) -> tuple[str, str | None]:
    """Write, read and delete a small object."""
    from server.storage.oss import OssStorage  # only for those who have one: the SDK takes a while to load

    storage = OssStorage(settings, settings.folder / "parts")
    try:
        storage.probe()
    except StorageError as error:
        return f"object storage {storage.place}", str(error)
    return f"object storage {storage.place}", None


def _cluster(address: str) -> Iterator[tuple[str, str | None]]:
    """Join, and ask every node what it has."""
    from core.cluster.connect import NoCluster, check

    try:
        nodes = asyncio.run(check(address, nodes=True))
    except NoCluster as error:
        yield f"cluster {address}", str(error)
        return
    yield f"cluster {address}", None if nodes else "it has no node that could do a job, only its head"
    for node in nodes:
        yield (
            f"node {node.name}: Lipstream {node.lipstream or '-'}, Python {node.python or '-'}",
            node.problem,
        )


def _unwritable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"cannot be written ({error.strerror}); set LIPSTREAM_DATA_DIR to a folder that can"


def _free_space(folder: Path) -> tuple[str, str | None]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 2**30
    return f"{free:.1f} GiB free", None if free > 1 else "less than 1 GiB; a long job may not fit"


def _opencv() -> tuple[str, str | None]:
    version = next(
        (
            f"{name} {importlib.metadata.version(name)}"
            for name in ("opencv-python-headless", "opencv-python")
            if _installed(name)
        ),
        "OpenCV",
    )
    import cv2  # heavy, and what is being checked

    good = hasattr(cv2, "CascadeClassifier")
    return version, None if good else f"has no Haar cascades; {pip()} 'opencv-python-headless>=4.8,<5'"


def _networks() -> tuple[str, str | None]:
    from core.models import SHA256, unavailable  # brings OpenCV

    problems = [problem for file in SHA256 if (problem := unavailable(file))]
    if not problems:
        return "small networks for faces", None
    told = "the built-in engines do without, so lips are right on people who keep still only"
    return "small networks for faces", f"{'; '.join(problems)}; {told}"


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _encoder() -> tuple[str, str | None]:
    from core.media.fmp4 import LiveEncoder

    try:
        LiveEncoder(64, 64, fps=25, rate=22_050).close()
    except Exception as error:  # noqa: BLE001  # whatever FFmpeg says, it is the diagnosis
        return "H.264 and AAC encoder", str(error)
    return "H.264 and AAC encoder", None


def _voices() -> Iterator[tuple[str, str | None]]:
    """Every speech engine that brings its voices with it says a word."""
    from core.protocols import SpeechEngine, Style
    from core.text import sentences

    hello = sentences("Hello.")[0]
    for name, spec in ENGINES["speech"].items():
        if not spec.voices or spec.missing():
            continue
        told = f"voice {name}"
        try:
            engine: SpeechEngine = load("speech", name)
            try:
                pieces = list(engine.speak(hello, engine.voices()[0].name, Style()))
            finally:
                engine.close()
        except Exception as error:  # noqa: BLE001  # whatever it is, the doctor must say it
            yield told, str(error)
            continue
        if isinstance(engine, Measured):
            why = engine.too_slow()
            told += f": {engine.real_time_factor:.2f} s of work a second of speech" + (
                f"; {why}" if why else ""
            )
        yield told, None if sum(len(piece.samples) for piece in pieces) else "made no sound"


def config_command(options: argparse.Namespace) -> int:
    """Dispatch `show`, `docs`."""
    if options.action == "docs":
        print(page(), end="")
        return 0
    table = Table(box=None, pad_edge=False)
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for one in show():
        table.add_row(one.name, Text(one.value), Text(one.origin, style="dim" * (one.origin == "default")))
    Console().print(table)
    return 0
