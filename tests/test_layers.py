"""Who may import whom: a folder only those on floors below its own. Some libraries stay in their rooms."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support import ROOT

FLOORS = [
    ["core.types", "core.errors", "core.digest"],
    ["core.subtitle_style", "core.labels"],
    ["core", "core.config", "core.installation"],
    ["core.runtime", "core.text", "core.weights", "core.models"],
    ["core.progress", "core.media"],
    ["core.sandbox", "core.captions", "core.protocols", "core.nets"],
    ["core.push"],
    ["core.tracking"],
    ["core.engines"],
    ["core.serving"],
    ["core.faces"],
    ["core.enhancement"],
    ["core.templates"],
    [
        "core.recorded_speech",
        "core.tts_stream",
        "core.phoneme_stream",
        "core.lipsync_stream",
        "core.enhance_stream",
        "core.encode_stream",
    ],
    ["core.live"],
    ["core.render"],
    ["core.render_file", "core.renderer"],
    ["core.cluster"],
    ["server", "server.addresses"],
    ["server.settings"],
    ["server.store", "server.folder"],
    ["server.schemas", "server.errors", "server.configuration"],
    ["server.access"],
    ["server.request_figures"],
    ["server.metrics", "server.logs"],
    ["server.uploads", "server.turns", "server.doors"],
    ["server.storage"],
    ["server.fetch"],
    ["server.stream"],
    ["server.jobs", "server.catalog"],
    ["server.state"],
    ["server.api"],
    ["server.compat"],
    ["server.routes"],
    ["server.app"],
    ["server.cli"],
    ["lipstream"],
]
"""Rooms, from the ground up: folders, and files that stand alone. Each may look into itself and downward."""

ENGINE_FLOORS = [
    ["core.engines.neural"],
    ["core.engines.compute"],
    ["core.engines.face"],
    ["core.engines.redrawing"],
    [
        "core.engines.restoration",
        "core.engines.wav2lip",
        "core.engines.musetalk",
        "core.engines.gpt_sovits",
    ],
]
"""The same inside core/engines: what engines share is below them, and none knows another."""

FENCES = {
    "torch": ["core.nets", "core.engines"],
    "asyncio": [
        "core.runtime",
        "core.media",
        "core.push",
        "core.weights",
        "core.serving",
        "core.templates",
        "core.enhancement",
        "core.faces",
        "core.tts_stream",
        "core.phoneme_stream",
        "core.lipsync_stream",
        "core.enhance_stream",
        "core.encode_stream",
        "core.live",
        "core.render",
        "core.render_file",
        "core.renderer",
        "core.cluster",
        "lipstream",
        "server",
    ],
    "aiohttp": ["server"],
    "ray": ["core.cluster"],
    "av": ["core.media", "core.sandbox", "core.push"],
}
"""Libraries, and the rooms that may use them."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = sorted(path for room in ("core", "server", "lipstream") for path in ROOT.glob(f"{room}/**/*.py"))
FILES = {name_of(path): path for path in SOURCES}


def under(name: str, room: str) -> bool:
    return name == room or (name.startswith(room + ".") and room not in ("core", "server"))


def floor(name: str, floors: list[list[str]]) -> tuple[int, str] | None:
    found = [(k, room) for k, row in enumerate(floors) for room in row if under(name, room)]
    return found[0] if found else None


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: use absolute imports"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in FILES else node.module or ""


@pytest.mark.parametrize("name", FILES)
def test_imports_point_downward(name: str) -> None:
    here = floor(name, FLOORS)
    assert here, f"{name} is on no floor: add its room to FLOORS"
    for target in imports(FILES[name]):
        top = target.partition(".")[0]
        if target in FILES:
            there = floor(target, FLOORS)
            assert there, f"{target} is on no floor"
            assert there[0] < here[0] or there == here, f"{name} may not import {target}"
            inside, other = floor(name, ENGINE_FLOORS), floor(target, ENGINE_FLOORS)
            if inside and other:
                assert other[0] < inside[0] or other == inside, f"{name} may not import {target}"
        if top in FENCES:
            fits = any(f"{name}.".startswith(f"{room}.") for room in FENCES[top])
            assert fits, f"{name} may not import {top}"


def test_no_files_import_each_other() -> None:
    # A TYPE_CHECKING import counts as well: what knows each other's types belongs in one file.
    graph = {
        name: {t for t in imports(path) if t in FILES and t != name and not name.startswith(t + ".")}
        for name, path in FILES.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_long(name: str) -> None:
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("name", [name for name in FILES if under(name, "core.nets")])
def test_nets_know_nothing_of_the_project(name: str) -> None:
    assert not [t for t in imports(FILES[name]) if t in FILES and not under(t, "core.nets")]


@pytest.mark.parametrize("module", ["core.render", "lipstream.api", "server.app", "server.cli"])
def test_neither_torch_nor_scipy_nor_ray_is_needed_to_start(module: str) -> None:
    code = f"import sys, {module}; assert not {{'torch', 'scipy', 'ray'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("package", ["core.media", "core.sandbox"])
def test_what_the_child_process_imports_starts_light(package: str) -> None:
    heavy = {"numpy", "av", "cv2", "asyncio"}
    code = f"import sys, {package}; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
