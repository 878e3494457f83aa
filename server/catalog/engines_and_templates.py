"""What there is to choose from: engines, voices, templates; and whether a request asks for what there is."""

import asyncio
import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2

from core.captions.typefaces import find_font
from core.captions.words import load_words
from core.engines import ENGINES
from core.errors import BadInput, blaming
from core.faces.choice import preview
from core.faces.people import People, look
from core.protocols import SpeechEngine
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine, has_voice, voices
from core.subtitle_style import together
from core.templates import library
from core.templates.actions import actions_id, check_names
from core.templates.enlarge import enlarged_id
from core.templates.info import unknown_template
from core.templates.library import SAMPLE, Templates, template_id
from core.templates.template import Template
from core.templates.walk import check_actions
from core.text import LANGUAGES, sentences
from core.text.dictionary import load
from core.tts_stream import check_readable
from core.types import Sentence
from server.access.caller import Ownership
from server.schemas.requests import BackgroundRequest, VideoOptions, VideoRequest
from server.schemas.responses import EngineInfo, FaceList, ModelInfo, ModelList, NumberedFace, TemplateInfo
from server.schemas.templates import ActionsRequest, EnlargeRequest

THUMBNAIL = 320
"""Pixels of a thumbnail's longer side."""

OPENAI_MODELS = frozenset({"tts-1", "tts-1-hd", "gpt-4o-mini-tts"})
"""What OpenAI's clients call a speech engine when they are not told otherwise."""

OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable"),
    *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
"""What they call voices: each stands for a voice that is here, as many programs offer no other names."""


SHORT_TEXT = 2000
"""Characters; a longer text is read where other long ones are."""


