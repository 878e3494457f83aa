"""Both READMEs: the same commands, sections and tables, and nothing in them that is not there."""

import re
import shlex

import pytest

from server.cli import parser
from tests.support import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))


def commands(page):
    """What is typed, without the comments."""
    lines = (line.strip() for line in re.findall(r"^    (.+)$", page, re.MULTILINE))
    return [re.sub(r"\s+# .*", "", line) for line in lines]


def code(page):
    """What stands between backquotes, in any order."""
    return sorted(" ".join(found.split()) for found in re.findall(r"`([^`]+)`", page))


def test_the_pages_name_the_same_commands_and_files():
    assert commands(ENGLISH) == commands(CHINESE)
    assert code(ENGLISH) == code(CHINESE)
    links = [
        set(re.findall(r"\]\(([^)]+)\)", page)) - {"README.md", "README.zh.md"} for page in (ENGLISH, CHINESE)
    ]
    assert links[0] == links[1]
    for link in links[0]:
        assert (ROOT / link).exists(), link


def test_the_pages_have_the_same_sections():
    def shape(page):
        """Headings, items and rows of tables, in their order."""
        return [found[0] for found in re.findall(r"^(#+ |- |\| ?`|!\[)", page, re.MULTILINE)]

    assert shape(ENGLISH) == shape(CHINESE)


PARTS = [part.strip() for line in commands(ENGLISH) for part in re.split(r"[;|]", line)]


@pytest.mark.parametrize("command", [part for part in PARTS if part.startswith("lipstream ")])
def test_every_command_is_one(command):
    words = shlex.split(command)
    assert words[0] == "lipstream"
    assert parser().parse_args(words[1:])


def test_make_has_the_targets_that_are_named():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = {line.split()[1] for line in commands(ENGLISH) if line.startswith("make ")}
    assert named
    assert named <= set(targets)
