"""The object storage: what is put is there, once and whole, whatever happens on the way."""

import asyncio
import http.client
import threading
import urllib.request
from urllib.error import HTTPError

import pytest
from pydantic import ValidationError
from yarl import URL

from core.engines import ENGINES
from core.errors import BadInput, StorageError
from core.runtime.tasks import in_daemon_thread
from server.cli import main as cli
from server.errors import Refused
from server.settings import ServerSettings, region_of
from server.storage.local import SignedLinks, link_secret
from server.storage.oss import OssStorage, checksum
from server.store.rows import OutputRow, key_of
from tests.support.oss import oss, settings_for
from tests.support.serving import run

KEY = "video_1/" + "ab" * 16 + "/video.mp4"


@pytest.fixture
def endpoint():
    with oss() as (storage, url):
        yield storage, url


def open_oss(tmp_path, url, **changed):
    return OssStorage(ServerSettings(data_dir=tmp_path, **settings_for(url, **changed)), tmp_path / "parts")


@pytest.fixture(params=["oss", "oss in parts"])
def storage(request, tmp_path, endpoint, monkeypatch):
    """Each kind of storage, and a file for it."""
    file = tmp_path / "jobs/video_1/video.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(range(256)) * 1000)
    if request.param == "oss in parts":
        monkeypatch.setattr("server.storage.oss.MULTIPART", 1000)
        monkeypatch.setattr("server.storage.oss.PART", 110_000)
    return open_oss(tmp_path, endpoint[1]), file


def test_what_is_put_is_there_and_putting_it_twice_changes_nothing(storage, tmp_path, endpoint):
    it, file = storage
    for _ in range(3):
        told = []
        it.put(file, KEY, "video/mp4", told.append)
        assert told[-1] == file.stat().st_size
    name = f"lipstream/{KEY}"
    it.read(name, tmp_path / "back", 1 << 20)
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    with pytest.raises(BadInput):
        it.read(name, tmp_path / "large", 1000)
    with pytest.raises(BadInput):
        it.read(name.replace("video.mp4", "none.mp4"), tmp_path / "none", 1 << 20)
    assert all(count == 1 for count in endpoint[0].written.values())
    assert not endpoint[0].parts


def test_a_signed_link_is_good_for_its_time_and_for_nothing_else(endpoint, tmp_path):
    file = tmp_path / "video.mp4"
    file.write_bytes(b"abc" * 1000)
    it = open_oss(tmp_path, endpoint[1])
    it.put(file, KEY, "video/mp4", lambda done: None)
    link = it.url(KEY, 60)
    with urllib.request.urlopen(link) as response:  # noqa: S310  # our own server on loopback
        assert response.read() == file.read_bytes()
        assert response.headers["Content-Type"] == "video/mp4"
    expired = link.replace("x-oss-expires=60", "x-oss-expires=61")
    for wrong in (expired, link.replace("video.mp4", "other.mp4"), link.partition("?")[0]):
        with pytest.raises(HTTPError, match="403"):
            urllib.request.urlopen(wrong)  # noqa: S310  # the same
    assert endpoint[0].headers[f"lipstream/{KEY}"]["x-oss-object-acl"] == "private"


@pytest.mark.parametrize(
    ("changed", "url"),
    [
        ({"oss_acl": "public-read"}, "https://videos.oss-cn-hangzhou.aliyuncs.com/lipstream/" + KEY),
        (
            {"oss_acl": "public-read", "oss_cname": "https://v.example", "oss_prefix": ""},
            "https://v.example/" + KEY,
        ),
        (
            {"oss_internal_endpoint": "https://oss-cn-hangzhou-internal.aliyuncs.com"},
            "https://videos.oss-cn-hangzhou.aliyuncs.com/lipstream/" + KEY + "?",
        ),
        ({"oss_cname": "http://v.example"}, "http://v.example/lipstream/" + KEY + "?"),
    ],
)
def test_addresses_handed_out_are_those_of_the_outside(tmp_path, changed, url):
    it = open_oss(tmp_path, "https://oss-cn-hangzhou.aliyuncs.com", **changed)
    made = it.url(KEY, 60)
    assert made.startswith(url) if url.endswith("?") else made == url
    assert it.name_in(URL(made)) == URL(url).path[1:]
    assert it.name_in(URL("oss://videos/a/b")) == "a/b"
    assert it.name_in(URL("oss://other/a/b")) is None
    assert it.name_in(URL("https://oss-cn-hangzhou.aliyuncs.com/videos/a")) == "a"
    assert it.name_in(URL("https://other.oss-cn-hangzhou.aliyuncs.com/a")) is None


