"""Commands that install more say where this copy came from: no registry has it by its name."""

import json
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import numpy as np
import pytest

from core import installation
from core.installation import install_command
from tests.support import ROOT

METADATA = """Metadata-Version: 2.1
Name: lipstream
Version: 0.1.0
Provides-Extra: neural
Requires-Dist: numpy>=1.26
Requires-Dist: torch>=2.6; extra == "neural"
Requires-Dist: jieba<0.43,>=0.42.1; extra == 'neural'
Requires-Dist: onnxruntime>=1.17; extra == "g2pw"
"""


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Makes what pip leaves of an installation from some place."""
    monkeypatch.setattr(installation, "pip", lambda: "pip install")

    def make(said: object = None) -> Distribution:
        folder = tmp_path / "lipstream-0.1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(METADATA)
        if said is not None:
            (folder / "direct_url.json").write_text(json.dumps(said))
        return Distribution.at(folder)

    return make


def test_a_checkout_is_installed_by_reference(known, tmp_path):
    place = tmp_path / "my checkout"
    assert shlex.split(install_command("ja", place)) == ["pip", "install", "-e", f"{place}[ja]"]
    assert install_command("ja").endswith(f"{ROOT}[ja]'")


def test_a_folder_that_was_installed_is_installed_again(known, tmp_path):
    command = install_command("neural", known({"url": tmp_path.as_uri(), "dir_info": {}}))
    assert shlex.split(command) == ["pip", "install", f"{tmp_path}[neural]"]


def test_a_wheel_that_is_still_there_is_named(known, tmp_path):
    wheel = tmp_path / "lipstream-0.1.0-py3-none-any.whl"
    wheel.touch()
    command = install_command("neural", known({"url": wheel.as_uri(), "archive_info": {}}))
    assert shlex.split(command) == ["pip", "install", f"{wheel}[neural]"]


@pytest.mark.parametrize("said", [None, {"url": "file:///gone/lipstream.whl", "archive_info": {}}])
def test_where_the_source_is_not_known_the_packages_are_named(known, said):
    command = install_command("neural", known(said))
    assert shlex.split(command) == ["pip", "install", "torch>=2.6", "jieba<0.43,>=0.42.1"]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (
            {"url": "https://git.example/l.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "lipstream[neural] @ git+https://git.example/l.git@abc",
        ),
        (
            {"url": "https://files.example/l.whl", "archive_info": {}},
            "lipstream[neural] @ https://files.example/l.whl",
        ),
    ],
    ids=["git", "file"],
)
def test_an_address_it_came_from_is_named(known, said, named):
    assert shlex.split(install_command("neural", known(said))) == ["pip", "install", named]


@pytest.mark.slow
def test_the_installer_is_of_this_python():
    """It sees the packages that this Python sees."""
    command = installation.pip().replace(" install", " show")
    done = subprocess.run([*shlex.split(command), "numpy"], capture_output=True, text=True, check=True)
    assert f"Location: {Path(np.__file__).parents[1]}" in done.stdout


def test_pip_is_called_by_its_name_where_that_is_this_pythons(monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    if shutil.which("pip") is None:
        pytest.skip("an environment without pip")
    assert installation.pip() == "pip install"
    monkeypatch.setenv("PATH", "")
    assert installation.pip() == f"{sys.executable} -m pip install"


@pytest.mark.parametrize("folder", ["core", "server", "static", "docs", "lipstream"])
def test_nothing_names_it_to_a_registry(folder):
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in [*ROOT.glob("*.md"), *(ROOT / folder).rglob("*")]
        if path.suffix in (".py", ".md", ".js", ".html")
    }
    assert texts
    assert not [str(path) for path, text in texts.items() if "install 'lipstream" in text]
