"""Where a job's finished files can be had: under which addresses, and for how long."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.folder import ServerFolder
from server.schemas.describe import describe
from server.schemas.responses import Job, Link
from server.settings import ServerSettings
from server.storage.local import SignedLinks, link_secret
from server.store.rows import JobRow, OutputRow, key_of

if TYPE_CHECKING:
    from server.storage.oss import OssStorage


@dataclass(frozen=True, slots=True)
class Files:
    """The server's own disk, and the object storage if there is one.

    link_s: seconds that a link works. forever: addresses in the object storage are not signed.
    prefix: what goes before our own addresses.
    """

    local: SignedLinks
    remote: "OssStorage | None"
    link_s: float
    forever: bool
    prefix: str = ""

    def published(self, place: str, job_id: str, output: OutputRow) -> str | None:
        """The address of a file that was uploaded to `place`; None if that is not our storage any more."""
        if self.remote is None or self.remote.place != place:
            return None
        return self.remote.url(key_of(job_id, output), self.link_s)

    def describe(self, row: JobRow, *, full: bool = True) -> Job:
        """The job as the API shows it, files at their published addresses. full: with its request."""
        return describe(row, full=full, published=self.published, prefix=self.prefix)

    def link(self, row: JobRow, output: OutputRow, seconds: float | None = None) -> Link:
        """An address of one file for others: in the object storage once it is there, else here, signed."""
        publication = row.publication
        if publication is not None and publication.state == "published":
            url = self.published(publication.place, row.id, output)
            if url is not None:
                return Link(url=url, expires_at=None if self.forever else round(time.time() + self.link_s))
        seconds = self.link_s if seconds is None else seconds
        url = self.local.url(key_of(row.id, output), seconds)
        return Link(url=url, expires_at=round(time.time() + seconds))


def open_files(settings: ServerSettings, folder: ServerFolder) -> Files:
    """What these settings describe."""
    remote = None
    if settings.uploads:
        from server.storage.oss import OssStorage  # only now: the SDK takes a while to load

        remote = OssStorage(settings, folder.root / "parts")
    return Files(
        SignedLinks(link_secret(folder.root), settings.public_url),
        remote,
        link_s=settings.link_hours * 3600,
        forever=settings.oss_acl == "public-read",
        prefix=settings.prefix,
    )
