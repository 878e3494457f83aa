"""The library over HTTP: add templates, look at them, remove them."""

import asyncio

from aiohttp import web

from core.faces.choice import AUTO, check_choice
from core.templates.info import checked_name, name_of_file, template_info
from core.templates.library import SAMPLE
from server.access.caller import caller
from server.api.accept import ENGINES, FILE, KEY, UPLOAD, accept, accepted_job, idempotency_key, short
from server.api.route import TEMPLATE, Route, respond
from server.errors import Refused
from server.schemas.responses import Deleted, FaceList, Job, TemplateInfo, TemplateList
from server.schemas.specs import TemplateSpec
from server.schemas.templates import (
    ActionsRequest,
    EnlargeRequest,
    PrepareRequest,
    RenameRequest,
    TemplateRequest,
)
from server.state import state_of
from server.uploads import Form, Upload, is_json, named, read_form, read_json


async def create_template(request: web.Request) -> web.StreamResponse:
    """Accept a template; its preparation is a job."""
    state, key = state_of(request), idempotency_key(request)
    form = Form()
    try:
        if is_json(request):
            wanted = await read_json(request, TemplateRequest)
            form.texts.update(name=wanted.name, face=wanted.face)
            if wanted.webhook_url is not None:
                form.texts["webhook_url"] = wanted.webhook_url
            form.files["file"] = [await state.fetch(wanted.url, "video", "image", param="url")]
        else:
            limit, texts = state.settings.upload_mb << 20, {"name", "face", "webhook_url"}
            form = await read_form(request, state.folder, texts=texts, files={"file": 1}, limit=limit)
        upload = form.file("file")
        if upload is None:
            raise Refused(422, "invalid_request", "send the video or picture as the part `file`", "file")
        name = _template_name(form.text("name") or "", upload)
        identity = await state.catalog.new_template_id(name)
        face = check_choice(form.text("face") or AUTO)
        await state.catalog.check_new_template(identity, upload.sha256, face)
        if not is_json(request):  # what came by URL was looked at
            with named(upload, "file"):
                async with state.looking.turn():  # refused now, by its head, and not in the job
                    await template_info(upload.path, identity, name, face)
        spec = TemplateSpec(
            title=name,
            template=identity,
            upload=UPLOAD,
            file_name=upload.name,
            face=face,
            webhook_url=form.text("webhook_url") or None,
        )
        accepted = await asyncio.shield(accept(state, spec, {UPLOAD: upload}, key))
    finally:
        form.discard()
    return accepted_job(state, accepted)


async def prepare_template(request: web.Request) -> web.Response:
    """Prepare a template ahead of the videos that will want it so; a job."""
    wanted = await read_json(request, PrepareRequest)
    base = await _base(request)
    await state_of(request).catalog.check_look(base, wanted.options)
    return await _accepted(request, TemplateSpec(title=base, template=base, prepare=wanted))


async def enlarge_template(request: web.Request) -> web.Response:
    """Have a template of twice the size made of one; a job, whose `template` is the new one."""
    wanted = await read_json(request, EnlargeRequest)
    base = await _base(request)
    made = await state_of(request).catalog.check_enlarging(base, wanted)
    title = wanted.name or short(f"{base}, twice the size")
    return await _accepted(request, TemplateSpec(title=title, template=made, base=base, enlarge=wanted))


async def add_actions(request: web.Request) -> web.Response:
    """Have a template made that can do what others show; a job, whose `template` is the new one."""
    wanted = await read_json(request, ActionsRequest)
    base = await _base(request)
    made = await state_of(request).catalog.check_actions(base, wanted)
    title = wanted.name or short(f"{base}: {', '.join(wanted.actions)}")
    return await _accepted(request, TemplateSpec(title=title, template=made, base=base, actions=wanted))


async def find_faces(request: web.Request) -> web.Response:
    """Who is to be seen in a video or picture; nothing of it is kept."""
    state = state_of(request)
    limit = state.settings.upload_mb << 20
    form = await read_form(request, state.folder, texts=set(), files={"file": 1}, limit=limit)
    try:
        upload = form.file("file")
        if upload is None:
            raise Refused(422, "invalid_request", "send the video or picture as the part `file`", "file")
        with named(upload, "file"):
            async with state.looking.turn():
                return respond(await state.catalog.faces(upload.path))
    finally:
        form.discard()


async def list_templates(request: web.Request) -> web.Response:
    """Every template."""
    return respond(TemplateList(data=await state_of(request).catalog.templates()))


async def get_template(request: web.Request) -> web.Response:
    """One template."""
    await _known(request)
    return respond(await state_of(request).catalog.template(request.match_info["template"]))


