"""The page's modules by themselves: texts, start policy, the state of a job. The last two run in Chromium."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.schemas.events import EVENTS
from tests.support import ROOT
from tests.support.browser import Page, needs_chromium, open_browser

STATIC = ROOT / "static"
SCRIPTS = sorted(STATIC.rglob("*.js"))


def texts(tongue: str) -> dict[str, str]:
    """The texts of one language, by name."""
    source = (STATIC / "texts" / f"{tongue}.js").read_text()
    return dict(re.findall(r"'([\w.-]+)':\s*'((?:[^'\\]|\\.)*)'", source))


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    english, chinese = texts("en"), texts("zh")
    assert english.keys() == chinese.keys()
    assert len(english) > 80
    for name in english:
        assert set(re.findall(r"\{\w+\}", english[name])) == set(re.findall(r"\{\w+\}", chinese[name])), name


def test_every_text_that_is_asked_for_exists_and_none_is_left_over() -> None:
    page = (STATIC / "index.html").read_text()
    code = "\n".join(path.read_text() for path in SCRIPTS if path.parent.name != "texts")
    asked = set(re.findall(r'data-(?:text|label|placeholder)="([\w.]+)"', page)) | set(
        re.findall(r"'([a-z]+\.\w+)'", code)
    )
    families = set(re.findall(r"`([a-z]+\.)\$\{", code))  # t(`state.${state}`)
    known = set(texts("en"))
    named = {name for name in asked if name.partition(".")[0] in {text.partition(".")[0] for text in known}}
    assert named - known - set(EVENTS) == set()  # names of events look alike
    own = {"app.title", "fact.times", "unit.s", "unit.ms"}  # used by i18n.js itself
    assert {n for n in known - asked - own if not n.startswith(tuple(families))} == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_nothing_is_parsed_as_html_or_run_as_code(path: Path) -> None:
    risky = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTML|DOMParser"
    assert re.findall(risky, path.read_text()) == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in filter(Path.is_file, STATIC.rglob("*")):
        code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        assert set(re.findall(r"https?://[\w./]+", code)) <= {"http://www.w3.org/2000/svg"}, path.name


def test_every_module_says_what_it_is_for() -> None:
    for path in SCRIPTS:
        assert path.read_text().startswith("/**"), path.name


@asynccontextmanager
async def modules(profile: Path) -> AsyncGenerator[Page, None]:
    """A browser on an empty page that may import the modules."""
    app = web.Application()
    app.router.add_static("/", STATIC)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with open_browser(profile) as page:
            await page.open(f"http://127.0.0.1:{runner.addresses[0][1]}/icon.svg")
            await page.until("document.readyState === 'complete' && location.protocol === 'http:'")
            yield page
    finally:
        await runner.cleanup()


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[[str], Any]:
    """Evaluates JavaScript where `/pace.js` and its neighbours can be imported."""

    def run(expression: str) -> Any:
        async def once() -> Any:
            async with modules(tmp_path) as page:
                return await page.evaluate(expression)

        return asyncio.run(once())

    return run


PLAYBACK = """async () => {
  const { Pace, Rate } = await import('/pace.js');
  // Made at `speed` with some noise, seen 8 frames at a time, told 5 times a second, played 25 times.
  const watch = (speed, hint, total, known, noise) => {
    const pace = new Pace();
    const rate = new Rate(hint);
    let [work, at, started, stalls, holding, dice] = [0.32, 0, null, 0, true, 7];
    for (let wall = 0; wall < 200; wall += 0.04) {
      dice = (dice * 16807) % 2147483647;
      work = Math.min(total, work + 0.04 * speed * (1 + noise * (dice / 2147483647 - 0.5)));
      const made = work === total ? total : Math.floor(work / 0.32 + 1e-6) * 0.32;
      if (Math.round(wall * 25) % 5 === 0) rate.report(made, wall);
      const remaining = known ? total - made : null;
      if (holding && (made >= total || pace.wait(made - at, remaining, rate.value) === 0)) {
        holding = false;
        started ??= wall;
      }
      if (holding) continue;
      at += 0.04;
      if (at >= total) return { speed, total, started, stalls, ideal: Math.max(0, total * (1 / speed - 1)) };
      if (at > made) { at = made; stalls += 1; holding = true; pace.stalled(); }
    }
    return { speed, started, stalls: -1 };
  };
  const results = [];
  for (const speed of [0.3, 0.5, 0.8, 0.9, 0.95, 1, 1.2, 5])
    for (const total of [3, 10, 40])
      for (const noise of [0, 0.4]) results.push(watch(speed, speed * 0.95, total, true, noise));
  const unknown = watch(0.8, null, 20, false, 0);
  const unhinted = watch(0.5, null, 20, true, 0);
  return { results, unknown, unhinted, misled: watch(0.5, 6, 20, true, 0) };
}"""


@needs_chromium
@pytest.mark.slow
def test_one_wait_is_enough_and_hardly_longer_than_it_must_be(
    evaluate: Callable[[str], Any],
) -> None:
    told = evaluate(f"({PLAYBACK})()")
    for result in told["results"]:
        assert result["stalls"] == 0, result
        # The hint is 5 % too low on purpose.
        assert result["started"] <= result["ideal"] * 1.15 + result["total"] * 0.06 + 1, result
        if result["speed"] > 1.5:
            assert result["started"] < 0.1
    assert 0 < told["unknown"]["stalls"] <= 4  # the length is not known: it cannot do better
    assert told["unhinted"]["stalls"] <= 1
    assert told["misled"]["stalls"] <= 1  # by a hint from quicker engines


def log() -> list[dict[str, Any]]:
    """The events of a small job that was started twice."""
    stages = {"encode": {"state": "running", "done": 20, "total": 50, "rate": 50.0, "queue_depth": 1}}
    init = {"mime": "video/mp4", "width": 64, "height": 64, "fps": 25, "rate_hint": 2.0}
    cue = {"index": 0, "start_s": 0.0, "end_s": 1.0, "text": "One."}
    metrics = {"total_ms": 900, "audio_s": 2.0, "rtf": 0.45, "fps": 55.0, "frames": 50}
    output = {"name": "a.mp4", "kind": "video", "type": "video/mp4", "url": "/x", "bytes": 1, "sha256": ""}
    events: list[tuple[str, Any]] = [
        ("job.queued", {"ahead": 1}),
        ("job.started", {"attempt": 1, "engines": {"speech": "builtin"}}),
        ("video.init", init),
        ("job.progress", {"overall": 0.4, "stages": stages}),
        ("job.queued", {"ahead": 0, "reason": "server_restarted"}),
        ("job.started", {"attempt": 2, "engines": {"speech": "builtin"}}),
        ("video.init", init),
        ("audio.segment", {"index": 0, "text": "One.", "start_s": 0.0, "end_s": 1.0}),
        ("subtitle.cue", cue),
        ("stage.finished", {"stage": "encode", "elapsed_ms": 800, "items": 50}),
        ("job.completed", {"outputs": [output], "metrics": metrics, "publishing": True}),
        ("job.uploading", {"attempt": 1, "done_bytes": 0, "total_bytes": 100}),
        ("job.upload_failed", {"attempt": 1, "error": {"code": "c", "message": "m"}, "retry_in_s": 1}),
        ("job.uploading", {"attempt": 2, "done_bytes": 50, "total_bytes": 100}),
        ("job.published", {"outputs": [output | {"url": "https://elsewhere.example/a.mp4"}]}),
    ]
    return [
        {"type": type, "seq": seq, "ts": 100 + seq, "job_id": "j", "data": data}
        for seq, (type, data) in enumerate(events, 1)
    ]


REPLAYS = """async (log) => {
  const { Job } = await import('/job.js');
  const state = (...runs) => {
    const job = new Job('j');
    for (const run of runs) for (const event of run) job.apply(event);
    return JSON.stringify({ ...job, cues: [...job.cues], duration: job.duration, made: job.made });
  };
  const whole = state(log);
  return { whole, again: log.map((_, cut) => state(log.slice(0, cut), log)), twice: state(log, log) };
}"""


@needs_chromium
@pytest.mark.slow
def test_a_log_told_again_from_its_beginning_changes_nothing(evaluate: Callable[[str], Any]) -> None:
    told = evaluate(f"({REPLAYS})({json.dumps(log())})")
    assert set(told["again"]) == {told["whole"]} == {told["twice"]}
    job = json.loads(told["whole"])
    assert job["status"] == "completed"
    assert job["duration"] == 2
    assert job["outputs"][0]["url"].startswith("https://")
    assert job["publication"] == {"state": "published"}
    assert (job["stages"]["upload"]["state"], job["stages"]["upload"]["done"]) == ("finished", 50)
