"""Who may import whom: only from floors below one's own; and some libraries stay in their rooms."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = [
    ["core.types", "core.errors"],
    [
        "core.config",
        "core.audio",
        "core.planes",
        "core.crops",
        "core.text",
        "core.captions",
        "core.pipeline",
        "core.worker",
    ],
    ["core.media_planes"],
    [
        "core.weights",
        "core.batching",
        "core.nets",
        "core.media",
        "core.fmp4",
        "core.paste",
        "core.scene",
        "core.burning",
    ],
    ["core.engines.base"],
    ["core.engines.builtin"],
    ["core.engines"],
    ["core.voices"],
    ["core.team"],
    ["core.studio"],
    ["core.people", "core.tiles", "core.reuse", "core.sharpness"],
    ["core.template"],
    ["core.templates", "core.mattes"],
    ["core.backgrounds", "core.enlarged"],
    ["core.tts_stream", "core.lipsync_stream", "core.enhance_stream", "core.encode_stream", "core.recording"],
    ["core.shots", "core.encode_video"],
    ["core.enhance_shots", "core.enhance_background"],
    ["core.render"],
    ["core.enhance_video"],
    ["server.addresses"],
    ["server.wire", "server.store", "server.folder", "server.settings", "server.route"],
    [
        "server.describe",
        "server.problems",
        "server.metrics",
        "server.deposit",
        "server.numbered",
        "server.configuration",
    ],
    ["server.uploads", "server.fetched"],
    ["server.fetching", "server.storage"],
    ["server.guard", "server.results"],
    ["server.files"],
    ["server.publishing"],
    ["server.stream"],
    ["server.runner", "server.catalog"],
    ["server.telling", "server.steps"],
    [
        "server.video_work",
        "server.template_work",
        "server.background_work",
        "server.enhance_work",
        "server.speaker",
    ],
    ["server.house"],
    ["server.viewing"],
    ["server.accepting"],
    ["server.routes_jobs", "server.openapi"],
    ["server.routes_files"],
    [
        "server.routes_videos",
        "server.routes_enhancements",
        "server.routes_templates",
        "server.routes_voices",
        "server.routes_backgrounds",
    ],
    ["server.named", "server.waiting"],
    [
        "server.routes_combining",
        "server.routes_syncing",
        "server.routes_speaking",
        "server.routes_sharpening",
    ],
    ["server.routes"],
    ["server.app"],
    ["server.cli"],
]
ROOMS = {
    "torch": ["core.nets", "core.engines"],
    "asyncio": [
        "core.pipeline",
        "core.batching",
        "core.worker",
        "core.media",
        "core.voices",
        "core.studio",
        "core.team",
        "core.template",
        "core.templates",
        "core.backgrounds",
        "core.enlarged",
        "core.tts_stream",
        "core.lipsync_stream",
        "core.enhance_stream",
        "core.encode_stream",
        "core.recording",
        "core.render",
        "core.enhance_video",
        "core.weights",
        "server",
    ],
    "aiohttp": ["server"],
    "av": ["core.media", "core.fmp4", "core.recording"],
}


def modules() -> Iterator[object]:
    for path in sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("server/**/*.py")]):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name not in ("core", "server"):
            yield pytest.param(name, path, id=name)


def under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith((prefix + ".", prefix + "_"))


def floor(name: str) -> int:
    found = [(len(p), k) for k, row in enumerate(FLOORS) for p in row if under(name, p)]
    assert found, f"{name} is on no floor: add it to FLOORS"
    return max(found)[1]  # the longest prefix wins


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: use absolute imports"
            yield node.module or ""


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_imports_point_downward(name: str, path: Path) -> None:
    for target in imports(path):
        top = target.partition(".")[0]
        if top in ("core", "server") and target not in ("core", "server"):
            same_floor = floor(target) == floor(name)
            same_room = same_floor and any(under(target, p) and under(name, p) for p in FLOORS[floor(name)])
            assert floor(target) < floor(name) or same_room, f"{name} may not import {target}"
        if top in ROOMS:
            assert any(under(name, p) for p in ROOMS[top]), f"{name} may not import {top}"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_nets_know_nothing_of_the_project(name: str, path: Path) -> None:
    if under(name, "core.nets"):
        assert not [t for t in imports(path) if under(t, "core") and not under(t, "core.nets")]


@pytest.mark.parametrize("module", ["core.render", "server.app", "server.cli"])
def test_no_torch_is_needed_to_start(module: str) -> None:
    code = f"import sys, {module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
