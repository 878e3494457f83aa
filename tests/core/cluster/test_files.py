import asyncio
import shutil
from pathlib import Path

import pytest

from core.cluster.files import Bundle, Bundler, Cache, FilesGone
from core.errors import Error


def bundle_of(place: Path, **files: bytes) -> Bundle:
    place.mkdir(exist_ok=True)
    paths = {}
    for name, data in files.items():
        paths[name] = place / name
        paths[name].write_bytes(data)
    return asyncio.run(Bundler().bundle(paths))


def cache_in(folder: Path, limit: int) -> Cache:
    async def remove(digest: str) -> None:
        shutil.rmtree(folder / digest)

    return Cache(folder, limit, remove)


def send(cache: Cache, bundle: Bundle, piece: int = 3) -> None:
    for name, path in bundle.files.items():
        data = path.read_bytes()
        for at in range(0, max(1, len(data)), piece):
            cache.write(bundle.digest, name, data[at : at + piece])
    asyncio.run(cache.keep(bundle.digest))


def test_a_digest_says_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    one = bundle_of(tmp_path / "a", x=b"12", y=b"")
    assert one.digest == bundle_of(tmp_path / "b", x=b"12", y=b"").digest
    assert one.bytes == 2
    for other in ({"x": b"12"}, {"x": b"13", "y": b""}, {"z": b"12", "y": b""}, {"x": b"", "y": b"12"}):
        assert bundle_of(tmp_path / "c", **other).digest != one.digest


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    bundler, path = Bundler(), tmp_path / "x"
    path.write_bytes(b"one")
    first = asyncio.run(bundler.bundle({"x": path}))
    path.write_bytes(b"another")
    assert asyncio.run(bundler.bundle({"x": path})).digest != first.digest


def test_what_was_sent_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    bundle, cache = bundle_of(tmp_path / "a", x=b"1234567", y=b""), cache_in(tmp_path / "cache", 1000)
    assert cache.missing([bundle.digest]) == [bundle.digest]
    cache.write(bundle.digest, "x", b"1234")
    with pytest.raises(Error, match="did not arrive as it was sent"):
        asyncio.run(cache.keep(bundle.digest))
    assert cache.missing([bundle.digest]) == [bundle.digest]
    assert not list((tmp_path / "cache").iterdir())
    send(cache, bundle)
    assert not cache.missing([bundle.digest])
    assert (tmp_path / "cache" / bundle.digest / "x").read_bytes() == b"1234567"
    assert (tmp_path / "cache" / bundle.digest / "y").read_bytes() == b""


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_no_name_leaves_its_bundle(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name in a bundle"):
        cache_in(tmp_path / "cache", 1000).write("0" * 64, name, b"")
    assert not list((tmp_path / "cache").iterdir())


def test_what_was_not_used_for_longest_goes_and_what_is_used_stays(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache", 25)
    bundles = [bundle_of(tmp_path / str(n), x=b"%010d" % n) for n in range(5)]
    digests = [bundle.digest for bundle in bundles]
    send(cache, bundles[0])
    send(cache, bundles[1])
    with cache.using([digests[0]]):
        send(cache, bundles[2])  # 0 is used, and 1 was before it
        assert cache.missing(digests[:3]) == [digests[1]]
        send(cache, bundles[3])
        assert cache.missing(digests[:4]) == [digests[1], digests[2]]
    send(cache, bundles[4])
    assert cache.missing(digests) == digests[:3]
    assert {path.name for path in (tmp_path / "cache").iterdir()} == set(digests[3:]) == set(cache.received)
    with pytest.raises(FilesGone), cache.using([digests[0]]):
        pass
