"""Tables of words, a file each in `data`: fields parted by a mark; a line with "# " at its head says what."""

from importlib import resources


def rows(name: str, mark: str = "|") -> list[list[str]]:
    """The fields of each line of a file."""
    lines = (resources.files(__package__) / "data" / name).read_text("utf-8").splitlines()
    return [line.split(mark) for line in lines if line and not line.startswith("# ")]
