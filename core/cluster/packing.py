"""A request as a node understands it: files by their content, and nothing that is a path of this machine."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.cluster.files import Bundle, Bundler
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import list_voices
from core.enhancement.video import Enhancement
from core.errors import blaming
from core.labels import number_of
from core.live.session import SessionRequest
from core.render import Request
from core.templates.library import SAMPLE, Templates
from core.text.dictionary import load


class Packer:
    """Packs requests for templates of one library."""

    def __init__(self, templates: Templates) -> None:
        self._templates, self._settings = templates, templates.settings
        self._bundler = Bundler()

    async def session(self, wanted: SessionRequest) -> tuple[SessionRequest, list[Bundle]]:
        """The same for a live session. Raises BadInput, OSError."""
        wanted = replace(wanted, readings=await self._readings(wanted.readings))
        template = await self._named_template(wanted.template)
        if template is None:
            return wanted, []
        return replace(wanted, template=template.digest), [template]

    async def request(self, request: Request) -> tuple[Request, list[Bundle]]:
        """The request as a node understands it, and what it needs there. Raises BadInput, OSError."""
        # Before anything is put in its place: the number tells what was asked for.
        request = replace(
            request,
            number=request.number or number_of(request),
            readings=await self._readings(request.readings),
        )
        bundles: list[Bundle] = []
        if request.audio is not None:
            bundle, audio = await self._file(request.audio)
            bundles.append(bundle)
            request = replace(request, audio=audio)
        if request.video is not None:
            bundle, video = await self._file(request.video)
            bundles.append(bundle)
            request = replace(request, video=video)
        else:
            template = await self._named_template(request.template)
            if template is not None:
                bundles.append(template)
                request = replace(request, template=template.digest)
        return request, bundles

    async def enhancement(self, request: Enhancement) -> tuple[Enhancement, list[Bundle]]:
        """The same for a video whose faces are made clearer. Raises OSError."""
        bundle, source = await self._file(request.source)
        return replace(request, source=source), [bundle]

    def stays(self, voice: str) -> bool:
        """Whether a voice was cloned here, and so is not sent. Looks at files: not for the loop."""
        folder = VoiceSettings(data_dir=self._settings.data_dir).voices_dir
        return any(record.name == voice for record in list_voices(folder))

    async def _readings(self, own: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """With those of the settings, whose file a node does not have."""
        words = await asyncio.to_thread(load, self._settings.readings, own)
        return words.words if words is not None else None

    async def _named_template(self, identity: str) -> Bundle | None:
        with blaming("template"):
            return await self._template(identity)

    async def _template(self, identity: str) -> Bundle | None:
        """A template; None for the sample that was not drawn yet, which a node does as well."""
        folder = self._settings.data_dir / "templates" / identity
        if identity == SAMPLE and not folder.exists():
            return None
        await asyncio.to_thread(self._templates.show, identity)
        try:
            return await self._bundler.template(folder)
        except FileNotFoundError:  # it is being removed: this says so
            await asyncio.to_thread(self._templates.show, identity)
            raise

    async def _file(self, path: Path) -> tuple[Bundle, Path]:
        """A bundle of one file, and where a node has it."""
        bundle = await self._bundler.bundle({path.name: path})
        return bundle, Path(bundle.digest, path.name)
