"""Checkpoints come from a server on this machine that breaks off, lies and runs dry."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.errors import BadInput, StorageFull
from core.weights.files import _sources, chosen, download, installed, locate, verify
from core.weights.table import CHECKPOINTS, SETS, Checkpoint

CONTENT = bytes(range(256)) * 4000
TERMS = "for research only"


@dataclass
class Behaviour:
    """What the server does: sends `content`, at most `cut` bytes an answer, with or without ranges."""

    content: bytes = CONTENT
    cut: int | None = None
    ranges: bool = True
    status: int = 200
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            behaviour.asked.append(wanted)
            first = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if behaviour.ranges else 0
            body = behaviour.content[first:]
            self.send_response(206 if first else behaviour.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: behaviour.cut])
            # Closing with less than was announced is what a broken connection looks like.

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def checkpoint(*sources: str, content: bytes = CONTENT) -> Checkpoint:
    digest = hashlib.sha256(content).hexdigest()
    return Checkpoint("net", "a net", "net.pth", len(content), digest, sources, TERMS)


def fetch(entry: Checkpoint, folder: Path, **options: object) -> Path:
    return download(entry, folder, accept=True, pause_s=0, **options)  # type: ignore[arg-type]  # as given


def test_a_file_arrives_whole_with_its_terms_beside_it(tmp_path):
    seen = []
    with serving(Behaviour()) as address:
        path = fetch(checkpoint(f"{address}/x"), tmp_path, report=lambda *pair: seen.append(pair))
    assert path.read_bytes() == CONTENT
    assert path.with_name("net.pth.terms.txt").read_text().strip() == TERMS
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert not list(tmp_path.glob("*.part"))


def test_nothing_is_asked_of_the_network_before_the_terms_are_accepted(tmp_path):
    behaviour = Behaviour()
    with serving(behaviour) as address, pytest.raises(BadInput, match=TERMS) as refused:
        download(checkpoint(f"{address}/x"), tmp_path, accept=False)
    assert refused.value.code == "terms_not_accepted"
    assert behaviour.asked == []


def test_a_file_that_is_there_is_not_asked_for_again_nor_its_terms(tmp_path):
    behaviour = Behaviour()
    with serving(behaviour) as address:
        fetch(checkpoint(f"{address}/x"), tmp_path)
        download(checkpoint(f"{address}/x"), tmp_path, accept=False)
    assert len(behaviour.asked) == 1


def test_a_connection_cut_again_and_again_is_taken_up_where_it_broke(tmp_path):
    behaviour = Behaviour(cut=300_001)
    with serving(behaviour) as address:
        path = fetch(checkpoint(f"{address}/x"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert behaviour.asked == ["", *(f"bytes={k * 300_001}-" for k in (1, 2, 3))]


def test_a_later_call_goes_on_where_an_earlier_one_stopped(tmp_path):
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:1000])
    behaviour = Behaviour()
    assert verify(checkpoint(), tmp_path) == "partial"
    with serving(behaviour) as address:
        fetch(checkpoint(f"{address}/x"), tmp_path)
    assert behaviour.asked == ["bytes=1000-"]
    assert verify(checkpoint(), tmp_path) == "ok"


def test_a_server_that_cannot_resume_is_read_from_the_start(tmp_path):
    (tmp_path / "net.pth.part").write_bytes(b"other bytes")
    with serving(Behaviour(ranges=False)) as address:
        assert fetch(checkpoint(f"{address}/x"), tmp_path).read_bytes() == CONTENT


def test_a_rotten_half_download_is_thrown_away_and_fetched_anew(tmp_path):
    (tmp_path / "net.pth.part").write_bytes(b"rot" * 1000)
    with serving(Behaviour()) as address:
        assert fetch(checkpoint(f"{address}/x"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (Behaviour(content=CONTENT[:-1] + b"?"), "its sha256 is"),
        (Behaviour(content=b"<html>quota exceeded</html>"), "offers 27 bytes, 1024000 expected"),
        (Behaviour(cut=0), "gave up after 5 tries"),
        (Behaviour(status=404), "404"),
    ],
    ids=["wrong bytes", "wrong length", "dead", "not found"],
)
def test_a_bad_source_is_told_and_nothing_of_it_is_kept(tmp_path, behaviour, told):
    with serving(behaviour) as address, pytest.raises(BadInput, match=told) as failed:
        fetch(checkpoint(f"{address}/x"), tmp_path)
    assert failed.value.code == "download_failed"
    assert "name a mirror" in failed.value.message
    assert not (tmp_path / "net.pth").exists()
    assert installed(tmp_path) == frozenset()


def test_the_next_source_is_tried_after_a_bad_one(tmp_path):
    with serving(Behaviour(content=CONTENT[::-1])) as bad, serving(Behaviour()) as good:
        assert fetch(checkpoint(f"{bad}/x", f"{good}/x"), tmp_path).read_bytes() == CONTENT


def test_a_mirror_is_asked_before_the_publisher_and_by_file_name(tmp_path):
    near, far = Behaviour(), Behaviour()
    with serving(near) as mirror, serving(far) as publisher:
        fetch(checkpoint(f"{publisher}/x"), tmp_path, mirror=f"{mirror}/weights/")
    assert (len(near.asked), len(far.asked)) == (1, 0)


def test_a_source_that_is_not_http_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    with pytest.raises(BadInput, match="not an http address"):
        fetch(checkpoint((tmp_path / "secret").as_uri()), tmp_path / "weights")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_as_such(tmp_path):
    (tmp_path / "net.pth.part").symlink_to("/dev/full")
    with serving(Behaviour()) as address, pytest.raises(StorageFull):
        fetch(checkpoint(f"{address}/x"), tmp_path)


def test_damage_after_the_download_is_found_by_verify(tmp_path):
    (tmp_path / "net.pth").write_bytes(CONTENT[:-1] + b"?")
    assert "its sha256 is" in verify(checkpoint(), tmp_path)
    (tmp_path / "net.pth").write_bytes(CONTENT[:-1])
    assert verify(checkpoint(), tmp_path) == f"{len(CONTENT) - 1} bytes, {len(CONTENT)} expected"
    (tmp_path / "net.pth").unlink()
    assert verify(checkpoint(), tmp_path) == "missing"


def test_a_missing_checkpoint_is_told_with_the_command_that_gets_it(tmp_path):
    with pytest.raises(BadInput, match="lipstream models download s3fd"):
        locate("s3fd", tmp_path)
    with pytest.raises(BadInput, match="there are: wav2lip, wav2lip-gan") as unknown:
        locate("wav2lop", tmp_path)
    assert unknown.value.code == "unknown_weights"


def test_a_file_of_the_users_own_stands_in_for_a_download(tmp_path):
    own = {"wav2lip": tmp_path / "checkpoint_step000001.pth"}
    assert "wav2lip" not in installed(tmp_path, own)
    own["wav2lip"].write_bytes(b"trained here")
    assert "wav2lip" in installed(tmp_path, own)
    assert locate("wav2lip", tmp_path, own) == own["wav2lip"]


def test_every_row_of_the_table_can_be_verified_and_says_its_terms():
    for name, entry in CHECKPOINTS.items():
        assert entry.name == name
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.size > 100_000
        assert entry.terms
        assert len(entry.sources) > 1
        assert all(source.startswith("https://") for source in entry.sources)
    assert len({replace(entry, name="").file for entry in CHECKPOINTS.values()}) == len(CHECKPOINTS)


def test_the_hubs_files_are_looked_for_at_its_stand_in_first_and_others_are_not(tmp_path, monkeypatch):
    behaviour = Behaviour(status=404)
    with serving(behaviour) as address:
        monkeypatch.setenv("HF_ENDPOINT", f"{address}/hub/")
        entry = checkpoint("https://huggingface.co/who/what/x", f"{address}/elsewhere/x")
        sources = _sources(entry, f"{address}/mirror")
        assert sources == [
            f"{address}/mirror/net.pth",
            f"{address}/hub/who/what/x",
            "https://huggingface.co/who/what/x",
            f"{address}/elsewhere/x",
        ]
        behaviour.status = 200
        fetch(replace(entry, sources=("https://huggingface.co/who/what/x",)), tmp_path)
    assert len(behaviour.asked) == 1  # from the stand-in: the hub itself was not needed
    monkeypatch.delenv("HF_ENDPOINT")
    assert _sources(entry, None) == list(entry.sources)


def test_a_set_stands_for_its_checkpoints_and_each_is_in_the_table():
    names = [one.name for one in chosen(["codeformer", *SETS])]
    assert names == ["codeformer", *(name for one in SETS.values() for name in one)]
    assert not set(SETS) & set(CHECKPOINTS)
    with pytest.raises(BadInput, match="facelib"):
        chosen(["facelab"])
