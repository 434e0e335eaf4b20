"""Answers the browser: which page belongs to which address."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from importlib.resources import files

from aiohttp import web

from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.console import decisions
from tabard_sidecar.console.decision import decision_page
from tabard_sidecar.console.explainer import Explainer
from tabard_sidecar.console.feed import Feed
from tabard_sidecar.console.guard import ICON, LOGIN, MOST_BODY_BYTES, SESSION, STYLE, Guard, signed_in
from tabard_sidecar.console.html import Html, tag
from tabard_sidecar.console.layout import Site, notice, page
from tabard_sidecar.console.sessions import Sessions
from tabard_sidecar.console.sidecar import Sidecar
from tabard_sidecar.util.lean import dataclass

_REFRESH_SECONDS = "1"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where pages get what they show.

    Attributes:
        sidecar: the sidecar, or the control service.
        feed: the decisions; ``None`` if no log is read.
        absent: why no log is read.
        explainer: why decisions were made; ``None`` if no log is read.
    """

    sidecar: Sidecar
    feed: Feed | None
    absent: str
    explainer: Explainer | None


def style() -> bytes:
    """Return the style sheet."""
    return files("tabard_sidecar.console").joinpath("console.css").read_bytes()


def version(content: bytes) -> str:
    """Return what tells versions of a file apart."""
    return hashlib.sha256(content).hexdigest()[:12]


def create_app(
    site: Site, sessions: Sessions, sources: Sources, keep: Callable[[web.Request], None]
) -> tuple[web.Application, Guard]:
    """Return the application and what guards it; the guard has yet to be told its hosts.

    Args:
        site: what all pages have in common.
        sessions: knows which browsers have signed in.
        sources: where pages get what they show.
        keep: keeps the connection of a browser that has signed in.
    """
    guard = Guard(site.links.base, sessions, partial(_refusal, site), keep)

    @web.middleware
    async def guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
        return await guard(request, partial(_answering, site, handler))

    app = web.Application(client_max_size=MOST_BODY_BYTES, middlewares=[guarded])
    Console(site, sessions, sources, guard.cookie).add_to(app)
    return app, guard


class Console:
    """Answers requests of a browser that has signed in.

    Args:
        site: what all pages have in common.
        sessions: knows which browsers have signed in.
        sources: where pages get what they show.
        cookie: name of the cookie.
    """

    def __init__(self, site: Site, sessions: Sessions, sources: Sources, cookie: str) -> None:
        self._site = site
        self._sessions = sessions
        self._from = sources
        self._cookie = cookie
        self._style = style()

    def add_to(self, app: web.Application) -> None:
        """Add the pages to an application."""
        base = self._site.links.base
        router = app.router
        router.add_get(f"{base}/{LOGIN}", self._login)
        router.add_get(f"{base}/{STYLE}", self._style_sheet)
        router.add_get(f"{base}/{ICON}", self._icon)
        router.add_post(f"{base}/sign-out", self._sign_out)
        router.add_get(f"{base}/", self._decisions)
        router.add_get(f"{base}/decisions/{{id}}", self._decision)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        session = self._sessions.sign_in(request.query.get("code", ""))
        if session is None:
            return _refusal(
                self._site,
                HTTPStatus.UNAUTHORIZED,
                "This link was used before, or is too old. Press Enter where the console runs: it prints a new one.",
            )
        answer = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": self._site.links.to()})
        return signed_in(answer, self._cookie, self._site.links.base, session)

    async def _style_sheet(self, _request: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return web.Response(body=self._style, content_type="text/css", charset="utf-8", headers=headers)

    async def _icon(self, _request: web.Request) -> web.StreamResponse:
        icon = files("tabard_sidecar.console").joinpath(ICON).read_bytes()
        return web.Response(body=icon, content_type="image/svg+xml")

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        self._sessions.end(request[SESSION])
        answer = _refusal(
            self._site,
            HTTPStatus.OK,
            "You are signed out. Press Enter where the console runs: it prints a new link.",
        )
        answer.del_cookie(self._cookie, path=f"{self._site.links.base}/")
        return answer

    async def _decisions(self, request: web.Request) -> web.StreamResponse:
        await self._greet()
        text = decisions.list_page(
            self._site, request[SESSION], self._from.feed, self._from.absent, request.query
        )
        answer = html(text)
        if request.query.get("live") and not request.query.get("before"):
            answer.headers["Refresh"] = str(decisions.LIVE_SECONDS)
        return answer

    async def _decision(self, request: web.Request) -> web.StreamResponse:
        if self._from.explainer is None:
            return self._not_found(request, self._from.absent)
        await self._greet()
        found = await self._from.explainer.explained(request.match_info["id"])
        if found is None:
            return self._not_found(request, "The log doesn't hold this decision.")
        answer = html(decision_page(self._site, request[SESSION], found))
        if found.waiting:
            answer.headers["Refresh"] = _REFRESH_SECONDS
        return answer

    async def _greet(self) -> None:
        """Learn which sidecar answers, if it isn't known yet."""
        if not self._site.zone():
            try:
                await asyncio.to_thread(self._from.sidecar.tasks, 1, "")
            except Failure:
                return

    def _not_found(self, request: web.Request, text: str) -> web.Response:
        body = [tag("h1", "Not found"), notice(text)]
        return html(page(self._site, "Not found", body, session=request[SESSION]), HTTPStatus.NOT_FOUND)


def html(text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a page as an answer."""
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


async def _answering(site: Site, handler: _Handler, request: web.Request) -> web.StreamResponse:
    """Return what a handler answers; of a failure, a page that tells it."""
    try:
        return await handler(request)
    except Failure as error:
        body = [tag("h1", "That didn't work"), notice(error.message, "bad"), *_next(error)]
        session = request.get(SESSION)
        return html(page(site, "Failed", body, session=session), HTTPStatus.BAD_GATEWAY)
    except OSError as error:
        body = [tag("h1", "That didn't work"), notice(f"{error.filename or ''}: {error.strerror}", "bad")]
        return html(page(site, "Failed", body, session=request.get(SESSION)), HTTPStatus.BAD_GATEWAY)
    except web.HTTPException as error:
        return _refusal(site, HTTPStatus(error.status), "")


def _next(error: Failure) -> list[Html]:
    return [tag("p", tag("b", "Next: "), error.next_step)] if error.next_step else []


def _refusal(site: Site, status: HTTPStatus, text: str) -> web.Response:
    title = "Tabard console" if status is HTTPStatus.OK else status.phrase
    return html(page(site, title, [tag("h1", title), tag("p", text)]), status)
