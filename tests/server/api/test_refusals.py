"""What the server says no to, and how."""

import asyncio
import json

import aiohttp
import pytest
from yarl import URL

from tests.support.serving import SLOW, data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

JSON = {"Content-Type": "application/json"}

_STYLE = "options.subtitle_style.colour"

_ENGINES = "options.engines"
BODIES = [
    # body, status, code, param
    (b"{", 400, "malformed_json", None),
    (b"", 400, "malformed_json", None),
    (b"\xff\xfe", 400, "malformed_json", None),
    (b'{"text": "\xed\xa0\x80"}', 400, "malformed_json", None),
    (b"[" * 10_000, 400, "malformed_json", None),
    (b"[]", 422, "invalid_request", None),
    (b"null", 422, "invalid_request", None),
    (b'{"text": "a\\u0000b"}', 422, "invalid_request", "text"),
    (b'{"text": "\\ud800"}', 400, "malformed_json", None),
    (b'{"text": 5}', 422, "invalid_request", "text"),
    (b'{"text": ""}', 422, "invalid_request", "text"),
    (b'{"text": " \\n "}', 422, "invalid_request", "text"),
    (b'{"text": "..."}', 422, "empty_text", "text"),
    (
        '{"text": "Good day. 漢字です。", "language": "ja", "voice": "male"}'.encode(),
        422,
        "unreadable_text",
        "text",
    ),
    ('{"text": "Good day. 안녕하세요.", "voice": "f440"}'.encode(), 422, "unsupported_language", "text"),
    (
        b'{"text": "a", "template": "sample", "template_url": "http://a.b/c"}',
        422,
        "template_or_url",
        "template_url",
    ),
    (b'{"text": "a", "colour": "red"}', 422, "invalid_request", "colour"),
    (b'{"text": "a", "options": {"fps": "25"}}', 422, "invalid_request", "options.fps"),
    (b'{"text": "a", "options": {"fps": 1000}}', 422, "invalid_request", "options.fps"),
    (b'{"text": "a", "options": {"speed": NaN}}', 422, "invalid_request", "options.speed"),
    (b'{"text": "a", "options": {"speed": 1e999}}', 422, "invalid_request", "options.speed"),
    (b'{"text": "a", "options": {"seed": 99999999999999999999}}', 422, "invalid_request", "options.seed"),
    (b'{"text": "a", "options": {"fidelity": 1.5}}', 422, "invalid_request", "options.fidelity"),
    (b'{"text": "a", "options": {"size": "12x"}}', 422, "invalid_request", "options.size"),
    (b'{"text": "a", "options": {"size": "63x63"}}', 422, "invalid_request", "options.size"),
    (b'{"text": "a", "options": {"size": "101x100"}}', 422, "invalid_request", "options.size"),
    (b'{"text": "a", "options": {"size": "99999x99999"}}', 422, "invalid_request", "options.size"),
    (b'{"text": "a", "options": {"subtitle_style": {"colour": "red"}}}', 422, "invalid_request", _STYLE),
    (
        b'{"text": "a", "options": {"subtitle_style": {"color": "#fff"}}}',
        422,
        "invalid_request",
        _STYLE[:-6] + "color",
    ),
    (
        b'{"text": "a", "options": {"burn_subtitles": true, "subtitle_style": {"font": "none such"}}}',
        422,
        "unknown_font",
        "subtitle_style",
    ),
    (b'{"text": "a", "readings": {"": "x"}}', 422, "invalid_request", "readings"),
    (b'{"text": "a", "readings": ["SQL=sequel", "SQL"]}', 422, "invalid_request", "readings"),
    (b'{"text": "a", "readings": [1]}', 422, "invalid_request", "readings"),
    (b'{"text": "a", "readings": {"a": "qqq4"}}', 422, "invalid_request", "readings"),
    (b'{"text": "a", "template": "nobody"}', 422, "unknown_template", "template"),
    (b'{"text": "a", "template": "../etc"}', 422, "invalid_request", "template"),
    (b'{"text": "a", "voice": "nobody"}', 422, "unknown_voice", "voice"),
    (b'{"text": "a", "language": "tlh"}', 422, "invalid_request", "language"),
    (
        b'{"text": "a", "options": {"engines": {"speech": "no"}}}',
        422,
        "unknown_engine",
        "options.engines.speech",
    ),
    (
        b'{"text": "a", "options": {"engines": {"lipsync": "no"}}}',
        422,
        "unknown_engine",
        "options.engines.lipsync",
    ),
    (
        b'{"text": "a", "options": {"engines": {"enhance": "no"}}}',
        422,
        "unknown_engine",
        "options.engines.enhance",
    ),
    (b"{}", 422, "text_or_audio", "text"),
]