class Catalog:
    """What one server offers to whoever asks. thumbnails: a folder for them. prefix: of addresses."""

    def __init__(
        self, pool: EnginePool, templates: Templates, thumbnails: Path, ownership: Ownership, prefix: str = ""
    ) -> None:
        self._pool = pool
        self._templates = templates
        self._thumbnails = thumbnails
        self._ownership = ownership
        self._prefix = prefix
        self._drawing = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._short_texts, self._long_texts = Worker("short texts"), Worker("long texts")

    def close(self) -> None:
        """End its threads. Blocks until they have read what they were given."""
        self._short_texts.close()
        self._long_texts.close()

    async def warm(self, kinds: Iterable[str], *, sample: bool) -> None:
        """Load the engines that jobs get by default, and open the template they get, so that none waits."""
        settings = self._templates.settings
        load(settings.readings)  # a mistake in it is told at once
        for kind in kinds:
            await self._pool.engine(kind, getattr(settings, kind))
            if kind == "speech":
                for language in LANGUAGES:  # whose rules take half a second to compile
                    await asyncio.to_thread(sentences, "1", language)
                await asyncio.to_thread(load_words, "字")
        if sample:
            await self._templates.open(SAMPLE)

    async def sentences(
        self, text: str, language: str, words: Mapping[str, str] | None = None
    ) -> list[Sentence]:
        """The text as it will be spoken. words: how some are said. Raises BadInput for what is unreadable."""
        settings = self._templates.settings
        # A book takes a second, and made-up fractions twenty: no short text, and nothing else, waits for it.
        reader = self._short_texts if len(text) <= SHORT_TEXT else self._long_texts

        def read() -> list[Sentence]:
            own = load(settings.readings, words)
            return sentences(text, language, limit=settings.text_limit, readings=own)

        return await reader.call(read)

    async def speech(
        self, said: Sequence[Sentence], name: str = "auto", voice: str | None = None
    ) -> LoadedEngine[SpeechEngine]:
        """A speech engine that has the voice and reads what is `said`, loaded.

        Raises BadInput for what is not there, cannot run, or cannot be read by this voice.
        """
        languages = {sentence.language for sentence in said}
        known = voice if voice is None or self._ownership.sees("voice", voice) else None
        speech = await self._pool.speech("auto" if name in OPENAI_MODELS else name, known, languages)
        if voice is not None and (known is None or not await has_voice(speech, voice)):
            message = f"the {speech.name} engine has no voice {voice[:80]!r}; see /v1/voices"
            raise BadInput("unknown_voice", message, "voice")
        await asyncio.to_thread(check_readable, said, speech.engine, voice)
        return speech

    async def meant_speech(
        self, said: Sequence[Sentence], name: str, voice: str | None
    ) -> tuple[LoadedEngine[SpeechEngine], str | None]:
        """The engine like `speech`, and its voice: instead of one of OPENAI_VOICES that it lacks, another."""
        try:
            return await self.speech(said, name, voice), voice
        except BadInput as error:
            if error.code != "unknown_voice" or voice not in OPENAI_VOICES:
                raise
        speech = await self.speech(said, name)
        languages = {sentence.language for sentence in said}
        reading = [v.name for v in await voices(speech) if languages <= set(v.languages)]
        # The same every time, and different ones differ as far as there are voices.
        return speech, reading[OPENAI_VOICES.index(voice) % len(reading)] if reading else None

    def models(self) -> ModelList:
        """What speaks here, by the names that `speech` takes."""
        names = ["auto", *sorted(OPENAI_MODELS), *self._pool.speech_engines()]
        return ModelList(data=[ModelInfo(id=name) for name in names])

    def engines(self) -> list[EngineInfo]:
        """Every engine there is, whether it can run here or not."""
        found = []
        for kind, specs in ENGINES.items():
            for name, spec in specs.items():
                missing = spec.missing(self._pool.weights)
                found.append(
                    EngineInfo(
                        name=name,
                        kind=kind,
                        about=spec.about,
                        available=not missing,
                        missing=missing,
                        remedy=spec.remedy(self._pool.weights),
                    )
                )
        return found

    async def templates(self) -> list[TemplateInfo]:
        """Every template in the library that the caller sees."""
        found = await asyncio.to_thread(self._templates.all)
        return [self._shown(info) for info in found if self._ownership.sees("template", info.id)]

    async def template(self, identity: str) -> TemplateInfo:
        """Raises BadInput `unknown_template`."""
        if not self._ownership.sees("template", identity):
            raise unknown_template(identity, [SAMPLE, *(info.id for info in await self.templates())])
        try:
            return self._shown(await asyncio.to_thread(self._templates.show, identity))
        except BadInput as error:
            if error.code != "unknown_template" or identity == SAMPLE:
                raise
            raise unknown_template(
                identity, [SAMPLE, *(info.id for info in await self.templates())]
            ) from error

    async def rename(self, identity: str, name: str) -> TemplateInfo:
        """Give a template another name. Raises BadInput `unknown_template`, `sample_template`, `bad_name`."""
        await self._templates.rename(identity, name)
        return await self.template(identity)

    async def remove(self, identity: str) -> None:
        """Delete a template. Raises BadInput `unknown_template`, `sample_template`."""
        await self._templates.remove(identity)

    async def new_template_id(self, name: str) -> str:
        """The id for a template of this name. Raises BadInput `template_exists` for the sample's."""
        identity = await asyncio.to_thread(self._templates.new_id, name)
        if identity == SAMPLE:
            await self._refuse_taken(identity)
        return self._ownership.name("template", identity)

    async def check_new_template(self, identity: str, sha256: str, face: str) -> None:
        """Raises BadInput `template_exists` if there is another template of this id already."""
        try:
            info = await asyncio.to_thread(self._templates.show, identity)
        except BadInput:
            return
        if (info.sha256, info.face) != (sha256, face):
            message = f"there is a template {identity!r} already; give another name, or delete it first"
            raise BadInput("template_exists", message, "name")

    async def check(self, video: VideoRequest) -> None:
        """Raises BadInput for a template, engine or voice that is not there, or a text nobody could read."""
        await self.check_look(video.template, video.options)
        if video.text is None:
            return
        said = await self.sentences(video.text, video.language, video.readings)
        wanted = [name for sentence in said for _, name in sentence.actions]
        if wanted:
            names = (
                (await self.template(video.template)).actions if video.template not in (None, SAMPLE) else ()
            )
            check_actions(wanted, names, video.template or "video")
        await self.speech(said, video.options.engines.speech, video.voice)
        if video.options.burn_subtitles:
            settings = self._templates.settings
            font = together(video.options.subtitle_style, settings.subtitle_style).font
            await asyncio.to_thread(find_font, video.text, font or settings.subtitle_font)

    async def check_look(self, template: str | None, options: VideoOptions) -> None:
        """Raises BadInput for a template, or an engine that draws, that is not there."""
        if template not in (None, SAMPLE):
            await self.template(template)
        self._pool.choose("lipsync", options.engines.lipsync)
        if options.enhance:
            self._pool.choose("enhance", options.engines.enhance)

    async def check_seen(self, template: str, voice: str | None, engine: str) -> None:
        """Raises BadInput for another's template or voice, as for one that is not there."""
        if template != SAMPLE:
            await self.template(template)
        if voice is not None:
            await self.speech((), engine, voice)

    async def check_background(self, wanted: BackgroundRequest) -> None:
        """Raises BadInput for engines that are not there, or a name that another template has."""
        if wanted.prompt is not None:
            self._pool.choose("paint", wanted.engine)
        self._pool.choose("matte", wanted.matte)
        if wanted.name is not None:
            # One that was made by a recipe may be the very one that is asked for: that is for the job to say.
            await self._refuse_taken(self._ownership.name("template", template_id(wanted.name)))

    async def check_enlarging(self, identity: str, wanted: EnlargeRequest) -> str:
        """The id of the template that will be made. Raises BadInput for engines or names it cannot have."""
        engine = self._pool.choose("upscale", wanted.engine)
        made = self._ownership.name("template", enlarged_id(identity, wanted.name, engine))
        await self._refuse_taken(made)
        return made

    async def check_actions(self, identity: str, wanted: ActionsRequest) -> str:
        """The id of the template that will be made. Raises BadInput for what no template can be made of."""
        check_names(wanted.actions)
        for name, one in wanted.actions.items():
            if one != SAMPLE:
                with blaming(f"actions.{name}"):
                    await self.template(one)
        made = self._ownership.name("template", actions_id(identity, wanted.actions, wanted.name))
        await self._refuse_taken(made)
        return made

    async def _refuse_taken(self, identity: str) -> None:
        there = [info for info in await asyncio.to_thread(self._templates.all) if info.id == identity]
        if identity == SAMPLE or (there and not there[0].recipe):
            message = f"there is a template {identity!r} already; give another name, or delete it first"
            raise BadInput("template_exists", message, "name")

    async def faces(self, source: Path) -> FaceList:
        """Who is to be seen in a video or picture. Raises BadInput for one that shows nobody."""
        async with self._looking:  # each decodes a few seconds of video
            finder = await self._pool.face(self._templates.settings.face)
            people = await look(source, finder, source.parent)
        return await asyncio.to_thread(_numbered, people)

    def _shown(self, info: library.TemplateInfo) -> TemplateInfo:
        return TemplateInfo(
            id=info.id,
            name=info.name,
            kind=info.kind,
            width=info.width,
            height=info.height,
            fps=round(info.fps, 3),
            duration_s=round(info.duration_s, 3),
            bytes=info.bytes,
            created_at=round(info.created_at, 3),
            face=info.face,
            thumbnail=f"{self._prefix}/v1/templates/{info.id}/thumbnail.jpg",
            warnings=info.warnings,
            actions=info.action_names,
        )

    async def thumbnail(self, identity: str) -> Path:
        """A JPEG of the template's first frame; made when it is first wanted. Raises BadInput."""
        info = await asyncio.to_thread(self._templates.show, identity)
        path = self._thumbnails / f"{info.sha256[:32]}.jpg"
        async with self._drawing:
            if not path.exists():
                template = await self._templates.open(identity)
                await asyncio.to_thread(_draw, template, path)
        return path


def _numbered(people: People) -> FaceList:
    jpeg = cv2.imencode(".jpg", preview(people.picture, people.faces), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    boxes = ([round(float(value), 1) for value in face.box] for face in people.faces)
    return FaceList(
        data=[
            NumberedFace(number=number, left=x, top=y, width=width, height=height)
            for number, (x, y, width, height) in enumerate(boxes, 1)
        ],
        width=people.picture.shape[1],
        height=people.picture.shape[0],
        picture="data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode(),
    )


def _draw(template: Template, path: Path) -> None:
    picture = cv2.cvtColor(template.planes(0), cv2.COLOR_YUV2BGR_I420)
    scale = min(1.0, THUMBNAIL / max(picture.shape[:2]))
    size = (max(1, round(template.width * scale)), max(1, round(template.height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(jpeg.tobytes())
    draft.replace(path)
