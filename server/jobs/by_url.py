"""What videos are made of that came by URL: how such templates are called, and the files of a batch's rows.

Those are fetched once the row's job begins. Other requests are accepted with their files; a thousand rows
would wait for a thousand, and hold them.
"""

from pathlib import Path

from server.access.caller import Caller, caller
from server.fetch.fetcher import Fetcher
from server.schemas.requests import VideoRequest
from server.schemas.specs import VideoSpec
from server.store.rows import JobRow
from server.store.store import Store

BY_URL = "url_"
"""How the ids of templates begin that came by URL."""

KEPT_BY_URL = 16
"""Templates that came by URL and are kept prepared; the one not used for longest goes first."""


def fetched_id(sha256: str) -> str:
    """The id of a template that came by URL: by content, so that it is prepared once."""
    return f"{BY_URL}{sha256[:20]}"


async def with_files(spec: VideoSpec, job: JobRow, folder: Path, fetcher: Fetcher, store: Store) -> VideoSpec:
    """The spec, with the files at its URLs in the job's folder that are not there yet.

    Raises what `Fetcher.take` does.
    """
    video = spec.video
    if not isinstance(video, VideoRequest):
        return spec
    caller.set(Caller(job.owner, "make"))  # the job's task asks for nobody else
    if video.audio_url is not None and spec.upload is not None and not (folder / spec.upload).exists():
        await fetcher.take(video.audio_url, "audio", into=folder / spec.upload, param="audio_url")
    if video.template_url is None or spec.template_file is None or spec.template_sha256 is not None:
        return spec
    place = folder / spec.template_file
    place.unlink(missing_ok=True)
    found = await fetcher.take(video.template_url, "video", "image", into=place, param="template_url")
    template = fetched_id(found.sha256)
    if job.owner:
        await store.owners.add("template", template, job.owner)
    return spec.model_copy(
        update={"template": template, "template_name": found.name, "template_sha256": found.sha256}
    )
