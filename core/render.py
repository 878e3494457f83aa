"""Text or speech and a template in, fragments of a talking video out.

The one place where stages, engines and a template meet.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypedDict
from zlib import crc32

from core.captions.burn_in import Burner, held_for_captions
from core.captions.cues import Captions
from core.captions.mark import Sign, sign
from core.captions.typefaces import find_font, undrawn
from core.captions.words import load_words
from core.config import Settings
from core.encode_stream import encode_stream
from core.enhance_stream import enhance_stream
from core.enhancement.every_nth import EnhancePolicy, check_every
from core.errors import BadInput, blaming
from core.faces.choice import AUTO
from core.labels import LabelKind, number_of
from core.lipsync_stream import lipsync_stream
from core.phoneme_stream import phoneme_stream
from core.progress import Progress
from core.protocols import FIDELITY, ByPhonemes, FaceEnhancer, LipsyncEngine, Style
from core.recorded_speech import recorded_speech
from core.runtime.pipeline import Meter, Pipeline
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.subtitle_style import SubtitleStyle, together
from core.templates.cutting import person_alone
from core.templates.library import SAMPLE, Templates
from core.templates.template import StepReport, Template, check_shape
from core.templates.walk import Walk, check_actions
from core.text import sentences
from core.text.dictionary import load
from core.tts_stream import check_readable, check_voice, tts_stream
from core.types import (
    WITH_ALPHA,
    AudioChunk,
    Cue,
    Fragment,
    FrameBatch,
    Sentence,
    VideoFormat,
    frame_count,
)

BATCH = 8
"""Frames an engine draws in one call: the unit of work and, at most, of what a cancel waits for. Fewer where
the enhancer wants fewer (`FaceEnhancer.batch`)."""

_SIGNS_NAMED = 10
"""Signs that captions are drawn without, in a remark."""

STAGES = ("prepare", "tts", "lipsync", "enhance", "encode")
"""Stages in the order a job meets them."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to render: `text`, or `audio` (a file of speech), on `template`.

    video: a video or picture to use this once in place of a template, and in it the `face` that is meant.
    readings: how some words are said, before those of the settings.
    speech, lipsync, enhancer: engine names or "auto". enhance False: faces stay as the lips engine drew them.
    fidelity: 0 the clearest faces, 1 those nearest to what the lips engine drew; `FaceEnhancer.enhance`.
    every: one face in so many is enhanced, 1 to 8; those after it get what was changed in it
    (`core.enhancement.every_nth`). still: of a single picture only the mouth moves; None: as set, and
    `style.seed` is also that of how a picture lives. burn_subtitles: draw the captions into the picture, in
    `subtitle_style`. fps, size: of the video; None is the template's own. voice: None is the engine's first.
    format: mp4, or webm or mov, the person alone (`VideoFormat`). label: how the video says that it is
    generated; None is as the settings say. number: what it calls itself there; None is a new one
    (`core.labels`).
    """

    template: str = "sample"
    text: str | None = None
    audio: Path | None = None
    video: Path | None = None
    face: str = AUTO
    language: str = "auto"
    readings: Mapping[str, str] | None = None
    voice: str | None = None
    style: Style = field(default_factory=Style)
    fps: int | None = None
    size: tuple[int, int] | None = None
    enhance: bool = True
    burn_subtitles: bool = False
    subtitle_style: SubtitleStyle | None = None
    fidelity: float = FIDELITY
    every: int = 1
    still: bool | None = None
    speech: str = "auto"
    lipsync: str = "auto"
    enhancer: str = "auto"
    format: VideoFormat = "mp4"
    label: LabelKind | None = None
    number: str | None = None


class _Opening(TypedDict):
    """How a template is opened, wherever it comes from; see `Templates.open`."""

    fps: int | None
    size: tuple[int, int] | None
    lipsync: LoadedEngine[LipsyncEngine]
    enhance: LoadedEngine[FaceEnhancer] | None
    report: StepReport


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence has been spoken: `[start, stop)` in samples at `rate`."""

    sentence: Sentence
    start: int
    stop: int
    rate: int


