"""How this copy of Lipstream was installed, and the command that adds packages to it.

No registry has Lipstream, so no command may ask one for it by its name alone: somebody else could register
that. pip notes where it took a distribution from in `direct_url.json` (PEP 610).
"""

import json
import re
import shlex
import shutil
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

NAME = "lipstream"


_ROOT = Path(__file__).absolute().parents[1]


def installed() -> Distribution | Path:
    """What pip knows of this copy; of a checkout, which it has by reference or not at all, the folder."""
    return _ROOT if (_ROOT / "setup.cfg").exists() else distribution(NAME)


def install_command(extra: str, of: Distribution | Path | None = None) -> str:
    """The shell command that installs the packages of `extra` ("neural", "ja", ...) for this Python.

    of: what `installed` gives, where it is not this copy.
    """
    of = of or installed()
    if isinstance(of, Path):
        return f"{pip()} -e {shlex.quote(f'{of}[{extra}]')}"
    source = _source(extra, of)
    words = _packages(extra, of) if source is None else [source]
    return f"{pip()} {' '.join(map(shlex.quote, words))}"


def pip() -> str:
    """The command that installs into this Python, without what it shall install."""
    found = shutil.which("pip")
    if found and Path(found).absolute().parent == Path(sys.executable).absolute().parent:
        return "pip install"
    python = shlex.quote(sys.executable)
    try:
        # Not find_spec: setuptools hooks into a search for pip, and changes distutils for the whole process.
        distribution("pip")
    except PackageNotFoundError:  # as in what uv makes
        return f"uv pip install --python {python}"
    return f"{python} -m pip install"


def _source(extra: str, of: Distribution) -> str | None:
    """The folder, file or address it came from; None if pip noted none, or it is gone."""
    said = json.loads(of.read_text("direct_url.json") or "{}")
    url = said.get("url", "")
    if "vcs_info" in said:
        vcs = said["vcs_info"]
        return f"{NAME}[{extra}] @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return f"{NAME}[{extra}] @ {url}"
    path = Path(url2pathname(parts.path))
    return f"{path}[{extra}]" if parts.scheme == "file" and path.exists() else None


def _packages(extra: str, of: Distribution) -> list[str]:
    """The packages of an extra themselves, as its metadata lists them."""
    marked = (line.partition(";") for line in of.requires or [])
    return [name.strip() for name, _, mark in marked if re.search(rf"extra == ['\"]{extra}['\"]", mark)]
