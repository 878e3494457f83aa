"""A reader of MP4 boxes that shares nothing with the writer under test (ISO/IEC 14496-12)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One sample of a track; times in the track's ticks."""

    track: int
    start: int
    duration: int
    sync: bool
    data: bytes


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Kind, and where the body begins and ends, of each box; fails if they do not tile the range."""
    stop = len(data) if stop is None else stop
    while start < stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        assert 8 <= size <= stop - start, (kind, size)
        yield kind.decode("latin1"), start + 8, start + size
        start += size


def find(data: bytes, *path: str) -> tuple[int, int]:
    """Where the body of the first box at `path` begins and ends."""
    start, stop = 0, len(data)
    for kind in path:
        start, stop = next((a, b) for k, a, b in boxes(data, start, stop) if k == kind)
    return start, stop


def samples(data: bytes) -> list[Sample]:
    """Every sample in file order, of a whole file or a part; fails on what a player would refuse."""
    found: list[Sample] = []
    sequence = 0
    top = list(boxes(data))
    for index, (kind, start, stop) in enumerate(top):
        if kind != "moof":
            continue
        body = list(boxes(data, start, stop))
        assert [k for k, *_ in body] == ["mfhd", "traf"]
        (number,) = struct.unpack_from(">I", data, body[0][1] + 4)
        assert not sequence or number == sequence + 1
        sequence = number
        assert top[index + 1][0] == "mdat"
        found += _run(data, start - 8, body[1], top[index + 1])
    return found


def _run(data: bytes, moof: int, traf: tuple[str, int, int], mdat: tuple[str, int, int]) -> Iterator[Sample]:
    parts = {k: (a, b) for k, a, b in boxes(data, traf[1], traf[2])}
    flags, track = struct.unpack_from(">II", data, parts["tfhd"][0])
    assert flags == 0x02_0000, "offsets must count from the moof, and there are no defaults"
    version, time = struct.unpack_from(">IQ", data, parts["tfdt"][0])
    assert version == 1 << 24
    start, stop = parts["trun"]
    flags, count, offset = struct.unpack_from(">IIi", data, start)
    assert flags == 0x0701, "data offset; duration, size and flags of each sample"
    assert stop - start == 12 + 12 * count
    place = moof + offset
    assert place == mdat[1], "the first sample is not where the run says"
    for k in range(count):
        duration, size, sample_flags = struct.unpack_from(">III", data, start + 12 + 12 * k)
        depends, no_sync = sample_flags >> 24 & 3, sample_flags >> 16 & 1
        assert (depends, no_sync) in ((2, 0), (1, 1)), "neither a key frame nor a dependent one"
        yield Sample(track, time, duration, not no_sync, data[place : place + size])
        time, place = time + duration, place + size
    assert place == mdat[2], "bytes that belong to no sample"
