"""An object storage on loopback: as much of Aliyun OSS as an upload needs. It misbehaves on demand.

Signatures (V4, in headers and in links) are really checked, and so are ETags of parts. The rules are those of
https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4.

`python -m tests.support.oss` runs one until its standard input ends, and prints its endpoint.
"""

import asyncio
import hashlib
import hmac
import queue
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from urllib.parse import quote, unquote

import crcmod
from aiohttp import web

KEY_ID, SECRET, REGION, BUCKET = "test-key", "test-secret", "cn-test", "videos"

_crc64 = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True)

_AT_ONCE = 128 << 10
"""Bytes to count at once: this is done while nobody else in the process can run."""

Fault = int | float | str
"""What happens to a request: a status of `_CODES`, seconds to wait (a float), "reset" (the line breaks),
"cut" (it breaks after the body has come), "lost" (done, but the answer does not arrive), "badcrc"."""


_CODES = {400: "RequestTimeout", 500: "InternalError", 503: "ServiceUnavailable"}


class Oss:
    """The storage. faults: for the next requests, in order. down: every line is refused."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.faults: deque[Fault | None] = deque()
        self.down = False
        self.seen: Counter[str] = Counter()
        self._uploads = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request, or what befalls it."""
        self.seen[request.method] += 1
        fault = None if self.down or not self.faults else self.faults.popleft()
        if self.down or fault == "reset":
            return _break(request)
        if isinstance(fault, float):
            await asyncio.sleep(fault)
        body = await request.read()
        if fault == "cut":
            return _break(request)
        if isinstance(fault, int):
            return _problem(fault, _CODES[fault])
        problem = self._signature(request)
        if problem is not None:
            self.seen["refused"] += 1
            return problem
        response = self._do(request, body, wrong=fault == "badcrc")
        return _break(request) if fault == "lost" else response

    def _do(self, request: web.Request, body: bytes, *, wrong: bool) -> web.StreamResponse:
        bucket, _, name = unquote(request.raw_path.partition("?")[0])[1:].partition("/")
        if bucket != BUCKET:
            return _problem(404, "NoSuchBucket")
        query, upload = request.query, request.query.get("uploadId", "")
        match request.method:
            case "POST" if "uploads" in query:
                return self._begin(name, request)
            case "POST" if upload in self.parts:
                return self._complete(name, upload, body, wrong=wrong)
            case "GET" if upload in self.parts:
                return self._list(upload)
            case _ if upload and upload not in self.parts:
                return _problem(404, "NoSuchUpload")
            case "PUT" if upload:
                self.parts[upload][int(query["partNumber"])] = body
                return _stored(body, wrong=wrong)
            case "PUT":
                self._write(name, body, request)
                return _stored(body, wrong=wrong)
            case "DELETE":
                self.objects.pop(name, None)
                return web.Response(status=204, headers=_head())
            case "GET" | "HEAD":
                return self._read(name)
        return _problem(405, "MethodNotAllowed")

    def _write(self, name: str, body: bytes, request: web.Request | None) -> None:
        self.objects[name] = body
        self.written[name] += 1
        if request is not None:
            self.headers[name] = {key.lower(): value for key, value in request.headers.items()}

    def _read(self, name: str) -> web.Response:
        if name not in self.objects:
            return _problem(404, "NoSuchKey")
        data = self.objects[name]
        kind = self.headers[name].get("content-type", "application/octet-stream")
        more = {"Content-Type": kind, "Last-Modified": formatdate(usegmt=True)}
        return web.Response(body=data, headers=_head(data) | more)

    def _begin(self, name: str, request: web.Request) -> web.Response:
        self._uploads += 1
        upload = f"upload{self._uploads}"
        self.parts[upload] = {}
        self.headers[name] = {key.lower(): value for key, value in request.headers.items()}
        fields = f"<Bucket>{BUCKET}</Bucket><Key>{name}</Key><UploadId>{upload}</UploadId>"
        return _xml(f"<InitiateMultipartUploadResult>{fields}</InitiateMultipartUploadResult>")

    def _list(self, upload: str) -> web.Response:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{_etag(data)}</ETag><HashCrc64ecma>{crc64(data)}</HashCrc64ecma><Size>{len(data)}</Size></Part>"
            for number, data in sorted(self.parts[upload].items())
        )
        end = "<IsTruncated>false</IsTruncated><NextPartNumberMarker>0</NextPartNumberMarker>"
        return _xml(f"<ListPartsResult>{end}{parts}</ListPartsResult>")

    def _complete(self, name: str, upload: str, body: bytes, *, wrong: bool) -> web.Response:
        listed = ElementTree.fromstring(body).findall("Part")  # noqa: S314  # our own client's
        parts = self.parts[upload]
        for part in listed:
            number, etag = int(part.findtext("PartNumber") or 0), part.findtext("ETag") or ""
            if number not in parts or etag.strip('"') != _etag(parts[number]).strip('"'):
                return _problem(400, "InvalidPart")
        whole = b"".join(parts[int(part.findtext("PartNumber") or 0)] for part in listed)
        del self.parts[upload]
        self._write(name, whole, None)
        response = _xml('<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')
        response.headers["x-oss-hash-crc64ecma"] = str(crc64(whole) + wrong)
        return response

    def _signature(self, request: web.Request) -> web.Response | None:
        """What is wrong with the signature."""
        said, query = request.headers.get("Authorization", ""), request.query
        if said.startswith("OSS4-HMAC-SHA256 "):
            fields = dict(part.strip().split("=", 1) for part in said.partition(" ")[2].split(","))
            date = request.headers.get("x-oss-date", "")
        elif query.get("x-oss-signature-version") == "OSS4-HMAC-SHA256":
            fields = {"Credential": query["x-oss-credential"], "Signature": query["x-oss-signature"]}
            date = query["x-oss-date"]
            began = time.mktime(time.strptime(date, "%Y%m%dT%H%M%SZ")) - time.timezone
            if began + int(query["x-oss-expires"]) < time.time():
                return _problem(403, "AccessDenied")
        else:
            return _problem(403, "AccessDenied")
        who, _, scope = fields["Credential"].partition("/")
        if who != KEY_ID:
            return _problem(403, "InvalidAccessKeyId")
        if hmac.compare_digest(fields["Signature"], _sign(request, scope, date)):
            return None
        return _problem(403, "SignatureDoesNotMatch")


