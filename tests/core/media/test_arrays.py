"""Arrays in one file: what is written is what is read, and large ones cost no memory."""

import numpy as np
import psutil
import pytest

from core.media.arrays import load, rows, save

MIB = 1 << 20


def arrays():
    random = np.random.default_rng(0)
    return {
        "box": np.array([0.1, 0, 0.9, 1.1]),
        "talks": np.array(True),
        "none": np.zeros((0, 3), np.uint8),
        "large": random.integers(0, 1000, (700, 8, 16, 16)).astype(np.float16),
        "columns": np.asfortranarray(random.random((1000, 300))),
    }


@pytest.mark.parametrize("write", [save, lambda path, given: np.savez(path, **given)], ids=["ours", "numpy"])
def test_what_is_written_is_what_is_read(tmp_path, write):
    path, given = tmp_path / "x.npz", arrays()
    write(path, given)
    for read in load(path), dict(np.load(path)):
        assert read.keys() == given.keys()
        for name, array in given.items():
            assert read[name].dtype == array.dtype
            assert np.array_equal(read[name], array)
    assert np.array_equal(rows(load(path)["large"], slice(5, 9)), given["large"][5:9])
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.slow
def test_a_large_array_is_not_in_memory_neither_when_read_nor_when_written_again(tmp_path):
    save(tmp_path / "x.npz", {"large": np.ones((8000, 4096), np.float16)})  # 64 MB
    process = psutil.Process()
    before = most = process.memory_info().rss
    large = load(tmp_path / "x.npz")["large"]
    for k in range(0, 8000, 8):
        assert rows(large, k).sum() == 4096
        most = max(most, process.memory_info().rss)
    save(tmp_path / "y.npz", {"large": large})
    most = max(most, process.memory_info().rss)
    assert most - before < 16 * MIB
    assert (tmp_path / "y.npz").stat().st_size == (tmp_path / "x.npz").stat().st_size