async def refused(response, status, code):
    """Check the answer's status and body; its `error`."""
    body = await response.text()
    assert response.status == status, body
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    if not body:
        return {}
    assert response.content_type == "application/json"
    error = json.loads(body)["error"]
    assert error["code"] == code, error
    assert set(error) == {"type", "code", "message", "param", "request_id"}
    assert error["request_id"] == response.headers["X-Request-Id"]
    assert error["message"]
    return error


@pytest.mark.slow
async def test_a_bad_request_is_refused_with_the_field_at_fault_and_leaves_no_job(data_dir):
    async with served(data_dir) as it:
        for body, status, code, param in BODIES:
            async with it.http.post("/v1/videos", data=body, headers=JSON) as response:
                error = await refused(response, status, code)
                assert error["param"] == param, (body, error)
        async with it.http.post("/v1/videos", data=b'{"text": ""}', headers=JSON) as response:
            assert (await refused(response, 422, "invalid_request"))["message"] == "text: is empty"
        long = json.dumps({"text": "a" * 100_001})
        async with it.http.post("/v1/videos", data=long, headers=JSON) as response:
            await refused(response, 422, "invalid_request")
        for header in ("text/plain", "application/xml", "application/x-www-form-urlencoded", ""):
            async with it.http.post("/v1/videos", data=b"{}", headers={"Content-Type": header}) as response:
                error = await refused(response, 415, "unsupported_media_type")
                assert "send application/json or multipart/form-data, not" in error["message"]
        assert await it.get("/v1/jobs") == {"object": "list", "data": [], "has_more": False}


async def test_odd_paths_and_parameters_lead_nowhere(data_dir):
    paths = [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/jobs/none", 404, "unknown_job"),
        ("POST", "/v1/jobs/none/cancel", 404, "unknown_job"),
        ("DELETE", "/v1/jobs/none", 404, "unknown_job"),
        ("GET", "/v1/jobs/none/events", 404, "unknown_job"),
        ("GET", "/v1/jobs/none/stream", 404, "unknown_job"),
        ("GET", "/v1/jobs/none/subtitles.srt", 404, "unknown_job"),
        ("GET", "/v1/jobs/none/outputs/video.mp4", 404, "unknown_job"),
        ("GET", "/v1/jobs/%2e%2e%2f%2e%2e/outputs/x", 404, "not_found"),
        ("GET", "/v1/jobs/..%5c..%5c/outputs/x", 404, "not_found"),
        ("GET", "/v1/jobs/a%00b", 404, "not_found"),
        ("GET", "/v1/jobs/" + "a" * 65, 404, "not_found"),
        ("GET", "/v1/templates/..%2f..%2fetc", 404, "not_found"),
        ("GET", "/v1/templates/nobody", 404, "unknown_template"),
        ("GET", "/v1/templates/nobody/thumbnail.jpg", 404, "unknown_template"),
        ("DELETE", "/v1/templates/nobody", 404, "unknown_template"),
        ("DELETE", "/v1/templates/sample", 422, "sample_template"),
        ("GET", "/static/..%2f..%2fpyproject.toml", 404, "not_found"),
        ("GET", "/static/%2e%2e/server/app.py", 404, "not_found"),
        ("PUT", "/v1/videos", 405, "method_not_allowed"),
        ("DELETE", "/v1/videos", 405, "method_not_allowed"),
        ("GET", "/v1/jobs?limit=-1", 422, "invalid_request"),
        ("GET", "/v1/jobs?limit=1e9", 422, "invalid_request"),
        ("GET", "/v1/jobs?limit=٣", 422, "invalid_request"),
        ("GET", "/v1/jobs?after=nobody", 404, "unknown_job"),
        ("GET", "/v1/voices?engine=odd", 422, "unknown_engine"),
        ("GET", "/v1/ws", 426, "upgrade_required"),
    ]

    async with served(data_dir) as it:
        for method, path, status, code in paths:
            async with it.http.request(method, URL(it.url + path, encoded="%" in path)) as response:
                await refused(response, status, code)
                if status == 405:
                    assert response.headers["Allow"] == "POST"
        async with it.http.put("/v1/models") as response:
            error = (await response.json())["error"]
            assert error["message"] == "PUT is not possible here; GET or HEAD is"
        error = (await it.get("/v1/jobs?status=odd", 422))["error"]
        assert error["param"] == "status"
        assert "queued, in_progress" in error["message"]
        job = await it.video(**SLOW)
        for path, status, code in (
            ("outputs/video.mp4", 409, "not_ready"),
            ("outputs/..", 404, "not_found"),
            ("events?after=-1", 422, "invalid_request"),
            ("stream?from=end", 422, "invalid_request"),
        ):
            async with it.http.get(URL(f"{it.url}/v1/jobs/{job}/{path}", encoded=True)) as response:
                await refused(response, status, code)
        await it.ended(job)
        for name in ("stream.mp4", "upload", "video.mp4.", "%2e%2e%2fjobs.db"):
            async with it.http.get(URL(f"{it.url}/v1/jobs/{job}/outputs/{name}", encoded=True)) as response:
                assert response.status == 404