@pytest.mark.parametrize(
    ("faults", "code", "retryable"),
    [
        ([None, 503], "oss_refused", True),
        ([500], "oss_refused", True),
        ([None, 400], "oss_refused", True),
        (["reset"], "oss_unreachable", True),
        ([None, "cut"], "oss_unreachable", True),
        ([None, "lost"], "oss_unreachable", True),
        ([None, "badcrc"], "oss_checksum", True),
        ([None, 5.0], "oss_unreachable", True),
    ],
)
def test_a_fault_is_named_and_the_next_attempt_leaves_one_whole_object(
    endpoint, tmp_path, monkeypatch, faults, code, retryable
):
    monkeypatch.setattr("server.storage.oss.SILENCE_S", 0.3)
    file = tmp_path / "video.mp4"
    file.write_bytes(b"abc" * 100_000)
    it = open_oss(tmp_path, endpoint[1])
    endpoint[0].faults.extend(faults)
    with pytest.raises(StorageError) as failed:
        it.put(file, KEY, "video/mp4", lambda done: None)
    assert (failed.value.code, failed.value.retryable) == (code, retryable)
    it.put(file, KEY, "video/mp4", lambda done: None)
    assert endpoint[0].objects == {f"lipstream/{KEY}": file.read_bytes()}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"oss_access_key_secret": "wrong"}, "oss_credentials"),
        ({"oss_access_key_id": "nobody"}, "oss_credentials"),
        ({"oss_bucket": "nothere"}, "oss_no_bucket"),
    ],
)
def test_what_only_people_can_mend_is_said_so(endpoint, tmp_path, changed, code):
    file = tmp_path / "video.mp4"
    file.write_bytes(b"abc")
    it = open_oss(tmp_path, endpoint[1], **changed)
    for do in (lambda: it.put(file, KEY, "video/mp4", lambda done: None), it.probe):
        with pytest.raises(StorageError) as failed:
            do()
        assert (failed.value.code, failed.value.retryable) == (code, False)
    assert not endpoint[0].objects


