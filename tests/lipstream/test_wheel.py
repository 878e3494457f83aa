"""The wheel, built and installed elsewhere: one package, beside anybody's `core` and `server`."""

import ast
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import av
import pytest

from tests.support import ROOT

PARTS = ("core", "server", "static", "lipstream")
FILES = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE")

APP = """
import core, server

if __name__ == "__main__":
    import lipstream

    video = lipstream.render_sync("Hi.", template="me.mp4", out="library.mp4")
    assert core.THEIRS and server.THEIRS
    print(video.path, lipstream.__file__)
"""

# Not find_spec: setuptools hooks into a search for pip, and changes distutils for every test of the process.
HAS_PIP = any(distributions(name="pip"))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_PIP, reason="an environment without pip")]


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the source, as building leaves a folder behind."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, source)
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def commands(wheel, tmp_path_factory):
    """The folder of commands of an environment that has the wheel, and what it needs from this one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, symlinks=True)
    needed = [place for place in sys.path if place.endswith("-packages")]
    libraries = next(folder.glob("lib/python*/site-packages"))
    (libraries / "needed.pth").write_text("\n".join(needed), encoding="utf-8")
    python = folder / "bin" / "python"
    pip("--python", python, "install", "-q", "--no-index", "--no-deps", "--ignore-installed", wheel)
    return python.parent


@pytest.fixture
def theirs(tmp_path, presenter_clip):
    """A folder of somebody's program, which has packages of the names that ours have in the repository."""
    for name in PARTS[:3]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("THEIRS = True\n")
    shutil.copy(presenter_clip, tmp_path / "me.mp4")
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def environment(theirs):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # with a process of its own for the enhancer: one more that must find its modules
    return kept | {"LIPSTREAM_DATA_DIR": str(theirs / "data"), "LIPSTREAM_ENHANCE_DEVICES": '["cpu"]'}


def run(*command, cwd, env):
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pictures(path):
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


def test_no_file_lies_outside_names_that_are_ours(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        assert {re.sub(r"-.*", "", name.split("/")[0]) for name in names} == {"lipstream"}
        top = next(name for name in names if name.endswith("/top_level.txt"))
        assert file.read(top).decode().split() == ["lipstream"]
        inside = {name.removeprefix("lipstream/") for name in names}
    for part in PARTS[:3]:
        for path in (ROOT / part).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT)) in inside
    assert "py.typed" in inside


def test_every_name_of_a_module_in_it_is_there(wheel):
    with zipfile.ZipFile(wheel) as file:
        sources = {name: file.read(name).decode() for name in file.namelist() if name.endswith(".py")}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in sources}
    assert len(modules) > 250
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                named = [node.module or ""]
            elif isinstance(node, ast.Constant) and re.fullmatch(r"\w+(\.\w*)+(:\w+)?", str(node.value)):
                named = [str(node.value).partition(":")[0].strip(".")]
                assert f"lipstream.{named[0]}" not in modules, f"{name}: {named}"
                continue
            else:
                continue
            for one in named:
                top = one.partition(".")[0]
                assert top not in PARTS[:3], f"{name} imports {one}"
                assert top != "lipstream" or one in modules, f"{name} imports {one}"


def test_a_program_that_has_a_core_and_a_server_of_its_own(commands, theirs, environment):
    out = run(commands / "python", "app.py", cwd=theirs, env=environment)
    path, module = out.split()
    assert path == "library.mp4"
    assert Path(module).is_relative_to(commands.parent)
    assert pictures(theirs / "library.mp4") > 5


def test_the_program_of_the_page_runs_there_too(commands, theirs, environment):
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    program = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[1]
    (theirs / "live.py").write_text(program, encoding="utf-8")
    said = run(commands / "python", "live.py", "me.mp4", "Hi there.", cwd=theirs, env=environment)
    assert "Hi there." in said
    assert pictures(theirs / "live.mp4") > 5


def test_the_command_in_such_a_folder(commands, theirs, environment, wheel):
    command = commands / "lipstream"
    out = run(command, "render", "Hi.", "--template", "me.mp4", "-o", "out.mp4", cwd=theirs, env=environment)
    assert out == "out.mp4\n"
    assert pictures(theirs / "out.mp4") > 5
    as_module = run(commands / "python", "-m", "lipstream", "--version", cwd=theirs, env=environment)
    assert as_module.startswith("lipstream ")
    code = "from lipstream.core.installation import install_command as by; print(by('neural'))"
    told = run(commands / "python", "-c", code, cwd=theirs, env=environment)
    assert shlex.split(told)[-2:] == ["install", f"{wheel}[neural]"]


def test_the_font_that_comes_along_is_found_there(commands, theirs, environment):
    code = (
        "from lipstream.core.captions import typefaces as t; t._PLACES, t._PACKAGE = (), 'none';"
        "print(t.find_font('Où est-ce?'))"
    )
    found = Path(run(commands / "python", "-c", code, cwd=theirs, env=environment).strip())
    assert found.is_relative_to(commands.parent)
    assert found.read_bytes()[:4] == b"\0\1\0\0"  # TrueType


def test_the_server_in_such_a_folder(commands, theirs, environment):
    command = [str(commands / "lipstream"), "serve", "--port", "0"]
    server = subprocess.Popen(command, cwd=theirs, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, line + server.stderr.read()
        for path, expected in (("/", "<title>"), ("/static/studio.js", "import "), ("/healthz", "")):
            with urllib.request.urlopen(address[0] + path, timeout=20) as answer:  # noqa: S310
                assert expected in answer.read().decode()
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
