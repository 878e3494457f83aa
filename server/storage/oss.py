"""Aliyun OSS as the storage, through its SDK (oss2, MIT).

The SDK signs (V4), splits large files and compares checksums; it does not repeat a put, and by default waits
a minute for a connection, so time limits are set here, and repeating is the business of
`server.storage.publisher`.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import oss2
import requests
from oss2 import exceptions
from yarl import URL

from core.errors import BadInput, Error, StorageError
from server.settings import ServerSettings, host_of, region_of

MULTIPART = 16 << 20
"""Bytes from which on a file goes in parts, which survive a broken connection."""

PART = 4 << 20
THREADS = 1

CONNECT_S, SILENCE_S = 5.0, 20.0
"""Seconds to get through, and without any sign of the other side."""

_PIECE = 256 << 10

_REASONS = {
    "SignatureDoesNotMatch": (
        "oss_credentials",
        "the access key secret is wrong: check oss_access_key_secret",
    ),
    "InvalidAccessKeyId": ("oss_credentials", "there is no such access key: check oss_access_key_id"),
    "SecurityTokenExpired": ("oss_credentials", "the access key has expired"),
    "AccessDenied": (
        "oss_denied",
        "the access key may not do this: it needs PutObject, GetObject and DeleteObject here",
    ),
    "NoSuchBucket": ("oss_no_bucket", "there is no such bucket at this endpoint: check oss_bucket"),
    "RequestTimeTooSkewed": ("oss_clock", "this machine's clock is wrong by more than 15 minutes"),
}
"""What OSS says that only people can mend: code and words for each."""

_PASSING = frozenset({"RequestTimeout", "NoSuchUpload", "InvalidPart", "OperationAborted"})
"""What it says with a 4xx although another attempt may do: we were too slow, or the parts have expired."""


class OssStorage:
    """One bucket, below one prefix."""

    def __init__(self, settings: ServerSettings, parts: Path) -> None:
        """parts: a folder that remembers which parts of large files have arrived.

        Raises Error for settings that name no bucket that there could be.
        """
        secret = settings.oss_access_key_secret.get_secret_value()
        self._settings = settings
        self._parts = parts
        try:
            self._auth = oss2.AuthV4(settings.oss_access_key_id, secret)
            self._bucket = self._at(settings.oss_internal_endpoint or settings.oss_endpoint)
            public = settings.oss_cname or settings.oss_endpoint
            self._public = self._at(public, cname=bool(settings.oss_cname))
        # Whatever the SDK makes of them.
        except (exceptions.OssError, ValueError, TypeError, AttributeError) as error:
            said = getattr(error, "message", "") or getattr(error, "body", "") or str(error)
            raise Error(
                f"the object storage cannot be used with these settings ({said}); check oss_endpoint, "
                "oss_internal_endpoint, oss_cname and oss_bucket (lower case letters, digits and -)"
            ) from error
        self.bucket = settings.oss_bucket
        self.place = f"oss://{settings.oss_bucket}/{settings.oss_prefix}"

    def put(self, file: Path, key: str, type: str, progress: Callable[[int], None]) -> None:
        """Upload, unless the same bytes are there already. Raises StorageError; what `progress` raises."""
        name, size = self._settings.oss_prefix + key, file.stat().st_size
        store = oss2.ResumableStore(root=str(self._parts.parent), dir=self._parts.name)
        if self._has(name, file, size):
            with suppress(FileNotFoundError):  # there is one only if the last answer was lost
                store.delete(store.make_store_key(self.bucket, name, str(file)))
            progress(size)
            return
        headers = {"Content-Type": type}
        if self._settings.oss_acl != "bucket":
            headers["x-oss-object-acl"] = self._settings.oss_acl
        try:
            oss2.resumable_upload(
                self._bucket,
                name,
                str(file),
                store=store,
                headers=headers,
                multipart_threshold=MULTIPART,
                part_size=PART,
                num_threads=THREADS,
                progress_callback=lambda done, _total: progress(done),
            )
        except (exceptions.OssError, requests.RequestException) as error:
            raise failure(error) from error

    def read(self, name: str, into: Path, limit: int) -> None:
        """Download any object of the bucket.

        Raises BadInput `unknown_object`, `url_too_large`; StorageError.
        """
        try:
            found = self._bucket.get_object(name)
            if found.content_length is not None and found.content_length > limit:
                raise BadInput("url_too_large", f"{name[:80]} is over {limit >> 20} MB")
            with into.open("wb") as file:
                held = 0
                while piece := found.read(_PIECE):
                    held += file.write(piece)
                    if held > limit:
                        raise BadInput("url_too_large", f"{name[:80]} is over {limit >> 20} MB")
        except exceptions.NotFound as error:
            raise BadInput("unknown_object", f"the storage has no {name[:80]!r}") from error
        except (exceptions.OssError, requests.RequestException) as error:
            raise failure(error) from error

    def delete(self, key: str) -> None:
        """Delete the object; OSS says the same of one that is not there. Raises StorageError."""
        try:
            self._bucket.delete_object(self._settings.oss_prefix + key)
        except (exceptions.OssError, requests.RequestException) as error:
            raise failure(error) from error

    def url(self, key: str, seconds: float) -> str:
        """A signed address, or the plain one if everybody may read."""
        name = self._settings.oss_prefix + key
        if self._settings.oss_acl == "public-read":
            seconds = 60  # not needed, and cut off
        signed: str = self._public.sign_url("GET", name, int(seconds), slash_safe=True)
        return signed if self._settings.oss_acl != "public-read" else signed.partition("?")[0]

    def name_in(self, url: URL) -> str | None:
        """The object of our bucket that a URL names: `oss://bucket/key`, or where it is on the web."""
        bucket = self._settings.oss_bucket
        if url.scheme == "oss":
            return url.path[1:] if url.host == bucket else None
        for endpoint in (self._settings.oss_endpoint, self._settings.oss_internal_endpoint):
            host = host_of(endpoint)
            if host and url.host == f"{bucket}.{host}":
                return url.path[1:]
            if host and url.host == host and url.path.startswith(f"/{bucket}/"):
                return url.path[len(bucket) + 2 :]
        cname = host_of(self._settings.oss_cname)
        return url.path[1:] if cname and url.host == cname else None

    def probe(self) -> None:
        """Write a small object, read it and delete it. Raises StorageError."""
        name = f"{self._settings.oss_prefix}lipstream-probe"
        try:
            self._bucket.put_object(name, b"lipstream")
            self._bucket.get_object(name).read()
            self._bucket.delete_object(name)
        except exceptions.OssError as error:
            raise failure(error) from error

    def _at(self, endpoint: str, *, cname: bool = False) -> Any:
        settings = self._settings
        return oss2.Bucket(
            self._auth,
            endpoint if "://" in endpoint else f"https://{endpoint}",
            settings.oss_bucket,
            is_cname=cname,
            connect_timeout=(CONNECT_S, SILENCE_S),
            region=settings.oss_region or region_of(settings.oss_endpoint),
        )

    def _has(self, name: str, file: Path, size: int) -> bool:
        """Whether these very bytes are there. What hinders us from looking, the upload itself will tell."""
        try:
            there = self._bucket.head_object(name)
        except exceptions.OssError as error:
            if error.status in (403, 404):
                return False  # an answer to HEAD has no body, so no reason
            raise failure(error) from error
        crc = there.headers.get("x-oss-hash-crc64ecma")
        return bool(there.content_length == size and crc is not None and int(crc) == checksum(file))


def failure(error: exceptions.OssError | requests.RequestException) -> StorageError:
    """What became of a request, in our words."""
    if isinstance(error, requests.RequestException):
        error = exceptions.RequestError(error)
    code, words = _REASONS.get(error.code, ("", ""))
    if code:
        return StorageError(code, words, retryable=False)
    if isinstance(error, exceptions.InconsistentError):
        return StorageError("oss_checksum", "what arrived was not what was sent", retryable=True)
    if isinstance(error, exceptions.RequestError):
        kind = type(error.exception).__name__
        return StorageError("oss_unreachable", f"the storage could not be reached ({kind})", retryable=True)
    said = error.code or f"HTTP {error.status}"
    retryable = error.status >= 500 or error.status in (408, 429) or error.code in _PASSING
    return StorageError("oss_refused", f"the storage said no: {said}", retryable=retryable)


def checksum(file: Path) -> int:
    """CRC-64 (ECMA-182) of a file, as OSS keeps it of every object."""
    crc = oss2.utils.Crc64()
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            crc(piece)
    return int(crc.crc)