Item = Fragment | Cue | Segment
Sink = Callable[[Item], Awaitable[None]]
"""Receives what is made, in order; it is awaited, so a slow sink holds the whole job back."""


async def render(
    request: Request, pool: EnginePool, templates: Templates, sink: Sink, progress: Progress | None = None
) -> Progress:
    """Make the video of `request`, handing every piece to `sink` as soon as it exists.

    The first fragment is the init segment; fragments written one after another are a playable MP4.
    Cancel the task to stop: engines are free within one batch, nothing stays behind.

    Raises BadInput for a request that cannot be met (before any work if that can be known), StageError
    if a stage fails midway, and whatever `sink` raises.
    """
    progress = progress or Progress()
    try:
        # On a thread: a book of a text takes a second, and other jobs share the loop.
        spoken = await asyncio.to_thread(_sentences, request, templates.settings)
        watch = _Watch(progress, characters=len(request.text or ""))
        async with AsyncExitStack() as ends:
            job = await _job(request, spoken, pool, templates, progress, ends)
            encoder = Worker("encode")  # its own thread: an encoder is a job's state, not an engine
            ends.push_async_callback(asyncio.to_thread, encoder.close)
            pipe = await ends.enter_async_context(Pipeline(progress.meters))
            policy = EnhancePolicy(request.every, pool.settings.sharp_enough, progress.left)
            language = spoken[0].language if spoken else request.language
            shape = job.template.width, job.template.height, job.template.fps
            made = partial(sign, templates.settings, progress.engines, language, *shape)
            number = request.number or number_of(request)
            label = await asyncio.to_thread(made, request.label, number)
            async for fragment in _lay(pipe, job, policy, encoder, watch, label):
                await watch.deliver(sink)
                await sink(fragment)
            await watch.deliver(sink)
            progress.remarks += tuple(
                f"the action {name!r} is not seen to its end, as the video is over before; ask for it earlier"
                for name in job.walk.unfinished
            )
    finally:  # one that failed has ended, too
        progress.total_s = time.perf_counter() - progress.started
    return progress


@dataclass(frozen=True, slots=True)
class _Job:
    """All that the stages of a job are made of. speech: in chunks at `rate` samples a second. enhance: None
    where faces stay as they are drawn. font: of captions drawn into the picture in `style`, or None.
    life: see `Drawing`. walk: through the template."""

    request: Request
    speech: AsyncGenerator[AudioChunk, None]
    rate: int
    lipsync: LoadedEngine[LipsyncEngine]
    enhance: LoadedEngine[FaceEnhancer] | None
    template: Template
    font: Path | None
    style: SubtitleStyle
    life: int | None
    walk: Walk


async def _job(
    request: Request,
    spoken: list[Sentence],
    pool: EnginePool,
    templates: Templates,
    progress: Progress,
    ends: AsyncExitStack,
) -> _Job:
    """Load the engines and prepare the template; what must be closed afterwards goes on `ends`."""
    await asyncio.to_thread(_check_template, request, spoken, templates)
    burning = request.burn_subtitles and request.text is not None
    font = await _font(request, templates.settings) if burning else None
    if font is not None and (left := await asyncio.to_thread(undrawn, request.text or "", font)):
        signs = " ".join(left[:_SIGNS_NAMED])
        progress.remarks += (f"captions are drawn without {signs}: the font has no picture of such signs",)
    lipsync = await pool.lipsync(request.lipsync)
    enhance = await pool.enhancer(request.enhancer) if request.enhance else None
    languages = {sentence.language for sentence in spoken}
    speech = await pool.speech(request.speech, request.voice, languages) if spoken else None
    if speech is not None:
        if request.voice is not None:
            await check_voice(speech, request.voice)
        await asyncio.to_thread(check_readable, spoken, speech.engine, request.voice)
    progress.engines = {s.kind: s.name for s in (speech, lipsync, enhance) if s}
    # Before the template: a recording that cannot be used is refused at once, not after a preparation.
    if speech is not None:
        progress.rate = speech.engine.rate
        chunks = tts_stream(spoken, speech, request.voice, request.style)
        if isinstance(lipsync.engine, ByPhonemes):
            chunks = phoneme_stream(chunks, partial(pool.speech, "builtin"), request.style)
    else:
        assert request.audio is not None  # noqa: S101  # _sentences saw to it
        progress.rate, chunks = await recorded_speech(request.audio, ends)
    template = await _template(request, templates, lipsync, enhance, progress, ends)
    style = together(request.subtitle_style, templates.settings.subtitle_style)
    still = templates.settings.still_pictures if request.still is None else request.still
    life = None if still else crc32((request.text or "").encode()) ^ request.style.seed
    return _Job(
        request, chunks, progress.rate, lipsync, enhance, template, font, style, life, template.walk()
    )


