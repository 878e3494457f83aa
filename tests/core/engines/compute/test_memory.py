"""How much memory is free: of the machine, and of a container's share of it."""

import pytest

torch = pytest.importorskip("torch")

from core.engines.compute import memory  # noqa: E402  # needs torch
from core.errors import Error  # noqa: E402

GB = 1 << 30


def write(root, folder, **contents):
    (root / folder).mkdir(exist_ok=True)
    for name, content in contents.items():
        (root / folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_the_newer_control_groups(tmp_path):
    write(
        tmp_path, "", memory__max=4 * GB, memory__current=3 * GB, memory__stat="anon 5\ninactive_file 1048576"
    )
    assert list(memory._left_to_container(tmp_path)) == [GB + 1048576]


def test_the_older_ones(tmp_path):
    contents = {"memory__limit_in_bytes": 2 * GB, "memory__usage_in_bytes": 3 * GB}
    write(tmp_path, "memory", **contents, memory__stat="inactive_file 1\ntotal_inactive_file 2")
    assert list(memory._left_to_container(tmp_path)) == [0]


def test_none_and_one_without_a_limit(tmp_path):
    assert list(memory._left_to_container(tmp_path)) == []
    write(tmp_path, "", memory__max="max", memory__current=GB)
    assert list(memory._left_to_container(tmp_path)) == []


def test_what_a_container_may_not_have_is_not_free(monkeypatch):
    monkeypatch.setattr(memory, "_left_to_container", lambda _groups: iter([1000]))
    with pytest.raises(Error, match=r"MuseTalk needs about 2.0 GB of memory on cpu, and 0.0 GB are free"):
        memory.check_free(2_000_000_000, torch.device("cpu"), "MuseTalk")
