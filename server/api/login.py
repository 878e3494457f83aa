"""Come in by the page: a form takes a key and gives a cookie."""

from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from server.access.caller import NOBODY, caller
from server.access.cookies import COOKIE, LIFE_S, SIGNED_IN
from server.api.route import Route
from server.errors import Refused
from server.state import state_of
from server.uploads import read_body

_PAGE = Path(__file__).parents[2] / "static" / "login.html"
_BESIDE: Final = ""
"""The path of cookies: where this form is, wherever a proxy has put it."""

_FORM = "application/x-www-form-urlencoded"


@cache
def _page() -> str:
    return _PAGE.read_text()


def login_page(status: int = 200) -> web.Response:
    """The form."""
    # With no-referrer, as our other answers have it, browsers send forms with `Origin: null`.
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return web.Response(status=status, text=_page(), content_type="text/html", headers=headers)


async def show_login(request: web.Request) -> web.StreamResponse:
    """The form; it also lets people out."""
    return login_page()


async def login(request: web.Request) -> web.StreamResponse:
    """Take a key; with the right one to the page, with a cookie that scripts cannot read."""
    if request.content_type != _FORM:
        raise Refused(415, "unsupported_media_type", f"send {_FORM}", "Content-Type")
    fields = parse_qs((await read_body(request)).decode(errors="replace"))
    key = state_of(request).keys.find(fields.get("key", [""])[0].strip())
    if key is None:
        return login_page(401)
    answer = web.Response(status=303, headers={"Location": "./"})
    # Behind a proxy only the browser knows that it came by https.
    secure = request.headers.get("Origin", "").lower().startswith("https://")
    answer.set_cookie(
        COOKIE,
        state_of(request).cookies.token(key),
        max_age=LIFE_S,
        path=_BESIDE,
        secure=secure,
        httponly=True,
        samesite="Strict",
    )
    return answer


def tell_signed_in(answer: web.StreamResponse) -> None:
    """Have the page know that there is something to sign out of."""
    if caller.get().key:
        answer.set_cookie(SIGNED_IN, "1", path=_BESIDE, samesite="Strict")


async def logout(request: web.Request) -> web.StreamResponse:
    """Take the cookies back."""
    answer = web.Response(status=303, headers={"Location": "./"})
    for name in (COOKIE, SIGNED_IN):
        answer.del_cookie(name, path=_BESIDE, samesite="Strict")
    return answer


def is_nobody() -> bool:
    """Whether who asks has shown no key, and should."""
    return caller.get() == NOBODY


ROUTES = [
    Route(
        "GET", "/login", show_login, "The form for a key, of the page", {200: "text/html"}, access="public"
    ),
    Route(
        "POST",
        "/login",
        login,
        "Show a key, get a cookie for the page",
        {303: None, 401: "text/html"},
        form={"key": {"type": "string"}},
        refuses=(413, 415),
        access="public",
    ),
    Route("POST", "/logout", logout, "Give the cookie back", {303: None}, access="public"),
]