@pytest.mark.slow
async def test_pages_of_other_sites_and_unknown_names_are_turned_away(data_dir):
    async with served(data_dir, hosts=("studio.example",), origins=("https://front.example",)) as it:
        own = it.url
        cases = [
            # headers, expected status of: a post, a GET, a socket
            ({}, 202, 200, 101),
            ({"Origin": own}, 202, 200, 101),
            ({"Origin": "https://front.example"}, 202, 200, 101),
            ({"Origin": "https://evil.example"}, 403, 200, 403),
            ({"Origin": "null"}, 403, 200, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403, 200, 403),
            ({"Origin": own.replace("http", "ftp")}, 403, 200, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403, 403, 403),
            ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403, 200, 403),
            ({"Sec-Fetch-Site": "same-origin"}, 202, 200, 101),
            ({"Host": "localhost"}, 202, 200, 101),
            ({"Host": "LOCALHOST:8010"}, 202, 200, 101),
            ({"Host": "studio.example"}, 202, 200, 101),
            ({"Host": "[::1]:8010"}, 202, 200, 101),
            ({"Host": "evil.example"}, 421, 421, 421),
            ({"Host": "127.0.0.1.evil.example"}, 421, 421, 421),
            ({"Host": ""}, 421, 421, 421),
            ({"Host": "studio.example", "Origin": "https://studio.example"}, 202, 200, 101),
            ({"Host": "studio.example", "Origin": "https://studio.example.evil.example"}, 403, 200, 403),
        ]
        for headers, posted, got, socket in cases:
            async with it.http.post("/v1/videos", json={"text": "Hi."}, headers=headers) as response:
                assert response.status == posted, headers
                if posted >= 400:
                    code = "unknown_host" if posted == 421 else "foreign_origin"
                    await refused(response, posted, code)
            async with it.http.get("/v1/jobs", headers=headers) as response:
                assert response.status == got, headers
            if socket == 101:
                async with it.http.ws_connect("/v1/ws", headers=headers):
                    continue
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await it.http.ws_connect("/v1/ws", headers=headers)
            assert caught.value.status == socket, headers


