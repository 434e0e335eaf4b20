"""Lets only the operator's own browser in, and tells it what a page may do.

A page of another origin can send requests to a port of this machine. It gets nowhere: the host has to be the console's own
(DNS rebinding), a request that another page caused is refused, and so is a form that the console didn't make.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Final

from aiohttp import web

from tabard_sidecar.console.sessions import Session, Sessions

SESSION: Final = web.RequestKey("session", Session)
FORM_TOKEN = "form_token"  # noqa: S105 - a field's name
LOGIN = "login"
STYLE = "console.css"
ICON = "icon.svg"
MOST_BODY_BYTES = 128 * 1024
_FORM = "application/x-www-form-urlencoded"
_OPEN = frozenset({LOGIN, STYLE, ICON})
_BY_LINK = "Open the console by the link that the command printed."
_ELSEWHERE = "Another page sent this. Open the console by itself."
_SAME_PAGE = frozenset({"", "same-origin", "none"})
_HEADERS = {
    # No script at all: a text that got past the escaping still couldn't run.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The port is part of the origin, so no other server of this machine learns the path. With `no-referrer` browsers would
    # send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def new_base() -> str:
    """Return the path below which a console is. It can't be guessed.

    Browsers send a cookie to every port of a host, but only to its path: without it, another server of this machine could
    have the browser send it the session.
    """
    return f"/{secrets.token_urlsafe(16)}"


class Guard:
    """Answers what isn't a request of the operator's own browser.

    Args:
        base: path below which the console is.
        sessions: knows which browsers have signed in.
        refusal: makes the page for a browser that isn't signed in, from its status and what to do.
        keep: keeps the connection of a browser that has signed in.
    """

    def __init__(
        self,
        base: str,
        sessions: Sessions,
        refusal: Callable[[HTTPStatus, str], web.Response],
        keep: Callable[[web.Request], None],
    ) -> None:
        self._base = base
        self._sessions = sessions
        self._refusal = refusal
        self._keep = keep
        self.hosts: frozenset[str] = frozenset()
        """Hosts with their port under which browsers reach the console."""

    @property
    def cookie(self) -> str:
        """Name of the cookie."""
        return "tabard-console"

    async def __call__(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Answer a request."""
        answer = self._refused(request) or await self._answer(request, handler)
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers["Server"] = "tabard"
        return answer

    def _refused(self, request: web.Request) -> web.Response | None:
        """Return the refusal of a request that can't come from a page of the console; ``None`` if it may."""
        if request.headers.getall("Host", []) != [request.host] or request.host not in self.hosts:
            return _stranger(HTTPStatus.MISDIRECTED_REQUEST, _BY_LINK)
        if not request.path.startswith(f"{self._base}/"):
            return _stranger(HTTPStatus.NOT_FOUND, _BY_LINK)
        login = request.path == f"{self._base}/{LOGIN}"
        if not login and request.headers.get("Sec-Fetch-Site", "") not in _SAME_PAGE:
            return _stranger(HTTPStatus.FORBIDDEN, _ELSEWHERE)
        if (
            request.method not in {"GET", "HEAD"}
            and request.headers.get("Origin") != f"http://{request.host}"
        ):
            return _stranger(HTTPStatus.FORBIDDEN, _ELSEWHERE)
        return None

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.path.removeprefix(f"{self._base}/") in _OPEN:
            return await handler(request)
        session = next(filter(None, map(self._sessions.find, _cookies(request, self.cookie))), None)
        if session is None:
            return self._refusal(
                HTTPStatus.UNAUTHORIZED,
                "You aren't signed in, or your session is over. Press Enter where the console runs: it prints a new link.",
            )
        self._keep(request)
        if request.method == "POST":
            refused = await _form_refused(request, session)
            if refused is not None:
                return self._refusal(*refused)
        request[SESSION] = session
        return await handler(request)


def _cookies(request: web.Request, name: str) -> Iterator[str]:
    """Yield every value that a cookie has: another server of this machine may have set one of the same name."""
    for line in request.headers.getall("Cookie", []):
        for one in line.split(";"):
            found, _, value = one.strip(" \t").partition("=")
            if found == name:
                yield value


async def _form_refused(request: web.Request, session: Session) -> tuple[HTTPStatus, str] | None:
    """Return with which status and text a form is refused; ``None`` if it is one of this session's."""
    try:
        form = await request.post() if request.content_type == _FORM else {}
    except web.HTTPRequestEntityTooLarge:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This form is too large."
    except (LookupError, ValueError):
        return HTTPStatus.BAD_REQUEST, "This isn't a form of the console."
    if session.sent(str(form.get(FORM_TOKEN, ""))):
        return None
    return HTTPStatus.FORBIDDEN, "This form is too old. Go back, reload the page and try again."


def _stranger(status: HTTPStatus, text: str) -> web.Response:
    """Return the refusal for one that may not know the console's path: it holds no link."""
    return web.Response(text=f"{text}\n", status=status)


def signed_in(answer: web.Response, name: str, base: str, session: Session) -> web.Response:
    """Return the answer, which gives the browser its session."""
    answer.set_cookie(name, session.token, path=f"{base}/", httponly=True, samesite="Strict")
    return answer
