"""The page in a real browser, against a real server: what a viewer sees, hears and can do."""

import asyncio
import base64
import io
import json
import shutil
import tempfile
import time
import wave
from dataclasses import replace
from pathlib import Path

import aiohttp
import cv2
import numpy as np
import pytest
from scipy.io import wavfile

from core.engines.builtin import presenter
from core.templates.info import keep_info, kept_info
from core.templates.library import SAMPLE
from tests.support import couples
from tests.support.browser import Page, needs_chromium
from tests.support.crowds import write_group
from tests.support.enhancers import Held
from tests.support.faces import sentence
from tests.support.recordings import recording
from tests.support.viewer import Viewer, in_browser, runner, viewer

pytestmark = [pytest.mark.slow, needs_chromium]
__all__ = ["runner", "viewer"]  # fixtures

SHORT = "Good morning. This is a short piece."
LONG = "This sentence is spoken again and again, so that there is time. " * 40

VIDEO = "document.querySelector('#video')"
PLAYING = f"{VIDEO}.dataset.playingMs"
TONE = "document.querySelector('#status').dataset.tone"
CUES = f"[...{VIDEO}.textTracks[0].cues].map((cue) => cue.text)"

WATCH_GAPS = f"""(() => {{
  let last = 0;
  window.gaps = [];
  const shown = (now) => {{
    if (last) window.gaps.push(Math.round(now - last));
    last = {PLAYING} ? now : 0;
    {VIDEO}.requestVideoFrameCallback(shown);
  }};
  {VIDEO}.requestVideoFrameCallback(shown);
}})()"""
"""Milliseconds between the frames that are shown, from `playing` on."""


def choose(lipsync: str) -> str:
    """Has the page ask for this engine, which it does not offer."""
    return f"""(() => {{
      const real = window.fetch;
      window.fetch = (url, init = {{}}) => {{
        if (!init.body) return real(url, init);
        const body = {{ ...JSON.parse(init.body), options: {{ engines: {{ lipsync: '{lipsync}' }} }} }};
        return real(url, {{ ...init, body: JSON.stringify(body) }});
      }};
    }})()"""


MANAGED = """(() => {
  const Native = window.MediaSource;
  delete window.MediaSource;
  window.ManagedMediaSource = class extends Native {
    constructor() {
      super();
      this.streaming = true;
      window.managed = this;
    }
    static isTypeSupported(mime) {
      return Native.isTypeSupported(mime);
    }
  };
})()"""
"""Makes the browser look like an iPhone's: only the managed media source, which says when it takes data."""


