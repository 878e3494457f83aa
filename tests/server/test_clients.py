"""The examples of docs/clients.md, run against a real server."""

import asyncio
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import av
import pytest

from tests.support import ROOT
from tests.support.browser import needs_chromium, open_browser
from tests.support.children import child
from tests.support.faces import sentence
from tests.support.samples import write_sound
from tests.support.viewer import open_server, served

EXAMPLES = ROOT / "docs" / "examples"
GUIDE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
TEXT = "Hello there. This is an example."
LOCAL = "http://127.0.0.1:8010"


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_guide_shows_the_very_files_that_are_run(path: Path) -> None:
    assert f"\n{path.read_text(encoding='utf-8')}```\n" in GUIDE


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def server(
    loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory, presenter_clip: Path
) -> Iterator[str]:
    """The address of a server, without a slash at the end."""
    opened = open_server(served(tmp_path_factory, presenter_clip))
    try:
        yield loop.run(opened.__aenter__()).rstrip("/")
    finally:
        loop.run(opened.__aexit__(None, None, None))


async def run(*command: str) -> str:
    """What a command prints; it has to succeed."""
    async with child(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE) as process:
        out, error = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, error.decode()
    return out.decode()


async def job_file(server: str, log: str) -> bytes:
    """The stream of the job whose events are in `log`, which must be dense and end well."""
    events = [json.loads(line) for line in log.splitlines()]
    told = [event for event in events if event["seq"]]
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert told[-1]["type"] == "job.completed"
    url = f"{server}/v1/jobs/{told[0]['job_id']}/stream"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return await response.read()


def check_video(path: Path, within: float = 10) -> None:
    """It has both tracks and lasts as long as two sentences do."""
    with av.open(str(path)) as file:
        kinds = {stream.type for stream in file.streams}
        seconds = max(
            float(packet.pts * packet.time_base) for packet in file.demux() if packet.pts is not None
        )
    assert kinds == {"video", "audio"}
    assert 0.9 < seconds < within


@pytest.mark.slow
def test_python_saves_every_byte_and_hears_every_event(
    loop: asyncio.Runner, server: str, tmp_path: Path
) -> None:
    file = tmp_path / "hello.mp4"
    log = loop.run(run(sys.executable, str(EXAMPLES / "speak.py"), TEXT, str(file), server))
    assert file.read_bytes() == loop.run(job_file(server, log))
    check_video(file)


def check_session(log: str, path: Path) -> None:
    """Everything was said, and is in the video, which may begin a little before it."""
    events = [event for event in map(json.loads, log.splitlines()) if event["seq"]]
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], events[-1]["seq"] + 1))
    ended = next(event["data"] for event in events if event["type"] == "speech.ended")
    assert ended["text_spoken"].strip() == TEXT
    check_video(path, within=30)


@pytest.mark.slow
def test_python_has_a_live_person_say_it(loop: asyncio.Runner, server: str, tmp_path: Path) -> None:
    file = tmp_path / "talk.mp4"
    log = loop.run(run(sys.executable, str(EXAMPLES / "live.py"), TEXT, str(file), server))
    check_session(log, file)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node here; get it with: apt-get install nodejs")
def test_node_has_a_live_person_say_it(loop: asyncio.Runner, server: str, tmp_path: Path) -> None:
    file = tmp_path / "talk.mp4"
    log = loop.run(run(*node(), str(EXAMPLES / "live.mjs"), TEXT, str(file), server))
    check_session(log, file)


def node() -> list[str]:
    """How to run a script; skips the test where this Node has no WebSocket."""
    found = shutil.which("node") or ""
    version = int(subprocess.check_output([found, "--version"], text=True).lstrip("v").partition(".")[0])
    if version < 20:
        pytest.skip("this Node has no WebSocket")
    return [found, *(["--experimental-websocket"] if version < 22 else [])]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node here; get it with: apt-get install nodejs")
def test_node_saves_every_byte_and_hears_every_event(
    loop: asyncio.Runner, server: str, tmp_path: Path
) -> None:
    file = tmp_path / "hello.mp4"
    log = loop.run(run(*node(), str(EXAMPLES / "speak.mjs"), TEXT, str(file), server))
    assert file.read_bytes() == loop.run(job_file(server, log))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here; get it with: apt-get install curl")
def test_curl_gets_the_growing_video_in_one_request(
    loop: asyncio.Runner, server: str, tmp_path: Path
) -> None:
    line = re.search(r"^curl .*$", GUIDE, re.MULTILINE)
    assert line
    command, _, player = line[0].partition(" | ")
    assert player.startswith("ffplay")
    file = tmp_path / "hello.mp4"
    loop.run(run(*shlex.split(command.replace(LOCAL, server)), "--silent", "--fail", "--output", str(file)))
    check_video(file)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here; get it with: apt-get install curl")
def test_curl_has_a_recording_spoken_by_a_video_used_once(
    loop: asyncio.Runner, server: str, tmp_path: Path, presenter_clip: Path
) -> None:
    line = re.search(r"^curl .*/v1/lipsync.*$", GUIDE, re.MULTILINE)
    assert line
    samples, rate, _ = sentence()
    speech = write_sound(tmp_path / "speech.wav", samples[: 2 * rate], rate)
    command, _, name = line[0].replace("speech.wav", str(speech)).partition(" > ")
    command = command.replace("me.mp4", str(presenter_clip)).replace(LOCAL, server)
    loop.run(run(*shlex.split(command), "--silent", "--fail", "--output", str(tmp_path / name)))
    check_video(tmp_path / name)


@pytest.mark.slow
@needs_chromium
def test_a_script_in_a_page_plays_it_to_the_end(loop: asyncio.Runner, server: str, tmp_path: Path) -> None:
    module = (EXAMPLES / "play.js").read_text(encoding="utf-8").replace("export async", "return async", 1)

    async def play() -> None:
        async with open_browser(tmp_path, "--autoplay-policy=no-user-gesture-required") as page:
            await page.open(server + "/static/icon.svg")
            await page.until("location.protocol === 'http:' && document.readyState === 'complete'")
            await page.evaluate(f"""(() => {{
              const play = (() => {{ {module} }})();
              window.video = document.createElementNS('http://www.w3.org/1999/xhtml', 'video');
              play(window.video, {json.dumps(TEXT)});
            }})()""")
            await page.until("window.video.ended", timeout_s=60)
            assert await page.evaluate("window.video.duration") > 1
            assert [one for one in page.complaints if "favicon" not in one] == []

    loop.run(play())