def test_a_large_file_goes_on_with_the_parts_that_have_arrived(endpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("server.storage.oss.MULTIPART", 1000)
    monkeypatch.setattr("server.storage.oss.PART", 110_000)
    monkeypatch.setattr("server.storage.oss.THREADS", 1)
    file = tmp_path / "video.mp4"
    file.write_bytes(b"0123456789" * 60_000)
    server = endpoint[0]
    server.faults.extend([None, None, None, None, None, 503])
    with pytest.raises(StorageError):
        open_oss(tmp_path, endpoint[1]).put(file, KEY, "video/mp4", lambda done: None)
    before, (arrived,) = server.seen["PUT"], map(len, server.parts.values())
    assert 0 < arrived < 6
    # Another process would do the same: what has arrived is on record.
    open_oss(tmp_path, endpoint[1]).put(file, KEY, "video/mp4", lambda done: None)
    assert server.objects == {f"lipstream/{KEY}": file.read_bytes()}
    assert server.seen["PUT"] - before == 6 - arrived
    assert not server.parts


def test_the_probe_leaves_nothing(endpoint, tmp_path):
    open_oss(tmp_path, endpoint[1]).probe()
    assert endpoint[0].seen["PUT"] == endpoint[0].seen["DELETE"] == 1
    assert not endpoint[0].objects


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({}, 0, "✓ object storage oss://videos/lipstream/"),
        ({"oss_access_key_secret": "wrong"}, 1, "secret is wrong"),
        ({"oss_endpoint": "http://127.0.0.1:9"}, 1, "could not be reached"),
        (None, 0, ""),
    ],
)
def test_the_doctor_looks_at_the_storage_if_there_is_one(
    endpoint, tmp_path, monkeypatch, capsys, changed, code, said
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setitem(ENGINES, "speech", {"builtin": ENGINES["speech"]["builtin"]})  # each says a word
    for name, value in settings_for(endpoint[1], **changed).items() if changed is not None else ():
        monkeypatch.setenv(f"LIPSTREAM_{name}".upper(), value)
    assert cli(["doctor"]) == code
    shown = capsys.readouterr().out
    assert said in shown
    assert ("object storage" in shown) == (changed is not None)
    assert not endpoint[0].objects


def test_settings_of_a_storage_are_whole_or_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not ServerSettings(oss_access_key_id="somebody's").uploads
    with pytest.raises(ValidationError, match="needs oss_access_key_id, oss_access_key_secret"):
        ServerSettings(oss_bucket="videos", oss_endpoint="https://oss-cn-hangzhou.aliyuncs.com")
    with pytest.raises(ValidationError, match="oss_region"):
        ServerSettings(**settings_for("https://storage.example", oss_region=""))
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "hush")
    settings = ServerSettings(oss_bucket="videos", oss_endpoint="oss-cn-hangzhou.aliyuncs.com")
    assert settings.uploads
    assert "hush" not in repr(settings)
    assert region_of("https://oss-cn-hangzhou-internal.aliyuncs.com") == "cn-hangzhou"


def test_local_links_are_signed_and_expire(tmp_path):
    secret = link_secret(tmp_path)
    assert link_secret(tmp_path) == secret
    assert (tmp_path / "links.key").stat().st_mode & 0o777 == 0o600
    it = SignedLinks(secret, "https://studio.example/")
    url = URL(it.url(KEY, 60))
    assert str(url).startswith("https://studio.example/v1/files/" + KEY)
    expires, signature = url.query["expires"], url.query["signature"]
    it.check(KEY, expires, signature)
    for key, when, sign in (
        (KEY + "x", expires, signature),
        (KEY, str(int(expires) + 1), signature),
        (KEY, expires, signature[:-1]),
        (KEY, "", ""),
        (KEY, expires, "é"),
    ):
        with pytest.raises(Refused) as refused:
            it.check(key, when, sign)
        assert refused.value.code == "bad_signature"
    old = URL(it.url(KEY, -1))
    with pytest.raises(Refused) as refused:
        it.check(KEY, old.query["expires"], old.query["signature"])
    assert refused.value.code == "link_expired"


def test_the_key_of_a_file_is_made_of_its_job_and_its_content():
    output = OutputRow("video.mp4", "video", "video/mp4", 1, "ab" * 32, "jobs/video_1/video.mp4")
    assert key_of("video_1", output) == KEY


def test_the_checksum_is_the_one_that_the_standard_gives(tmp_path):
    (tmp_path / "check").write_bytes(b"123456789")
    assert checksum(tmp_path / "check") == 0x995DC9BBDF1939FA  # CRC-64/XZ's check value


def test_a_call_that_nobody_waits_for_any_more_disturbs_nobody():
    async def main():
        go = threading.Event()
        call = asyncio.ensure_future(in_daemon_thread(lambda: go.wait(5)))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go.set()
        with pytest.raises(http.client.HTTPException):
            await in_daemon_thread(_fail)
        assert await in_daemon_thread(lambda: 5) == 5

    def _fail():
        raise http.client.HTTPException

    run(main())
