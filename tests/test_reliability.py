"""What docs/reliability.md promises is shown by tests and scripts that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\|[^|]+\|[^|]+\|([^|]+)\|$", (ROOT / "docs/reliability.md").read_text().partition("\n## ")[0], re.M
)


def test_every_promise_names_a_test_that_there_is():
    assert len(ROWS) > 40
    for row in ROWS[2:]:
        named = [proof.strip() for proof in row.split(";")]
        shown = [there(*found[0]) for proof in named if (found := re.findall(r"^`([^`]+)` ?(.*)$", proof))]
        assert shown or "by hand" in row, row
        assert all(shown), row


def test_every_script_that_is_named_is_there():
    for script in re.findall(r"scripts/\w+\.py", "".join(ROWS)):
        assert (ROOT / script).is_file(), script
    for bench in re.findall(r"make bench ARGS=(\w+)", "".join(ROWS)):
        assert (ROOT / "bench" / f"{bench}.py").is_file(), bench


def there(file: str, name: str) -> bool:
    """Whether the file has a test whose name begins so."""
    path = (ROOT / "tests" / file).with_suffix(".py")
    return path.is_file() and f"def test_{name.replace(' ', '_')}" in path.read_text()