def _lay(
    pipe: Pipeline, job: _Job, policy: EnhancePolicy, encoder: Worker, watch: "_Watch", label: Sign
) -> AsyncIterator[Fragment]:
    """Join the stages of a job; what the last of them makes."""
    template, lipsync, enhance, chunks = job.template, job.lipsync, job.enhance, job.speech
    burner = None
    if job.font is not None:
        shape = template.width, template.height, job.rate, template.fps
        burner = Burner(job.font, *shape, job.style, label.bottom)
        chunks = held_for_captions(chunks, burner.cues)
    audio = pipe.stage("tts", chunks, limit=8, count=watch.audio)
    batch = min(BATCH, enhance.engine.batch * policy.every) if enhance else BATCH
    prepared = template.prepared[lipsync.key]
    frames = lipsync_stream(audio, lipsync, template, prepared, batch=batch, life=job.life, walk=job.walk)
    faces = pipe.stage("lipsync", frames, limit=1, count=watch.faces)
    if enhance is not None:
        learnt, fidelity = template.prepared[enhance.key], job.request.fidelity
        frames = enhance_stream(faces, enhance, template, learnt, fidelity, policy)
        faces = pipe.stage("enhance", frames, limit=1, count=len)
    encoded = encode_stream(
        faces, template, encoder, rate=job.rate, burner=burner, mark=label.mark, tags=label.tags
    )
    return pipe.stage("encode", encoded, limit=16, count=watch.fragment)


def _check_template(request: Request, spoken: list[Sentence], templates: Templates) -> None:
    """What can be told before engines are loaded, which takes seconds. Raises BadInput."""
    names: tuple[str, ...] = ()
    if request.video is None and request.template != SAMPLE:  # which may be yet to be drawn
        with blaming("template"):
            names = templates.show(request.template).action_names
    wanted = [name for sentence in spoken for _, name in sentence.actions]
    check_actions(wanted, names, "video" if request.video else request.template)


async def _font(request: Request, settings: Settings) -> Path:
    """Raises BadInput `no_font` if none here has the text's letters."""
    wanted = together(request.subtitle_style, settings.subtitle_style).font or settings.subtitle_font
    return await asyncio.to_thread(find_font, request.text or "", wanted)


def _sentences(request: Request, settings: Settings) -> list[Sentence]:
    """What is to be spoken; empty if the request brings audio. Raises BadInput for what nothing could do."""
    if (request.text is None) == (request.audio is None):
        raise BadInput(
            "text_or_audio", "give either a text or an audio file, not both and not neither", "text"
        )
    if not 0 <= request.fidelity <= 1:  # NaN is neither
        raise BadInput("out_of_range", f"fidelity {request.fidelity} is outside 0 to 1", "fidelity")
    request.style.check()
    check_every(request.every)
    check_shape(request.fps, request.size)
    if request.text is None:
        return []
    load_words(request.text)
    own = load(settings.readings, request.readings)
    return sentences(request.text, request.language, limit=settings.text_limit, readings=own)


