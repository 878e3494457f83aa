"""What setup.cfg cannot say: in a wheel, everything lies in the one package `lipstream`.

`core`, `server` and `static` are good names in a repository and bad ones in site-packages: a program that
uses Lipstream may have its own. `package_dir` would move the folders, but not change what imports say; so the
wheel is built with the longer names. A checkout (`pip install -e .`) is left as it is.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

FOLDERS = ("core", "server", "static")


def longer(name: re.Match[str]) -> str:
    """The longer name of a module or "module:attribute"; whatever else looks like one is left alone."""
    path = Path(*name[0].partition(":")[0].split("."))
    return f"lipstream.{name[0]}" if path.is_dir() or path.with_suffix(".py").is_file() else name[0]


LONGER = (
    (re.compile(r"^(\s*)from (core|server)(?=[\w.]* import\b)", re.MULTILINE), r"\1from lipstream.\2"),
    (re.compile(r"^(\s*)import (core|server)(?= as |\s*#|$)", re.MULTILINE), r"\1from lipstream import \2"),
    (re.compile(r"^(\s*)import (core|server)\.", re.MULTILINE), r"\1import lipstream.\2."),
    # names of modules in strings: engines, commands, `python -m`
    (re.compile(r'(?<=")(core|server)(\.\w+)+(:\w+)?(?=")'), longer),
)


class BuildOnePackage(build_py):
    """Builds as ever, then moves the folders into `lipstream` and gives their modules the longer names."""

    def run(self) -> None:
        """Do it, unless nothing is copied at all."""
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib, "lipstream")
        for folder in FOLDERS:
            shutil.rmtree(package / folder, ignore_errors=True)  # of an earlier build
            Path(self.build_lib, folder).rename(package / folder)
        for file in package.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            for pattern, name in LONGER:
                text = pattern.sub(name, text)
            file.write_text(text, encoding="utf-8")


class NameOnePackage(egg_info):
    """Names the one package in the metadata, too."""

    def run(self) -> None:
        """Write the metadata."""
        super().run()
        Path(self.egg_info, "top_level.txt").write_text("lipstream\n", encoding="utf-8")


setup(cmdclass={"build_py": BuildOnePackage, "egg_info": NameOnePackage})