def one_person(frames: int) -> bytes:
    """A video of one drawn person."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.mp4"
        return write_group(path, lambda k: [(60, 40)], size=(320, 240), head=130, frames=frames).read_bytes()


async def cancel(page: Page) -> None:
    await page.click("#cancel")
    await page.until(f"{TONE} === 'cancelled'")


@in_browser
async def test_the_video_plays_with_sound_while_most_of_it_is_still_to_be_made(viewer: Viewer) -> None:
    page = await viewer.visit()
    job = await viewer.speak(LONG)
    assert int(await page.until(PLAYING)) < 3000
    assert (await viewer.ask(f"v1/jobs/{job}"))["progress"] < 0.5
    await page.until(f"{VIDEO}.currentTime > 1")
    assert await page.evaluate(f"{VIDEO}.webkitAudioDecodedByteCount") > 0
    assert await page.evaluate(f"{VIDEO}.getVideoPlaybackQuality().totalVideoFrames") > 10
    assert await page.evaluate("document.querySelector('[data-lane=play]').dataset.state") == "running"
    await cancel(page)


@in_browser
async def test_captions_say_what_is_heard_and_are_shown(viewer: Viewer) -> None:
    page = await viewer.visit()
    await viewer.speak("Seven ships sailed south. Then they came home.")
    said = await page.until(f"{VIDEO}.textTracks[0].activeCues?.[0]?.text")
    assert said in "Seven ships sailed south. Then they came home."
    assert await page.evaluate(f"{VIDEO}.textTracks[0].mode") == "showing"
    await page.until(f"{VIDEO}.ended")
    assert " ".join(await page.evaluate(CUES)) == "Seven ships sailed south. Then they came home."


@in_browser
async def test_what_is_done_can_be_downloaded(viewer: Viewer) -> None:
    page = await viewer.visit()
    await viewer.speak(SHORT)
    await page.until("!document.querySelector('#mp4').hidden")
    for button, start in (("mp4", b"ftyp"), ("srt", b"00:00:00,000")):
        async with viewer.http.get(
            await page.evaluate(f"document.querySelector('#{button}').href")
        ) as response:
            assert response.status == 200
            assert start in (await response.read())[:64]
        assert await page.evaluate(f"document.querySelector('#{button}').download")
    assert "×" in await page.evaluate("document.querySelector('#fact-speed').textContent")
    assert "ms" in await page.evaluate("document.querySelector('#fact-first').textContent")


@in_browser
async def test_a_person_without_background_plays_before_a_chequered_ground(viewer: Viewer) -> None:
    page = await viewer.visit()
    corner = f"""(() => {{
      const pen = document.createElement('canvas').getContext('2d');
      pen.drawImage({VIDEO}, 0, 0); return [...pen.getImageData(4, 4, 1, 1).data]; }})()"""
    for kind, start, plays in (
        ("webm", b"\x1a\x45\xdf\xa3", "outputs/video.webm"),
        ("mov", b"ftypqt", "/stream"),
    ):
        await page.evaluate(f"document.querySelector('#format').value = '{kind}'")
        job = await viewer.speak(SHORT)
        await page.until(f"{VIDEO}.currentTime > 0.5")
        assert await page.evaluate(corner) == [0, 0, 0, 0]
        assert "conic" in await page.evaluate(f"getComputedStyle({VIDEO}).backgroundImage")
        await page.until("!document.querySelector('#mp4').hidden")
        assert kind.upper() in await page.evaluate("document.querySelector('#mp4').textContent")
        async with viewer.http.get(await page.evaluate("document.querySelector('#mp4').href")) as response:
            assert start in (await response.read())[:32]
        async with viewer.http.get(f"{viewer.url}v1/jobs/{job}/stream") as response:
            assert response.content_type == "video/webm"
        await page.reload()
        await page.until(f"{VIDEO}.readyState > 2")
        assert plays in await page.evaluate(f"{VIDEO}.src")
        assert await page.evaluate("document.querySelector('#format').value") == kind
    assert not page.complaints


@in_browser
async def test_cancelling_ends_the_job_and_frees_the_button(viewer: Viewer) -> None:
    page = await viewer.visit()
    job = await viewer.speak(LONG)
    await page.until(PLAYING)
    assert await page.evaluate("document.querySelector('#speak').ariaDisabled") == "true"
    await cancel(page)
    assert (await viewer.ask(f"v1/jobs/{job}"))["status"] == "cancelled"
    assert await page.evaluate("document.querySelector('#cancel').hidden")
    assert await page.evaluate("document.querySelector('#speak').ariaDisabled") == "false"
    await page.until(f"{VIDEO}.ended", timeout_s=60)  # what was made is played


@in_browser
async def test_reloading_in_mid_job_brings_everything_back(viewer: Viewer) -> None:
    page = await viewer.visit()
    job = await viewer.speak(LONG)
    await page.until(f"{VIDEO}.currentTime > 1")
    cues = await page.evaluate(CUES)
    await page.reload()
    await page.until(f"{VIDEO}?.textTracks[0]?.cues.length >= {len(cues)}")
    assert (await page.evaluate(CUES))[: len(cues)] == cues
    assert await page.evaluate("document.querySelector('#text').value") == LONG
    assert job in await page.evaluate("location.hash")
    # Without a click on this page a browser may refuse sound: then it says so and offers a button.
    phase = await page.until(
        "['playing', 'blocked'].find((one) => one === document.querySelector('#screen').dataset.phase)"
    )
    if phase == "blocked":
        await page.click("#start")
    await page.until(f"{VIDEO}.currentTime > 0.5")
    assert await page.evaluate(f"{VIDEO}.buffered.start(0)") < 0.1
    await cancel(page)


@in_browser
async def test_a_finished_job_opens_from_its_file(viewer: Viewer) -> None:
    job = await viewer.make(SHORT)
    page = await viewer.visit(f"#/job/{job}")
    await page.until(f"{VIDEO}.readyState >= 2 && {VIDEO}.duration > 1")
    assert f"/v1/jobs/{job}/outputs/" in await page.evaluate(f"{VIDEO}.currentSrc")
    await page.until(f"{VIDEO}.textTracks[0].cues.length >= 1")
    assert await page.evaluate("document.querySelector('#text').value") == SHORT


@in_browser
async def test_an_enhancement_plays_while_it_is_made_and_has_lanes_of_its_own(viewer: Viewer) -> None:
    form = aiohttp.FormData()
    form.add_field("file", one_person(80), filename="one.mp4")
    form.add_field("request", '{"engine": "held"}')
    Held.go_on.clear()
    async with viewer.http.post(f"{viewer.url}v1/enhancements", data=form) as response:
        job = (await response.json())["id"]
    page = await viewer.visit(f"#/job/{job}")
    await page.until(f"{VIDEO}.readyState >= 2 && {VIDEO}.currentSrc.startsWith('blob:')")
    assert (await viewer.ask(f"v1/jobs/{job}"))["status"] == "in_progress"
    shown = "[...document.querySelectorAll('[data-lane]')].filter((row) => !row.hidden)"
    assert await page.evaluate(f"{shown}.map((row) => row.dataset.lane)") == [
        "decode",
        "faces",
        "enhance",
        "encode",
        "play",
    ]
    Held.go_on.set()
    await page.until("document.querySelector('#engines').textContent.includes('Faces builtin')")
    await page.until(f"{TONE} === 'completed'")
    await page.until(f"{VIDEO}.readyState >= 2 && {VIDEO}.duration > 1")
    await page.evaluate("location.hash = '#/monitor'")
    await page.until(f"document.querySelector('[data-job=\"{job}\"] a')?.checkVisibility()")


@in_browser
async def test_a_video_is_made_clearer(viewer: Viewer) -> None:
    page = await viewer.visit()
    await page.evaluate("document.querySelector('#said-video').click()")
    assert await page.evaluate("document.querySelector('#speak').textContent.trim()") == "Enhance"
    await page.click("#speak")
    await page.until("document.querySelector('#problem').textContent.includes('Choose a video')")
    video = base64.b64encode(one_person(30)).decode()
    await page.evaluate(f"""(() => {{
      const bytes = Uint8Array.from(atob('{video}'), (c) => c.charCodeAt(0));
      const files = new DataTransfer();
      files.items.add(new File([bytes], 'one.mp4', {{ type: 'video/mp4' }}));
      document.querySelector('#clearer-file').files = files.files;
    }})()""")
    await page.click("#speak")
    await page.until(f"{TONE} === 'completed'", timeout_s=60)
    job = await page.evaluate("location.hash.split('/').at(-1)")
    assert (await viewer.ask(f"v1/jobs/{job}"))["object"] == "enhancement"
    await page.until(f"{VIDEO}.duration > 0.5")


@in_browser
async def test_the_monitor_follows_all_jobs_and_can_end_them(viewer: Viewer) -> None:
    page = await viewer.visit("#/monitor")
    row = "document.querySelector('[data-job=\"{}\"]')?.dataset.status"
    long = (await viewer.ask("v1/videos", {"text": LONG * 4}))["id"]
    await page.until(f"{row.format(long)} === 'in_progress'", timeout_s=50)
    short = (await viewer.ask("v1/videos", {"text": SHORT}))["id"]
    await page.until(f"{row.format(short)} === 'completed'")
    first = await page.evaluate("document.querySelector('#jobs .job').dataset.job")
    assert first == short
    await page.click(f'[data-job="{long}"] button')
    await page.until(f"{row.format(long)} === 'cancelled'")
    assert (await viewer.ask(f"v1/jobs/{long}"))["status"] == "cancelled"
    await page.evaluate("""(() => {
      const find = document.querySelector('#find');
      find.value = 'good MORNING';
      find.dispatchEvent(new Event('input'));
    })()""")
    assert not await page.evaluate(f"document.querySelector('[data-job=\"{long}\"]').checkVisibility()")
    await page.click(f'[data-job="{short}"] a')
    await page.until(f"{VIDEO}.checkVisibility() && {VIDEO}.duration > 1")


@in_browser
async def test_a_batch_is_sent_and_ended_on_the_monitor(viewer: Viewer) -> None:
    page = await viewer.visit("#/monitor")
    await page.until(  # what is above the batches is there, and moves them no more
        "!!document.querySelector('[data-job]') || !document.querySelector('#monitor-empty').hidden"
    )
    rows = [{"text": "Hi."}, {"text": ""}, {"text": "Later.", "not_before": time.time() + 3600}]
    sent = "\n".join(json.dumps(row) for row in rows)
    await page.click("#monitor-batches summary")
    await page.evaluate(f"""(() => {{
      const files = new DataTransfer();
      files.items.add(new File([{json.dumps(sent)}], 'rows.jsonl'));
      const field = document.querySelector('#batch-file');
      field.files = files.files;
      field.dispatchEvent(new Event('change'));
    }})()""")
    row = "document.querySelector('[data-batch]')"
    await page.until(f"{row}?.textContent.includes('1 of 3 videos made')", timeout_s=50)
    assert "failed 1" in await page.evaluate(f"{row}.textContent")
    results = await page.evaluate(f"fetch({row}.querySelector('a').href).then((answer) => answer.text())")
    assert [json.loads(line)["status"] for line in results.splitlines()] == ["completed", "failed", "queued"]
    await page.click("[data-batch] button")
    await page.until(f"{row}.dataset.status === 'failed'")
    assert await page.evaluate(f"{row}.querySelector('.pill').textContent") == "partly failed"
    title = f"{row}.querySelector('.job-title')"
    assert await page.evaluate(f"{title}.scrollWidth <= {title}.clientWidth")  # nothing of it is cut off
    assert not await page.evaluate(f"{row}.querySelector('button').checkVisibility()")


@in_browser
async def test_a_job_is_deleted_on_the_monitor_by_a_second_press(viewer: Viewer) -> None:
    job = await viewer.make(SHORT)
    page = await viewer.visit("#/monitor")
    row = f"document.querySelector('[data-job=\"{job}\"]')"
    await page.until(f"{row}?.querySelector('img')?.naturalWidth > 0")  # the presenter
    assert (await page.evaluate(f"{row}.querySelector('a[download]').href")).endswith(".mp4")
    remove = f'[data-job="{job}"] button:last-child'
    await page.click(remove)
    assert await page.evaluate(f"document.querySelector('{remove}').textContent") == "Really delete?"
    await page.click(remove)
    await page.until(f"!{row}")
    async with viewer.http.get(f"{viewer.url}v1/jobs/{job}") as response:
        assert response.status == 404


@in_browser
async def test_what_was_made_before_is_opened_again(viewer: Viewer) -> None:
    job = await viewer.make("This was made before.")
    page = await viewer.visit()
    await page.until("document.querySelector('#history a')?.textContent.includes('This was made before.')")
    assert not await page.evaluate("document.querySelector('#facts').checkVisibility()")  # nothing to tell
    await page.click("#history a")
    await page.until(f"{VIDEO}.duration > 1")
    assert (await page.evaluate("location.hash")).endswith(job)


@in_browser
async def test_the_job_of_the_address_is_shown_though_another_answers_later(viewer: Viewer) -> None:
    slow, fast = await viewer.make("The first is slow."), await viewer.make("The second is fast.")
    page = await viewer.visit()
    await page.evaluate(f"""(() => {{
      const real = window.fetch;
      window.answered = 0;
      window.fetch = async (url, init) => {{
        const answer = await real(url, init);
        if (String(url).includes('{slow}')) {{
          await new Promise((done) => setTimeout(done, 500));
          window.answered += 1;
        }}
        return answer;
      }};
      location.hash = '#/job/{slow}';
    }})()""")
    await page.until("location.hash.endsWith('" + slow + "')")
    await page.evaluate(f"location.hash = '#/job/{fast}'")
    await page.until("window.answered > 0")
    await page.until(f"{VIDEO}.duration > 1")
    assert await page.evaluate("document.querySelector('#text').value") == "The second is fast."
    assert f"/v1/jobs/{fast}/outputs/" in await page.evaluate(f"{VIDEO}.currentSrc")


@in_browser
async def test_a_new_server_says_that_it_draws_the_sample_and_shows_it_then(viewer: Viewer) -> None:
    await viewer.page.inject("""(() => {
      const real = window.fetch;
      window.early = true;
      window.fetch = async (url, init) => {
        if (!window.early || !String(url).endsWith('/v1/templates')) return real(url, init);
        return new Response(JSON.stringify({ object: 'list', data: [] }), { status: 200 });
      };
    })()""")
    page = viewer.page
    await page.open(viewer.url)
    await page.until("document.querySelector('#picker-note').textContent.includes('being drawn')")
    await page.evaluate("window.early = false")
    await page.until("document.querySelectorAll('.person input').length > 1")
    assert not await page.evaluate("document.querySelector('#picker-note').checkVisibility()")


@in_browser
async def test_what_the_server_refuses_is_said_in_its_words(viewer: Viewer) -> None:
    page = await viewer.visit()
    await page.evaluate("document.querySelector('#text').value = 'x'.repeat(200000)")
    await page.click("#speak")
    await page.until("!document.querySelector('#problem').hidden")
    async with viewer.http.post(f"{viewer.url}v1/videos", json={"text": "x" * 200_000}) as response:
        message = (await response.json())["error"]["message"]
    assert message in await page.evaluate("document.querySelector('#problem').textContent")
    assert await page.evaluate("document.activeElement.id") == "text"
    page.complaints.clear()  # the browser reports every refused request
    await page.evaluate("document.querySelector('#text').value = '  '")
    await page.click("#speak")
    await page.until("document.querySelector('#problem').textContent.includes('Write something')")


@in_browser
async def test_text_is_never_taken_for_markup(viewer: Viewer) -> None:
    page = await viewer.visit()
    await viewer.speak("Look: <img src=x onerror=document.title='owned'> <b>bold</b> & done.")
    await page.until(f"{VIDEO}.textTracks[0].cues.length")
    assert await page.evaluate("document.querySelectorAll('main b, main img[src=x]').length") == 0
    await page.evaluate("location.hash = '#/monitor'")
    await page.until("document.querySelector('#jobs .job-title')?.textContent.includes('<img')")
    assert await page.evaluate("document.querySelectorAll('main b, main img[src=x]').length") == 0
    assert await page.evaluate("document.title") != "owned"


@in_browser
async def test_a_picture_becomes_a_presenter_that_may_keep_still_and_one_without_a_face_is_explained(
    viewer: Viewer,
) -> None:
    page = await viewer.visit()
    face = next(iter(presenter.frames(1, 25)))
    await add_presenter(page, "a-face.png", face)
    await page.until("document.querySelector('#picker-note').textContent.includes('is ready')", timeout_s=60)
    assert await page.evaluate("document.querySelector('.person input:checked').value") == "a-face"
    await page.evaluate("document.querySelector('#still').value = 'true'")
    await page.evaluate("document.querySelector('#seed').value = '7'")
    await page.evaluate("document.querySelector('#webhook').value = 'http://127.0.0.1/hooks'")
    await page.click("#speak")
    await page.until("document.querySelector('#problem').textContent.includes('not of the public internet')")
    assert "webhook (under Options)" in await page.evaluate("document.querySelector('#problem').textContent")
    await page.until("document.activeElement.id === 'webhook' && document.querySelector('#options').open")
    await page.evaluate("document.querySelector('#webhook').value = ''")
    job = await viewer.speak("Hello.")
    options = (await viewer.ask(f"v1/jobs/{job}"))["request"]["options"]
    assert (options["still"], options["seed"]) == (True, 7)
    await page.until(f"{TONE} === 'completed'", timeout_s=60)
    still = "document.querySelector('#still-field').hidden"
    assert not await page.evaluate(still)
    await page.evaluate("document.querySelector('.person input[value=sample]').click()")
    assert await page.evaluate(still), "of a film there is nothing to keep still"
    await page.evaluate("document.querySelector('.person input[value=a-face]').click()")
    await add_presenter(page, "grey.png", np.full((256, 256, 3), 128, np.uint8))
    await page.until("/face/.test(document.querySelector('#picker-note').textContent)", timeout_s=60)
    page.complaints.clear()  # a refusal, if it comes with the upload itself
    await page.evaluate("window.prompt = (_, old) => old + ', seated'")
    await page.click("#picker-rename")
    await page.until("document.querySelector('.person:has(:checked)').title.endsWith(', seated')")
    await page.click("#picker-remove")
    await page.until("document.querySelector('#picker-remove').dataset.sure")
    await page.click("#picker-remove")
    await page.until("!document.querySelector('input[value=a-face]')")


@in_browser
async def test_many_presenters_leave_the_speak_button_in_view_and_the_chosen_one_too(viewer: Viewer) -> None:
    page, names = viewer.page, [f"copy-{k}" for k in range(9)]
    sample = viewer.folder / "templates" / SAMPLE
    try:
        for name in names:
            shutil.copytree(sample, sample.with_name(name))
            keep_info(replace(kept_info(sample), id=name, name=name), sample.with_name(name))
        for width, height in ((1280, 720), (390, 844)):
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            await page.call("Emulation.setDeviceMetricsOverride", **size)
            await viewer.visit()
            shown = ",".join(f".person input[value={name}]" for name in names)
            await page.until(f"document.querySelectorAll('{shown}').length === {len(names)}")
            assert await page.evaluate(within("document.querySelector('#speak')", "document.documentElement"))
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            card = "document.querySelector('input[value=copy-8]')"
            strip = "document.querySelector('#picker')"
            assert not await page.evaluate(within(card, strip))
            await page.click("input[value=copy-8]")
            await page.until(f"{card}.checked && {within(card, strip)}")
    finally:
        await page.call("Emulation.clearDeviceMetricsOverride")
        for name in names:
            await viewer.http.delete(viewer.url + f"v1/templates/{name}")


def within(one: str, other: str) -> str:
    """JavaScript: an element is seen whole within another, and within the window."""
    return f"""(() => {{
      const [a, b] = [{one}.getBoundingClientRect(), {other}.getBoundingClientRect()];
      return a.top >= b.top - 1 && a.bottom <= Math.min(b.bottom, innerHeight) + 1;
    }})()"""


async def add_presenter(page: Page, name: str, image: np.ndarray) -> None:
    data = list(cv2.imencode(".png", image)[1].tobytes())
    await page.evaluate(f"""(() => {{
      const input = document.querySelector('.add input');
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array({data})], {json.dumps(name)}));
      input.files = files.files;
      input.dispatchEvent(new Event('change'));
    }})()""")


@in_browser
async def test_one_of_several_people_in_a_video_is_chosen_by_pointing_at_them(viewer: Viewer) -> None:
    page = await viewer.visit()
    await add_presenter(page, "couple.png", couples.couple((couples.LEFT, couples.RIGHT)))
    await page.until("document.querySelectorAll('#picker-faces button').length === 2")
    assert await page.evaluate("document.activeElement.ariaLabel") == "Person 1"
    wide = await page.evaluate(
        "[...document.querySelectorAll('#picker-faces button')].map((one) => one.offsetLeft)"
    )
    assert wide[0] < wide[1]
    await page.click("#picker-faces button:nth-of-type(2)")
    await page.until("document.querySelector('#picker-note').textContent.includes('is ready')", timeout_s=60)
    assert await page.evaluate("document.querySelector('#picker-faces').hidden")
    assert (await viewer.ask("v1/templates/couple"))["face"] == "2"


@in_browser
async def test_a_recording_is_chosen_or_dropped_and_spoken(viewer: Viewer) -> None:
    page = await viewer.visit()
    await page.click("#said-sound")
    assert not await page.evaluate("document.querySelector('#text').checkVisibility()")
    assert not await page.evaluate("document.querySelector('#voice').checkVisibility()")
    await page.click("#speak")
    await page.until("document.querySelector('#problem').textContent.includes('Choose a file or record')")
    await give(page, "choose")
    heard = "document.querySelector('#sound-heard')"
    assert await page.until(f"{heard}.duration") == pytest.approx(1.5, abs=0.01)
    assert "said.wav" in await page.evaluate("document.querySelector('#sound-note').textContent")
    await page.click("#speak")
    job = await viewer.ask(f"v1/jobs/{await current(page)}")
    assert (job["title"], job["request"]["template"]) == ("said.wav", "sample")
    await page.until(f"{VIDEO}.ended", timeout_s=60)
    assert await page.evaluate(f"{VIDEO}.duration") == pytest.approx(1.5, abs=0.1)
    assert await page.evaluate(f"{VIDEO}.webkitAudioDecodedByteCount") > 0
    await page.click("#sound-remove")
    assert await page.evaluate("document.querySelector('#sound-heard').hidden")
    await page.click("#said-text")
    await give(page, "drop")  # a file that is dropped is meant to be spoken
    assert await page.evaluate("document.querySelector('#sound').checkVisibility()")
    assert await page.until(f"{heard}.duration") == pytest.approx(1.5, abs=0.01)
    await page.reload()
    await page.until("document.querySelector('#said-sound')?.checked")


@in_browser
async def test_what_is_recorded_on_the_page_is_spoken(viewer: Viewer) -> None:
    page = await viewer.visit()
    await page.click("#said-sound")
    await page.click("#sound-record")
    await page.until("/Stop .(1|2)/.test(document.querySelector('#sound-record').textContent)")
    await page.click("#speak")  # ends the recording too
    job = await current(page)
    assert await page.evaluate("document.querySelector('#sound-record').textContent") == "Record"
    await page.until(f"{TONE} === 'completed'", timeout_s=60)
    assert (await viewer.ask(f"v1/jobs/{job}"))["metrics"]["audio_s"] > 0.8
    await page.until(f"{VIDEO}.ended", timeout_s=60)


@in_browser
async def test_a_recording_that_cannot_be_heard_is_explained(viewer: Viewer) -> None:
    page = await viewer.visit()
    await give(page, "drop", sound=b"no sound at all" * 9)
    await page.click("#speak")
    await page.until("!document.querySelector('#failure').hidden")
    assert "not a media file" in await page.evaluate("document.querySelector('#failure').textContent")


async def current(page: Page) -> str:
    """The id of the job in the address, once there is one."""
    return str(await page.until("location.hash.match(/^#\\/job\\/(.+)/)?.[1]"))


async def give(page: Page, how: str, sound: bytes | None = None) -> None:
    """Have a recording of a second and a half chosen, or dropped onto the form."""
    if sound is None:
        samples, rate, _ = sentence()
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes((samples[: rate * 3 // 2] * 32767).astype("<i2").tobytes())
        sound = buffer.getvalue()
    await page.evaluate(f"""(() => {{
      const bytes = Uint8Array.from(atob('{base64.b64encode(sound).decode()}'), (one) => one.charCodeAt(0));
      const files = new DataTransfer();
      files.items.add(new File([bytes], 'said.wav', {{ type: 'audio/wav' }}));
      if ('{how}' === 'drop') {{
        const event = new DragEvent('drop', {{ dataTransfer: files, bubbles: true, cancelable: true }});
        document.querySelector('#compose h1').dispatchEvent(event);
        return;
      }}
      const input = document.querySelector('#sound-file');
      input.files = files.files;
      input.dispatchEvent(new Event('change', {{ bubbles: true }}));
    }})()""")


async def plays_through(viewer: Viewer, lipsync: str) -> dict[str, str]:
    """Speak with this engine; what the page measured."""
    await viewer.make("Ready.", engines={"lipsync": lipsync})
    page = await viewer.visit()
    await page.evaluate(choose(lipsync))
    await page.evaluate(WATCH_GAPS)
    job = await viewer.speak("Here is one sentence. And here is another one.")
    await page.until(PLAYING, timeout_s=40)
    assert (await viewer.ask(f"v1/jobs/{job}"))["status"] == "in_progress"
    await page.until(f"{VIDEO}.ended", timeout_s=60)
    measured: dict[str, str] = await page.evaluate(f"({{...{VIDEO}.dataset}})")
    assert measured["stalls"] == "0"
    # A buffer that runs dry is seen for longer than this; a busy machine drops a frame now and then.
    assert max(await page.evaluate("window.gaps")) < 500
    return measured


@in_browser
async def test_made_as_fast_as_it_plays_it_starts_soon_and_never_stops(viewer: Viewer) -> None:
    assert int((await plays_through(viewer, "real"))["playingMs"]) < 4000


@in_browser
async def test_made_a_little_slower_than_it_plays_it_waits_once(viewer: Viewer) -> None:
    await plays_through(viewer, "fifths")


@in_browser
async def test_made_at_half_speed_it_waits_once_and_says_how_long(viewer: Viewer) -> None:
    await viewer.page.inject("""addEventListener('DOMContentLoaded', () => {
      window.said = new Set();
      const status = document.querySelector('#status');
      new MutationObserver(() => window.said.add(status.textContent)).observe(status, { childList: true });
    })""")
    await plays_through(viewer, "half")
    assert any("Playing starts in about" in one for one in await viewer.page.evaluate("[...window.said]"))


@in_browser
async def test_a_lost_connection_comes_back_and_nothing_is_missed_or_told_twice(viewer: Viewer) -> None:
    await viewer.page.inject("""(() => {
      const Native = window.WebSocket;
      window.sockets = [];
      window.WebSocket = class extends Native {
        constructor(url) { super(url); window.sockets.push(this); }
      };
    })()""")
    page = await viewer.visit()
    await page.evaluate(choose("half"))
    text = "One. Two. Three. Four. Five. Six."
    await viewer.speak(text)
    await page.until(f"{VIDEO}.buffered.length")
    # As a restarting server or a broken line would: the page is not told before.
    await page.evaluate(
        "window.sockets.forEach((socket) => { WebSocket.prototype.close.call(socket, 4000); })"
    )
    await page.until("document.querySelector('#link').dataset.state === 'waiting'")
    await page.until("document.querySelector('#link').dataset.state === 'open'")
    await page.until(f"{TONE} === 'completed'", timeout_s=60)
    await page.until(f"{VIDEO}.ended", timeout_s=60)
    assert " ".join(await page.evaluate(CUES)) == text


@in_browser
async def test_without_a_media_source_the_browser_downloads_the_growing_file(viewer: Viewer) -> None:
    await viewer.page.inject("delete window.MediaSource")
    page = await viewer.visit()
    await viewer.speak(LONG)
    await page.until(f"{VIDEO}.currentTime > 0.5")
    assert (await page.evaluate(f"{VIDEO}.currentSrc")).endswith("/stream")
    await cancel(page)
    page.complaints.clear()  # an answer that is cut short is no success, and the browser says so


@in_browser
async def test_a_managed_media_source_is_fed_only_while_it_asks(viewer: Viewer) -> None:
    await viewer.page.inject(MANAGED)
    page = await viewer.visit()
    await viewer.speak(LONG)
    await page.until(f"{VIDEO}.currentTime > 0.5")
    assert await page.evaluate(f"{VIDEO}.disableRemotePlayback")
    await page.evaluate("window.managed.streaming = false")
    await page.until(f"(window.before === (window.before = {VIDEO}.buffered.end(0))) && window.before > 0")
    await page.evaluate(
        "window.managed.streaming = true; window.managed.dispatchEvent(new Event('startstreaming'))"
    )
    await page.until(f"{VIDEO}.buffered.end(0) > window.before + 1")
    await cancel(page)


@in_browser
async def test_both_languages_can_be_read_and_the_choice_is_kept(viewer: Viewer) -> None:
    page = await viewer.visit()
    assert "What should be said?" in await page.evaluate("document.querySelector('h1').textContent")
    await page.click("#language")
    assert await page.evaluate("document.documentElement.lang") == "zh-CN"
    await page.reload()
    await page.until("document.querySelector('h1')?.textContent === '想说些什么？'")
    unnamed = "[...document.querySelectorAll('[data-text]')].filter((one) => !one.textContent.trim()).length"
    assert await page.evaluate(unnamed) == 0
    await page.click("#language")


@in_browser
async def test_the_keyboard_reaches_everything_and_is_never_caught(viewer: Viewer) -> None:
    page = await viewer.visit()
    seen = []
    for _ in range(60):
        await page.press("Tab", 9)
        seen.append(await page.evaluate("document.activeElement.id || document.activeElement.outerHTML"))
    wanted = ["skip", "language", "text", "voice", "speak"]
    assert [one for one in seen if one in wanted][: len(wanted)] == wanted
    for part in ("brand", "monitor", 'type="radio"', 'type="file"', "<summary"):
        assert any(part in one for one in seen), part
    await page.evaluate("document.querySelector('#text').select()")
    await page.type(LONG)
    await page.press("Enter", 13, modifiers=2)
    await page.until(f"{TONE} === 'in_progress'")
    await page.until("document.querySelector('#cancel').checkVisibility()")
    await cancel(page)


@in_browser
async def test_everything_that_can_be_used_has_a_name(viewer: Viewer) -> None:
    page = await viewer.visit(f"#/job/{await viewer.make(SHORT)}")
    await page.until("document.querySelector('#lanes-card').checkVisibility()")
    await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    roles = {"button", "link", "textbox", "combobox", "slider", "checkbox", "radio", "progressbar", "region"}
    await page.call("Accessibility.enable")
    for _ in range(50):  # the tree follows the page with some delay
        nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        used = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in roles
        ]
        if {role for role, _ in used} >= roles - {"region"}:
            break
        await asyncio.sleep(0.05)
    await page.call("Accessibility.disable")
    assert {role for role, _ in used} >= roles - {"region"}
    assert [role for role, name in used if not name.strip()] == []


@in_browser
async def test_a_cloned_voice_is_offered_by_its_name_once_its_engine_can_run(viewer: Viewer) -> None:
    names = "[...document.querySelectorAll('#voice option')].map((one) => one.textContent)"
    page = await viewer.visit()
    await page.until("document.querySelectorAll('#voice option').length > 1")
    form = aiohttp.FormData(quote_fields=False)
    samples, rate = recording(3.5, 16_000)
    held = io.BytesIO()
    wavfile.write(held, rate, samples)
    form.add_field("audio", held.getvalue(), filename="me.wav")
    form.add_field("name", "小美")
    async with viewer.http.post(f"{viewer.url}v1/voices", data=form) as response:
        assert response.status == 201, await response.text()
    try:
        async with viewer.http.get(f"{viewer.url}v1/voices") as response:
            (cloned,) = [voice for voice in (await response.json())["data"] if voice["reference"]]
        await page.evaluate("window.dispatchEvent(new Event('focus'))")
        if not cloned["available"]:  # no weights here: this machine could not speak with it
            assert "小美" not in await page.evaluate(names)
            await page.evaluate(
                """(() => {
                  const real = window.fetch;
                  window.fetch = async (...asked) => {
                    const answer = await real(...asked);
                    if (!String(asked[0]).endsWith('v1/voices')) return answer;
                    const list = await answer.json();
                    for (const voice of list.data) voice.available = true;
                    return Response.json(list);
                  };
                  window.dispatchEvent(new Event('focus'));
                })()"""
            )
        await page.until(f"{names}.includes('小美')")
    finally:
        async with viewer.http.delete(f"{viewer.url}v1/voices/小美") as response:
            assert response.status == 200


@in_browser
async def test_a_voice_is_heard_before_it_is_chosen_and_says_what_it_is(viewer: Viewer) -> None:
    page = await viewer.visit()
    heard = "document.querySelector('#voice-heard')"
    await page.until("[...document.querySelectorAll('#voice option')].some((one) => one.value === 'heart')")
    await page.evaluate(
        """(() => {
          window.asked = [];
          const real = window.fetch;
          window.fetch = (url, init = {}) => {
            if (String(url).endsWith('v1/audio/speech')) window.asked.push(JSON.parse(init.body));
            return real(url, init);
          };
          const voice = document.querySelector('#voice');
          voice.value = 'heart';
          voice.dispatchEvent(new Event('change', { bubbles: true }));
          document.querySelector('#text').value = 'Good evening. ' + 'This is not said. '.repeat(20);
        })()"""
    )
    await page.until("document.querySelector('#voice-note').textContent.includes('Apache-2.0')")
    await page.click("#voice-listen")
    await page.until(f"{heard}.duration > 1 && {heard}.currentTime > 0")
    (asked,) = await page.evaluate("window.asked")
    assert asked["voice"] == "heart"
    assert asked["input"].startswith("Good evening.")
    assert len(asked["input"]) <= 120
    await page.click("#voice-listen")  # which says Stop now
    await page.until(f"{heard}.paused")


@in_browser
async def test_a_voice_is_cloned_only_with_consent(viewer: Viewer) -> None:
    page = await viewer.visit()
    await page.evaluate("document.querySelector('#cloning').open = true")
    say = "document.querySelector('#cloning-note').textContent"
    await page.click("#cloning-make")
    assert "recording first" in await page.evaluate(say)
    samples, rate = recording(4.0, 16_000)
    held = io.BytesIO()
    wavfile.write(held, rate, samples)
    sound = base64.b64encode(held.getvalue()).decode()
    await page.evaluate(f"""(() => {{
      const bytes = Uint8Array.from(atob('{sound}'), (c) => c.charCodeAt(0));
      const files = new DataTransfer();
      files.items.add(new File([bytes], 'me.wav', {{ type: 'audio/wav' }}));
      const input = document.querySelector('#cloning-file');
      input.files = files.files;
      input.dispatchEvent(new Event('change'));
      document.querySelector('#cloning-as').value = 'mine-of-the-page';
    }})()""")
    await page.click("#cloning-make")
    assert "consent" in await page.evaluate(say)
    await page.click("#cloning-consent")
    await page.click("#cloning-make")
    await page.until(f"{say}.includes('mine-of-the-page is kept')")
    assert (await viewer.ask("v1/voices/mine-of-the-page"))["reference"]["duration_s"] > 3
    async with viewer.http.delete(f"{viewer.url}v1/voices/mine-of-the-page") as response:
        assert response.status == 200


@in_browser
async def test_how_a_text_is_read_is_shown_and_can_be_changed(viewer: Viewer) -> None:
    page = await viewer.visit()
    await page.evaluate("document.querySelector('#text').select()")
    await page.type("Our SQL course costs $1.2m.")
    await page.evaluate("document.querySelector('#reading').open = true")
    read = "document.querySelector('#reading-list').textContent"
    await page.until(f"{read}.includes('one point two million dollars')")
    await page.evaluate("document.querySelector('#readings').focus()")
    await page.type("SQL")
    await page.until("document.querySelector('#reading-problem').textContent.includes('=')")
    await page.type(" = sequel")
    await page.until(f"{read}.includes('sequel')")
    page.complaints.clear()  # the browser reports the refused line
    await page.click("#speak")
    job = await page.until("location.hash.match(/^#\\/job\\/(.+)/)?.[1]")
    assert (await viewer.ask(f"v1/jobs/{job}"))["request"]["readings"] == {"SQL": "sequel"}
    await page.until(f"{TONE} === 'completed'", timeout_s=60)