async def _template(
    request: Request,
    templates: Templates,
    lipsync: LoadedEngine[LipsyncEngine],
    enhance: LoadedEngine[FaceEnhancer] | None,
    progress: Progress,
    ends: AsyncExitStack,
) -> Template:
    meter = progress.meters["prepare"] = Meter("prepare", "running", started=time.perf_counter())

    def report(_step: str, done: int, _total: int | None) -> None:
        meter.done = done

    try:
        wanted: _Opening = {
            "fps": request.fps,
            "size": request.size,
            "lipsync": lipsync,
            "enhance": enhance,
            "report": report,
        }
        if request.video is not None:
            used_once = templates.once(request.video, face=request.face, **wanted)
            with blaming("video"):
                template = await ends.enter_async_context(used_once)
        else:
            with blaming("template"):
                template = await templates.open(request.template, **wanted)
        if request.format in WITH_ALPHA:
            with blaming("template"):
                template, progress.engines["matte"] = await person_alone(template, templates, report)
            ends.push_async_callback(asyncio.to_thread, template.close)
    except BaseException:
        meter.state = "error"
        raise
    finally:
        meter.ended = time.perf_counter()
    meter.state = "finished"
    progress.fps, progress.width, progress.height = template.fps, template.width, template.height
    progress.remarks += template.remarks
    return template


class _Watch:
    """Looks at what leaves each stage: keeps `Progress`, and collects captions and spoken sentences."""

    def __init__(self, progress: Progress, characters: int) -> None:
        self._progress = progress
        self._characters = characters
        self._captions = Captions()
        self._pending: deque[Item] = deque()
        self._sentence: Sentence | None = None
        self._start = self._heard = self._rate = 0

    def audio(self, chunk: AudioChunk) -> int:
        """Note a chunk of speech; worth its samples."""
        progress = self._progress
        if progress.first_audio_s is None:
            progress.first_audio_s = time.perf_counter() - progress.started
        if chunk.sentence is not self._sentence:
            self._finish_sentence()
            self._sentence, self._start = chunk.sentence, chunk.first
        self._rate = chunk.rate
        self._heard += len(chunk.samples)
        progress.audio_s = self._heard / chunk.rate
        progress.retries.update(chunk.retried)
        self._pending.extend(self._captions.add(chunk))
        return len(chunk.samples)

    def faces(self, batch: FrameBatch) -> int:
        """Note a batch of frames; worth their number."""
        self._progress.frames_without_face += int((~batch.drawn).sum())
        return len(batch)

    def fragment(self, fragment: Fragment) -> int:
        """Note a fragment; worth its frames."""
        progress = self._progress
        if fragment.frames and progress.first_frame_s is None:
            progress.first_frame_s = time.perf_counter() - progress.started
        progress.frames += fragment.frames
        return fragment.frames

    async def deliver(self, sink: Sink) -> None:
        """Hand over what has been collected; what was said last, as soon as nothing more will be said."""
        if self._progress.meters["tts"].state == "finished":
            self._finish_sentence()
            self._pending.extend(self._captions.finish())
            self._progress.total_frames = frame_count(self._heard, self._rate, self._progress.fps)
        while self._pending:
            await sink(self._pending.popleft())

    def _finish_sentence(self) -> None:
        sentence = self._sentence
        if sentence is None:
            return
        self._pending.append(Segment(sentence, self._start, self._heard, self._rate))
        self._estimate(sentence.start + len(sentence.text))
        self._sentence = None

    def _estimate(self, spoken: int) -> None:
        """Frames there will be, if the rest is spoken as fast as the first `spoken` characters."""
        samples = self._heard * max(self._characters, spoken) // max(spoken, 1)
        self._progress.total_frames = frame_count(samples, self._rate, self._progress.fps)