async def rename_template(request: web.Request) -> web.Response:
    """Give a template another name."""
    template = await _known(request)
    wanted = await read_json(request, RenameRequest)
    return respond(await state_of(request).catalog.rename(template, wanted.name))


async def delete_template(request: web.Request) -> web.Response:
    """Delete a template and what was prepared of it."""
    template, state = await _known(request), state_of(request)
    if await state.store.owners.leave("template", template, caller.get().only):
        await state.catalog.remove(template)  # else somebody else has it too
    return respond(Deleted(id=template))


async def template_thumbnail(request: web.Request) -> web.StreamResponse:
    """The template's first frame, small."""
    template = await _known(request)
    path = await state_of(request).catalog.thumbnail(template)
    return web.FileResponse(
        path, headers={"Content-Type": "image/jpeg", "Cache-Control": "private, no-cache"}
    )


async def _base(request: web.Request) -> str:
    """The template of the path, of which something is made. Raises Refused."""
    base = request.match_info["template"]
    return base if base == SAMPLE else await _known(request)  # the sample may be yet to be drawn


async def _accepted(request: web.Request, spec: TemplateSpec) -> web.Response:
    """Accept a job that needs no files."""
    accepting = accept(state_of(request), spec, {}, idempotency_key(request))
    return accepted_job(state_of(request), await asyncio.shield(accepting))


def _template_name(wanted: str, upload: Upload) -> str:
    return checked_name(wanted) if wanted else name_of_file(upload.name)


async def _known(request: web.Request) -> str:
    """The template of the path, which must exist. Raises Refused."""
    template = request.match_info["template"]
    if all(info.id != template for info in await state_of(request).catalog.templates()):
        raise Refused(404, "unknown_template", f"there is no template {template!r}", "template")
    return template


ROUTES = [
    Route("GET", "/v1/templates", list_templates, "Every template", {200: TemplateList}),
    Route(
        "POST",
        "/v1/templates",
        create_template,
        "Add a video or picture of a person; preparing it is a job",
        {202: Job, 200: Job},
        body=TemplateRequest,
        form={
            "file": FILE,
            "name": {"type": "string", "maxLength": 100},
            "face": {"type": "string", "default": AUTO},
            "webhook_url": {"type": "string", "maxLength": 2048},
        },
        headers={"Idempotency-Key": KEY},
        refuses=(413, 415, 429, 503, 507),
        starts="job",
    ),
    Route(
        "POST",
        "/v1/templates/faces",
        find_faces,
        "Who is to be seen in a video or picture, numbered for `face`",
        {200: FaceList},
        form={"file": FILE},
        refuses=(413, 415, 503, 507),
        starts="look",
    ),
    Route(
        "GET", f"/v1/templates/{TEMPLATE}", get_template, "A template", {200: TemplateInfo}, refuses=(404,)
    ),
    Route(
        "PATCH",
        f"/v1/templates/{TEMPLATE}",
        rename_template,
        "Give a template another name; its id stays",
        {200: TemplateInfo},
        body=RenameRequest,
        refuses=(404, 413, 415),
    ),
    Route(
        "DELETE",
        f"/v1/templates/{TEMPLATE}",
        delete_template,
        "Delete a template",
        {200: Deleted},
        refuses=(404,),
    ),
    Route(
        "POST",
        f"/v1/templates/{TEMPLATE}/prepare",
        prepare_template,
        "Prepare a template ahead, for engines, a rate or a size; a job",
        {202: Job, 200: Job},
        body=PrepareRequest,
        headers={"Idempotency-Key": KEY},
        refuses=(404, 413, 415, 429, 503, 507),
        fields=ENGINES,
        starts="job",
    ),
    Route(
        "POST",
        f"/v1/templates/{TEMPLATE}/enlarge",
        enlarge_template,
        "Make a template of twice the size of this one; a job, whose `template` it is",
        {202: Job, 200: Job},
        body=EnlargeRequest,
        headers={"Idempotency-Key": KEY},
        refuses=(404, 413, 415, 429, 503, 507),
        fields={"upscale": "engine"},
        starts="job",
    ),
    Route(
        "POST",
        f"/v1/templates/{TEMPLATE}/actions",
        add_actions,
        "Make a template of a person who can do what other templates show; a job, whose `template` it is",
        {202: Job, 200: Job},
        body=ActionsRequest,
        headers={"Idempotency-Key": KEY},
        refuses=(404, 413, 415, 429, 503, 507),
        starts="job",
    ),
    Route(
        "GET",
        f"/v1/templates/{TEMPLATE}/thumbnail.jpg",
        template_thumbnail,
        "Its first frame, small",
        {200: "image/jpeg", 206: "image/jpeg", 304: None},
        refuses=(404, 416),
    ),
]
