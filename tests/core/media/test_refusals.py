"""Every unusable file is refused with a code of its own, and no file gets another file or address opened."""

import asyncio
import os
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from core.errors import BadInput, StorageFull
from core.media.foreign import normalise, open_audio, probe
from core.media.info import Limits
from tests.support import ROOT
from tests.support.samples import tone, write_sound, write_video


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def listen(path: Path, limits: Limits) -> int:
    source = await open_audio(path, limits=limits)
    return sum([len(chunk) async for chunk in source.chunks()])


async def watch(path: Path, limits: Limits) -> int:
    destination = path.parent / "clip.mp4"
    info = await normalise(
        path, destination, fps=None, size=None, report=lambda done, total: None, limits=limits
    )
    assert info.frames is not None
    return info.frames


USES: dict[str, Callable[[Path, Limits], Coroutine[Any, Any, Any]]] = {
    "probe": probe,
    "watch": watch,
    "listen": listen,
}


def refusal(use: str, path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        run(USES[use](path, limits or Limits()))
    assert caught.value.code == "missing_file" or str(path.parent) not in caught.value.message
    return caught.value.code


def test_a_recording_of_no_length_is_not_called_damaged(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", np.zeros(0, np.float32), 16_000)
    assert refusal("listen", path) == "no_audio"


@pytest.mark.slow
@pytest.mark.parametrize("use", USES)
def test_what_is_no_media_at_all(tmp_path: Path, use: str) -> None:
    def given(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    assert refusal(use, tmp_path / "none.mp4") == "missing_file"
    assert refusal(use, tmp_path) == "missing_file"
    assert refusal(use, given("empty.mp4", b"")) == "empty_file"
    assert refusal(use, given("text.mp4", b"Dear all,\n" * 400)) == "not_media"
    assert refusal(use, given("noise.mp4", np.random.default_rng(3).bytes(50_000))) == "not_media"
    assert refusal(use, given("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>')) == "not_media"
    assert refusal(use, given("a.heic", b"\0\0\0\x18ftypheic" + bytes(200))) == "unsupported"


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes")
@pytest.mark.parametrize("use", USES)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, use: str) -> None:
    pipe = tmp_path / "a.mp4"
    os.mkfifo(pipe)
    with pytest.raises(BadInput, match="a pipe or a device; save what it gives") as caught:
        run(asyncio.wait_for(USES[use](pipe, Limits()), 20))
    assert caught.value.code == "missing_file"


@pytest.mark.parametrize("use", ["probe", "watch"])
def test_a_png_that_breaks_off_is_told_as_a_picture(tmp_path: Path, use: str) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(noise(64, 64, 0)).save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:6000])
    with pytest.raises(BadInput, match=r"breaks off or is damaged.*save it again as JPEG or PNG") as caught:
        run(USES[use](cut, Limits()))
    assert caught.value.code == "malformed_media"


@pytest.mark.parametrize("use", USES)
def test_an_mp4_cut_off_before_its_index_is_malformed(tmp_path: Path, use: str) -> None:
    whole = write_video(tmp_path / "a.mp4", sound=True).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: whole.rindex(b"moov") - 4])
    assert refusal(use, cut) == "malformed_media"


