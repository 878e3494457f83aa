"""Whom the server lets in, and to what: keys, scopes, and whose the thing is that an address names.

All of it by the route and its path, before a handler runs: one that is added later is behind the gate too,
and needs the scope `admin` until its `Route` says otherwise.
"""

from collections.abc import Collection, Iterable
from contextvars import ContextVar

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler, Middleware

from core.errors import BadInput, UnknownJob
from server.access.caller import NOBODY, Caller, caller
from server.access.cookies import COOKIE
from server.api.route import Access, Route, Work
from server.errors import Refused, meant
from server.state import AppState, state_of
from server.store.batches import unknown_batch
from server.store.owners import Left, Thing, exceeded
from server.stream.sockets import PROTOCOL

KEY_PROTOCOL = "lipstream.key."
"""What a WebSocket's subprotocol begins with that brings a key: pages cannot send other headers with one."""

_CHANGES = {"DELETE": "delete", "PATCH": "rename"}
"""What is not for everybody to do to what is everybody's."""

_left: ContextVar[tuple[Left, ...]] = ContextVar("quotas", default=())


def gate(routes: Iterable[Route], public: Collection[str] = ()) -> Middleware:
    """The middleware. routes: what there is. public: addresses besides that anybody may GET."""
    known = {(route.method, route.address): route for route in routes}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        caller.set(NOBODY)
        _left.set(())
        _check_protocols(request)
        state, method = state_of(request), "GET" if request.method == "HEAD" else request.method
        resource = request.match_info.route.resource
        address = resource.canonical if resource is not None else ""
        route = known.get((method, address))
        needed: Access = "admin" if resource is not None else "read"
        if route is not None:
            needed = route.needs
        elif method == "GET" and address in public:
            needed = "public"
        asking = _caller(request, state, strict=needed != "public")
        caller.set(asking)
        if needed != "public":  # also of what is not there: that is for those to know who may come in
            asking.require(needed)
            await _check_path(request, state, asking)
        if route is not None:
            _check_query(request, route)
        if route is not None and route.starts is not None:
            await admit(request, route.starts)
        if route is not None:
            await _invite(request)
        try:
            with state.opened.by(asking.key, request.transport):
                return await handler(request)
        except BadInput as error:
            called = route.fields.get(error.param or "") if route is not None else None
            if called is None:
                raise
            raise BadInput(error.code, error.message, called) from error

    return check


async def _invite(request: web.Request) -> None:
    """Have a client send its body that waits to be asked (`Expect: 100-continue`). Raises 417."""
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:
        return
    if expected.lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="Expect is 100-continue, or nothing")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # nothing of the answer is out yet


def _check_query(request: web.Request, route: Route) -> None:
    """Raises Refused for a parameter that is like one that there is; others are passed over, as anywhere.

    The older services' clients have parameters of their own.
    """
    if not route.path.startswith("/v1/"):
        return
    for name in request.query:
        if name not in route.query and (likely := meant(name, route.query)):
            raise Refused(422, "invalid_request", f"there is no parameter {name[:80]}{likely}", name[:80])


def _caller(request: web.Request, state: AppState, *, strict: bool) -> Caller:
    """Who asks. strict: raises Refused 401 for a key that is none, which is not the same as no key."""
    if not state.keys.asked:
        return Caller()
    secret = _secret(request)
    if secret is not None:
        key = state.keys.find(secret)
        if key is None and not strict:
            return NOBODY
        if key is None:
            raise Refused(
                401,
                "unknown_key",
                "this key opens nothing here; keys are made by: lipstream keys add NAME",
                "Authorization",
                {"WWW-Authenticate": 'Bearer realm="lipstream", error="invalid_token"'},
            )
        return key.caller
    cookie = request.cookies.get(COOKIE)
    key = state.cookies.key(cookie) if cookie else None
    return key.caller if key is not None else NOBODY


def _secret(request: web.Request) -> str | None:
    """The key that a program sends."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip()
    if "X-API-Key" in request.headers:  # as LiveAvatar's clients send it
        return request.headers["X-API-Key"]
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    keys = (name.strip().removeprefix(KEY_PROTOCOL) for name in offered if KEY_PROTOCOL in name)
    return next(keys, None)


def _check_protocols(request: web.Request) -> None:
    """Raises Refused for a key that comes alone: what is offered is said again or logged."""
    offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if any(name.startswith(KEY_PROTOCOL) for name in offered) and PROTOCOL not in offered:
        message = f"offer the subprotocol {PROTOCOL} too, beside the key"
        raise Refused(400, "no_protocol", message, "Sec-WebSocket-Protocol")


async def _check_path(request: web.Request, state: AppState, asking: Caller) -> None:
    """Raises what there would be for something that is not there, if the path names another's."""
    if asking.only is None:
        return
    named = request.match_info
    if "job_id" in named and not asking.sees_job(await state.store.get(named["job_id"])):
        raise UnknownJob(f"there is no job {named['job_id']!r}")
    if "batch_id" in named and (await state.store.batches.get(named["batch_id"])).owner != asking.only:
        raise unknown_batch(named["batch_id"])
    kinds: tuple[Thing, ...] = ("template", "voice")
    for kind in kinds:
        if kind not in named:
            continue
        name = named[kind]
        if not state.ownership.sees(kind, name):
            see = "; see /v1/voices" if kind == "voice" else ""
            raise Refused(404, f"unknown_{kind}", f"there is no {kind} {name!r}{see}", kind)
        if request.method in _CHANGES and not state.ownership.may_change(kind, name):
            what = _CHANGES[request.method]
            raise Refused(
                403, "not_yours", f"the {kind} {name!r} is everybody's: an admin may {what} it", kind
            )


async def admit(request: web.Request, starts: Work) -> None:
    """Raises Refused, TooManyJobs or OverQuota where there is no room for more work: before a byte of the
    body is read, so that saying no costs nothing."""
    state, asking = state_of(request), caller.get()
    state.take_jobs()
    # A repeated request may be of a job that is there already.
    again = "Idempotency-Key" in request.headers
    if asking.owner and starts != "look":
        left = tuple(await state.store.owners.left(asking.owner, asking.quota))
        _left.set(left)
        exceeded(one for one in left if not again and (starts == "job" or one.resource == "minutes"))
    if starts == "speech":
        state.speaking.check()
    elif starts == "look":
        state.looking.check()
    if starts == "job" and not again:
        await state.store.check_room()
    if starts != "look":
        state.runner.expect()


async def tell_quota(request: web.Request, response: web.StreamResponse) -> None:
    """Say how much is left, of the quota that is nearest its end (`on_response_prepare`)."""
    if left := _left.get():
        nearest = min(left, key=lambda one: one.remains / one.limit)
        response.headers["X-RateLimit-Resource"] = nearest.resource
        response.headers["X-RateLimit-Limit"] = f"{nearest.limit:g}"
        response.headers["X-RateLimit-Remaining"] = f"{nearest.remains:g}"
        response.headers["X-RateLimit-Reset"] = str(nearest.reset_s)
