"""Backgrounds over HTTP: have a template made of another one, and see its first frame early."""

import asyncio
import hashlib
import json

from aiohttp import web

from core.media.foreign import read_picture
from core.templates.library import SAMPLE, template_id
from server.api.accept import FILE, KEY, UPLOAD, accept, accepted_job, asked_for, idempotency_key, short
from server.api.route import ID, TEMPLATE, Route
from server.errors import Refused
from server.jobs.background import PREVIEW
from server.schemas.requests import BackgroundRequest
from server.schemas.responses import Job
from server.schemas.specs import BackgroundSpec
from server.state import state_of
from server.uploads import Upload, is_json, named


async def create_background(request: web.Request) -> web.StreamResponse:
    """Accept a background; the job's `template` is the one that it makes."""
    state, key = state_of(request), idempotency_key(request)
    base = request.match_info["template"]
    if base != SAMPLE and all(info.id != base for info in await state.catalog.templates()):
        raise Refused(404, "unknown_template", f"there is no template {base!r}", "template")
    async with asked_for(request, state, BackgroundRequest, "image") as (wanted, form):
        if wanted.url is not None:
            if not is_json(request):
                raise Refused(422, "prompt_or_image", "a form brings the picture itself, no url", "url")
            form.files["image"] = [await state.fetch(wanted.url, "image", param="url")]
        image = form.file("image")
        if (wanted.prompt is None) == (image is None):
            raise Refused(422, "prompt_or_image", "give either a prompt or a picture", "prompt")
        await state.catalog.check_background(wanted)
        if image is not None:
            async with state.looking.turn():
                await _check_picture(image)
        spec = _spec(base, wanted, image)
        spec = spec.model_copy(update={"template": state.ownership.name("template", spec.template)})
        uploads = {UPLOAD: image} if image else {}
        accepted = await asyncio.shield(accept(state, spec, uploads, key))
    return accepted_job(state, accepted)


async def _check_picture(image: Upload) -> None:
    """Refuse now what is none, not in the job; by the name that its sender knows."""
    with named(image, "image"):
        await read_picture(image.path, most=64)


def _spec(base: str, wanted: BackgroundRequest, image: Upload | None) -> BackgroundSpec:
    """The job's order. The same wish has the same template; a name makes another."""
    content = json.dumps([wanted.model_dump(mode="json"), image and image.sha256])
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    what = wanted.prompt or (image.name if image else "")
    return BackgroundSpec(
        title=wanted.name or short(f"{base}: {what}"),
        template=template_id(wanted.name) if wanted.name else f"{base[:54]}-{digest}",
        upload=UPLOAD if image else None,
        background=wanted,
        base=base,
    )


async def job_preview(request: web.Request) -> web.StreamResponse:
    """The first frame of a template that is being made, from its `preview.frame` on."""
    state = state_of(request)
    job = await state.store.get(request.match_info["job_id"])
    path = state.folder.job(job.id) / PREVIEW
    if not await asyncio.to_thread(path.is_file):
        raise Refused(404, "unknown_output", f"job {job.id} has no preview, or not yet")
    return web.FileResponse(
        path, headers={"Content-Type": "image/jpeg", "Cache-Control": "private, no-cache"}
    )


ROUTES = [
    Route(
        "POST",
        f"/v1/templates/{TEMPLATE}/backgrounds",
        create_background,
        "Make a template of this one's person before another background; a job, whose `template` it is",
        {202: Job, 200: Job},
        body=BackgroundRequest,
        form={
            "request": {"type": "string", "description": "BackgroundRequest as JSON, without url"},
            "image": FILE,
        },
        headers={"Idempotency-Key": KEY},
        refuses=(404, 413, 415, 429, 503, 507),
        fields={"paint": "engine"},
        starts="job",
    ),
    Route(
        "GET",
        f"/v1/jobs/{ID}/{PREVIEW}",
        job_preview,
        "The first frame of a new template, early",
        {200: "image/jpeg", 206: "image/jpeg", 304: None},
        refuses=(404, 416),
    ),
]