def faststart(path: Path, target: Path) -> Path:
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as file:
        streams = {s.index: file.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                file.mux(packet)
    return target


@pytest.mark.slow
def test_a_video_that_breaks_off_is_used_up_to_there_if_a_second_is_left(tmp_path: Path) -> None:
    options = {"crf": "18", "g": "25", "bf": "0"}
    whole = faststart(
        write_video(tmp_path / "a.mp4", frames=100, draw=noise, options=options), tmp_path / "b.mp4"
    ).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    assert 30 <= run(watch(cut, Limits())) <= 60
    cut.write_bytes(whole[: len(whole) // 8])
    assert refusal("watch", cut) == "malformed_media"


def noise(width: int, height: int, number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.slow
def test_no_damage_crashes_hangs_or_passes_as_sound(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", frames=30, draw=noise, sound=True).read_bytes()
    random = np.random.default_rng(5)
    for case in range(12):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 1 + len(data) // 500):
            data[place] ^= int(random.integers(1, 256))
        path = tmp_path / f"{case}.mp4"
        path.write_bytes(data[: int(random.integers(len(data) // 2, len(data) + 1))])
        with suppress(BadInput):  # anything else, a crash of the child too, is an error of ours
            run(watch(path, Limits()))


@pytest.mark.slow
def test_sound_where_a_picture_is_needed_and_the_reverse(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav", tone(0.5, 16_000), 16_000)
    assert refusal("watch", sound) == "audio_only"
    assert refusal("listen", write_video(tmp_path / "a.mp4")) == "no_audio"
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert refusal("listen", tmp_path / "a.png") == "no_audio"


@pytest.mark.slow
def test_sound_with_a_cover_picture_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as file:
        voice: Any = file.add_stream("aac", rate=16_000, layout="mono")
        cover: Any = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame(64, 64, "yuvj420p")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in [
            *cover.encode(picture),
            *cover.encode(None),
            *voice.encode(frame),
            *voice.encode(None),
        ]:
            file.mux(packet)
    assert run(probe(path)).kind == "audio"
    assert refusal("watch", path) == "audio_only"


def png(width: int, height: int) -> bytes:
    """A PNG whose header says so, with next to nothing in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("use", ["probe", "watch"])
@pytest.mark.parametrize("size", [(8194, 16), (16, 8194), (16_000, 16_000), (7000, 7000)])
def test_a_picture_too_large_is_refused_by_its_header(
    tmp_path: Path, use: str, size: tuple[int, int]
) -> None:
    (tmp_path / "a.png").write_bytes(png(*size))
    assert refusal(use, tmp_path / "a.png") == "image_too_large"


@pytest.mark.slow
def test_a_picture_that_breaks_off_is_malformed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(64, 64))
    assert refusal("watch", tmp_path / "a.png") == "malformed_media"
    Image.fromarray(noise(64, 64, 0)).save(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_bytes((tmp_path / "b.jpg").read_bytes()[:1000])
    assert refusal("watch", tmp_path / "c.jpg") == "malformed_media"


@pytest.mark.slow
def test_limits_hold(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames=50, sound=True)
    for use in USES:
        assert refusal(use, video, Limits(duration_s=1)) == "media_too_long"
    assert refusal("watch", video, Limits(frame_pixels=100 * 100)) == "too_large_frames"
    for size, told in (((8, 8), "b.mp4 is too small, 8x8"), ((2080, 16), "b.mp4 is too narrow, 2080x16")):
        odd = write_video(tmp_path / "b.mp4", size=size, frames=1)
        with pytest.raises(BadInput, match=told):
            run(watch(odd, Limits()))


@pytest.mark.slow
def test_colours_that_cannot_be_converted_are_told(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", frames=1, context={"colorspace": 14})
    for use in (probe, watch):
        with pytest.raises(BadInput, match="is in colours that cannot be read"):
            run(use(source, Limits()))


@pytest.mark.slow
def test_dolby_vision_in_colours_of_its_own_is_told(tmp_path: Path) -> None:
    quiet = {"x265-params": "log-level=none"}
    plain = write_video(tmp_path / "a.mp4", codec="libx265", pixels="yuv420p10le", frames=1, options=quiet)
    dolby = tmp_path / "b.mp4"
    dolby.write_bytes(plain.read_bytes().replace(b"hev1", b"dvh1"))
    for use in (probe, watch):
        with pytest.raises(BadInput, match="is Dolby Vision") as caught:
            run(use(dolby, Limits()))
        assert caught.value.code == "unsupported"


@pytest.mark.slow
def test_a_stream_longer_than_it_says_is_cut_short(tmp_path: Path) -> None:
    # A WAV of unknown length, as programs write it that stream to standard output.
    path = write_sound(tmp_path / "a.wav", tone(4, 16_000), 16_000)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert run(listen(path, Limits())) == 64_000
    assert refusal("listen", path, Limits(duration_s=2)) == "media_too_long"


@pytest.mark.slow
def test_a_child_without_memory_or_time_is_a_refusal(tmp_path: Path) -> None:
    large = write_video(tmp_path / "a.mp4", frames=40, size=(1920, 1080), options={"preset": "ultrafast"})
    assert refusal("watch", large, Limits(memory_bytes=450 << 20)) in ("too_large_frames", "malformed_media")
    # Forty frames of a second each make four hundred to encode.
    options = {"preset": "ultrafast"}
    long = write_video(tmp_path / "b.mp4", frames=40, fps=1, size=(1920, 1080), options=options)
    assert refusal("watch", long, Limits(cpu_s=1)) == "media_too_long"


@pytest.mark.slow
def test_a_full_disk_is_said_to_be_one(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", frames=50, size=(320, 240), draw=noise)
    script = (
        "import asyncio, resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"  # any write beyond fails
        "from core.media.foreign import normalise\n"
        "asyncio.run(normalise(Path(sys.argv[1]), Path(sys.argv[2]), fps=None, size=None, report=print))\n"
    )
    with pytest.raises(StorageFull):
        run(_under_limit(script, source, tmp_path / "b.mp4"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


async def _under_limit(script: str, source: Path, destination: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        str(source),
        str(destination),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    _, said = await process.communicate()
    if b"StorageFull" in said:
        raise StorageFull(said.decode())
    assert process.returncode == 0, said.decode()


@pytest.fixture
def canary() -> Iterator[tuple[int, list[bytes]]]:
    """A server on loopback that notes whoever knocks."""
    knocks: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                peer, _ = server.accept()
            except TimeoutError:
                continue
            with peer:
                peer.settimeout(0.05)
                knocks.append(peer.recv(200))

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1], knocks
    over.set()
    thread.join()
    server.close()


HOSTILE = {
    "ffconcat": "ffconcat version 1.0\nfile {file}\n",
    "ffconcat_relative": "ffconcat version 1.0\nfile secret.mp4\n",
    "ffconcat_http": "ffconcat version 1.0\nfile {address}/a.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n",
    "hls_relative": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "hls_http": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{address}/a.ts\n#EXT-X-ENDLIST\n",
    "hls_key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{address}/k"\n#EXTINF:1,\nsecret.mp4\n',
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<BaseURL>{address}/a.mp4</BaseURL></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "asx": '<asx version="3.0"><entry><ref href="{address}/a.asf"/></entry></asx>',
    "rtsp_redirect": "RTSPtext\nrtsp://127.0.0.1/\n",
}


@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_playlist_opens_nothing(
    tmp_path: Path, kind: str, name: str, canary: tuple[int, list[bytes]]
) -> None:
    port, knocks = canary
    write_video(tmp_path / "secret.mp4")
    words = {"file": str(tmp_path / "secret.mp4"), "address": f"http://127.0.0.1:{port}"}
    path = tmp_path / name
    path.write_text(HOSTILE[kind].format(**words))
    assert refusal("probe", path) == "not_media"
    assert not knocks


@pytest.mark.parametrize(
    "prefix", ["http://127.0.0.1:{port}/a.mp4", "concat:secret.mp4", "subfile,,secret.mp4"]
)
def test_a_name_that_looks_like_an_address_is_a_file_name(
    tmp_path: Path, prefix: str, canary: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, knocks = canary
    monkeypatch.chdir(tmp_path)
    write_video(Path("secret.mp4"))
    name = prefix.format(port=port)
    with pytest.raises(BadInput) as caught:
        run(probe(Path(name)))
    assert caught.value.code == "missing_file"
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(Path("secret.mp4").read_bytes())
    assert run(probe(Path(name))).kind == "video"  # the file of that name
    assert not knocks