async def test_every_answer_is_hardened(data_dir):
    async with served(data_dir) as it:
        job = (await it.ended(await it.video()))["id"]
        for path in (
            "/",
            "/docs",
            "/static/app.js",
            "/v1/jobs",
            f"/v1/jobs/{job}/outputs/video.mp4",
            f"/v1/jobs/{job}/events",
            f"/v1/jobs/{job}/stream",
            "/nothing",
        ):
            async with it.http.get(path) as response:
                assert response.headers["X-Content-Type-Options"] == "nosniff", path
                assert "default-src" in response.headers["Content-Security-Policy"]
                assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert response.headers["X-Request-Id"]
                assert response.headers["Server"] == "lipstream"


async def raw(url, head, pieces):
    """Send a request by hand, as much of it as is taken; the status line that comes back."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answered = asyncio.create_task(reader.readline())
    sent = 0
    try:
        writer.write(head.encode())
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            if answered.done():
                break
    except ConnectionError:
        pass
    status = (await asyncio.wait_for(answered, 10)).decode()
    writer.close()
    return status, sent


async def test_a_body_that_is_too_large_is_refused_while_it_still_comes(data_dir):
    async with served(data_dir, upload_mb=1) as it:
        megabyte = b"x" * (1 << 20)
        chunk = b"100000\r\n" + megabyte + b"\r\n"
        head = "POST {} HTTP/1.1\r\nHost: localhost\r\n"
        head += "Transfer-Encoding: chunked\r\nContent-Type: {}\r\n\r\n"
        status, sent = await raw(it.url, head.format("/v1/videos", "application/json"), [chunk] * 200)
        assert " 413 " in status
        assert sent < 50 << 20
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        first = f"{len(part):x}\r\n".encode() + part + b"\r\n"
        form = head.format("/v1/templates", "multipart/form-data; boundary=b")
        status, sent = await raw(it.url, form, [first, *[chunk] * 200])
        assert " 413 " in status
        assert sent < 50 << 20
        assert list((data_dir / "server" / "incoming").iterdir()) == []
        assert list((data_dir / "server" / "jobs").iterdir()) == []
        status, _ = await raw(it.url, form, [first, *[chunk] * 1, b"0\r\n\r\n"])  # cut off
        assert " 400 " in status
        assert list((data_dir / "server" / "incoming").iterdir()) == []


async def test_a_form_that_is_none_is_refused(data_dir):
    forms = [
        (b"", "multipart/form-data", 400),
        (b"nothing", "multipart/form-data; boundary=b", 400),
        (b"--b\r\n[]--b--\r\n", "", 400),
        (b"--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n\r\n--b--\r\n', "", 422),
        (b'--b\r\nContent-Disposition: form-data; name="odd"\r\n\r\nx\r\n--b--\r\n', "", 422),
        (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--b--\r\n', "", 422),
        (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--\r\n', "", 400),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n'
            b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n--b--\r\n",
            "",
            400,
        ),
    ]

    async with served(data_dir) as it:
        for body, kind, status in forms:
            headers = {"Content-Type": kind or "multipart/form-data; boundary=b"}
            async with it.http.post("/v1/templates", data=body, headers=headers) as response:
                assert response.status == status, (body, await response.text())
                assert (await response.json())["error"]["code"]
        assert list((data_dir / "server" / "incoming").iterdir()) == []


@pytest.mark.slow
async def test_only_so_many_may_wait_and_who_repeats_is_not_counted_twice(data_dir):
    async with served(data_dir, jobs=1, waiting=4) as it:
        running = await it.video("A long one. " * 30, **SLOW)
        await it.begun(running)
        posts = [it.http.post("/v1/videos", json={"text": f"Number {n}."}) for n in range(30)]
        answers = [await answer for answer in asyncio.as_completed(posts)]
        statuses = [answer.status for answer in answers]
        assert (statuses.count(202), statuses.count(429)) == (4, 26)
        for answer in answers:
            if answer.status == 429:
                assert int(answer.headers["Retry-After"]) >= 1
                await refused(answer, 429, "too_many_jobs")
            answer.release()
        await it.post(f"/v1/jobs/{running}/cancel", 200)
        for job in (await it.get("/v1/jobs"))["data"]:
            await it.ended(job["id"])
        key = {"Idempotency-Key": "one"}
        same = [it.http.post("/v1/videos", json={"text": "Once."}, headers=key) for _ in range(20)]
        answers = [await answer for answer in asyncio.as_completed(same)]
        assert sorted(answer.status for answer in answers) == [200] * 19 + [202]
        assert len({(await answer.json())["id"] for answer in answers}) == 1
        other = await it.post("/v1/videos", 422, {"text": "Twice."}, headers=key)
        assert other["error"]["code"] == "idempotency_conflict"
        odd = await it.post("/v1/videos", 422, {"text": "Twice."}, headers={"Idempotency-Key": "é"})
        assert odd["error"]["param"] == "Idempotency-Key"


async def test_a_job_is_deleted_only_when_it_has_ended(data_dir):
    async with served(data_dir) as it:
        job = await it.video("A long one. " * 30, **SLOW)
        await it.begun(job)
        async with it.http.delete(f"/v1/jobs/{job}") as response:
            await refused(response, 409, "job_running")
        for _ in range(2):
            assert (await it.post(f"/v1/jobs/{job}/cancel", 200))["status"] == "cancelled"
        async with it.http.delete(f"/v1/jobs/{job}") as response:
            assert await response.json() == {"id": job, "deleted": True}
        await it.get(f"/v1/jobs/{job}", 404)
        assert list((data_dir / "server" / "jobs").iterdir()) == []


async def test_pages_of_listed_origins_may_use_everything(data_dir):
    front = "https://front.example"

    async with served(data_dir, origins=(front,)) as it:
        cases = [
            # method, headers, status, whether the page may read it, whether it may be embedded
            ("GET", {"Origin": front, "Sec-Fetch-Site": "cross-site"}, 200, True, True),
            ("GET", {"Referer": front + "/x", "Sec-Fetch-Site": "cross-site"}, 200, False, True),
            (
                "GET",
                {"Referer": "https://evil.example/", "Sec-Fetch-Site": "cross-site"},
                403,
                False,
                False,
            ),
            (
                "GET",
                {"Referer": front + ".evil.example/", "Sec-Fetch-Site": "cross-site"},
                403,
                False,
                False,
            ),
            ("GET", {"Referer": "http://[/"}, 200, False, False),
            ("GET", {"Origin": "null"}, 200, False, False),
            ("POST", {"Origin": front, "Sec-Fetch-Site": "cross-site"}, 405, True, True),
            ("POST", {"Referer": front, "Sec-Fetch-Site": "cross-site"}, 403, False, True),
            ("OPTIONS", {"Origin": front, "Access-Control-Request-Method": "POST"}, 204, True, True),
            ("OPTIONS", {"Origin": "https://evil.example"}, 405, False, False),
        ]
        for method, headers, status, reads, embeds in cases:
            async with it.http.request(method, "/v1/engines", headers=headers) as answer:
                got = answer.headers
                assert answer.status == status, headers
                assert (got.get("Access-Control-Allow-Origin") == front) is reads, headers
                assert (got["Cross-Origin-Resource-Policy"] == "cross-origin") is embeds, headers
                assert "Origin" in got["Vary"]
                if status == 204:
                    assert "POST" in got["Access-Control-Allow-Methods"]
    async with served(data_dir) as it, it.http.get("/v1/engines", headers={"Origin": front}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_probes_are_answered_by_whatever_name_and_the_data_is_the_owner_s_alone(data_dir):
    async with served(data_dir) as it:
        for path, status in (("/healthz", 200), ("/metrics", 200), ("/v1/jobs", 421)):
            async with it.http.get(path, headers={"Host": "lipstream:8010"}) as answer:
                assert answer.status == status
        assert it.state.folder.root.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("path", ["videos", "lipsync", "enhancements", "templates/sample/backgrounds"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_full_queue_refuses_before_anything_of_a_body_has_come(data_dir, path, kind):
    async with served(data_dir, jobs=1, waiting=1) as it:
        await it.begun(await it.video("A long one. " * 30, **SLOW))
        await it.video("It waits.")
        head = f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", it.http._base_url.port)
        writer.write(f"{head}Content-Length: 1000000\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: " in answer