def _sign(request: web.Request, scope: str, date: str) -> str:
    headers = sorted(
        (name.lower(), value.strip())
        for name, value in request.headers.items()
        if name.lower().startswith("x-oss-") or name.lower() in ("content-type", "content-md5")
    )
    linked = "x-oss-signature-version" in request.query
    if linked:
        headers = [(name, value) for name, value in headers if name.startswith("x-oss-")]
    query = sorted(
        (quote(k, safe=""), quote(v, safe="")) for k, v in request.query.items() if k != "x-oss-signature"
    )
    lines = [
        request.method,
        quote(unquote(request.raw_path.partition("?")[0]), safe="/"),
        "&".join(f"{key}={value}" if value else key for key, value in query),
        "".join(f"{name}:{value}\n" for name, value in headers),
        "",
        request.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"aliyun_v4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    text = "\n".join(["OSS4-HMAC-SHA256", date, scope, digest])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _head(data: bytes | None = None) -> dict[str, str]:
    head = {"x-oss-request-id": "0"}
    if data is not None:
        head |= {"ETag": _etag(data), "x-oss-hash-crc64ecma": str(crc64(data))}
    return head


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest().upper()}"'  # noqa: S324  # what OSS makes ETags of


def _stored(data: bytes, *, wrong: bool) -> web.Response:
    head = _head(data)
    head["x-oss-hash-crc64ecma"] = str(crc64(data) + wrong)
    return web.Response(headers=head)


def _xml(text: str, status: int = 200) -> web.Response:
    whole = f'<?xml version="1.0" encoding="UTF-8"?>{text}'
    return web.Response(status=status, text=whole, content_type="application/xml", headers=_head())


def _problem(status: int, code: str) -> web.Response:
    fields = f"<Code>{code}</Code><Message>no</Message><RequestId>0</RequestId><HostId>x</HostId>"
    return _xml(f"<Error>{fields}</Error>", status)


def _break(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@contextmanager
def oss() -> Iterator[tuple[Oss, str]]:
    """A storage and its endpoint, until the block ends; on a thread and a loop of its own."""
    storage, ready, loop = Oss(), queue.SimpleQueue[str](), asyncio.new_event_loop()
    done = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(storage, ready.put, done)))
    thread.start()
    try:
        yield storage, ready.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


def crc64(data: bytes) -> int:
    """The checksum that OSS keeps of every object."""
    crc = 0
    for start in range(0, len(data), _AT_ONCE):
        crc = _crc64(data[start : start + _AT_ONCE], crc)
    return crc


async def _serve(storage: Oss, ready: Callable[[str], None], done: asyncio.Event) -> None:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", storage.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await done.wait()
    finally:
        await runner.cleanup()


def settings_for(endpoint: str, **changed: str) -> dict[str, str]:
    """The server's settings that use it."""
    return {
        "oss_endpoint": endpoint,
        "oss_region": REGION,
        "oss_bucket": BUCKET,
        "oss_access_key_id": KEY_ID,
        "oss_access_key_secret": SECRET,
    } | changed


if __name__ == "__main__":
    with oss() as (_, address):
        print(address, flush=True)
        sys.stdin.read()
