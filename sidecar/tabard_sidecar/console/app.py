"""Answers the browser: which page belongs to which address."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from aiohttp import web

from tabard_sidecar import exit_codes
from tabard_sidecar.approvals.grouping import is_group
from tabard_sidecar.console import approvals, decisions, policy, revocations, tasks
from tabard_sidecar.console.decision import decision_page
from tabard_sidecar.console.explainer import Explainer
from tabard_sidecar.console.feed import Feed, contradict
from tabard_sidecar.console.guard import ICON, LOGIN, MOST_BODY_BYTES, SESSION, STYLE, Guard, signed_in
from tabard_sidecar.console.html import Html, tag
from tabard_sidecar.console.jobs import Jobs, Kind
from tabard_sidecar.console.layout import Site, notice, page
from tabard_sidecar.console.sessions import Sessions
from tabard_sidecar.console.sidecar import Sidecar
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.util.lean import dataclass

_REFRESH_SECONDS = "1"
_BUSY_SECONDS = "2"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where pages get what they show.

    Attributes:
        sidecar: the sidecar, or the control service.
        feed: the decisions; ``None`` if no log is read.
        absent: why no log is read.
        explainer: why decisions were made; ``None`` if no log is read.
        jobs: replays and proposals.
    """

    sidecar: Sidecar
    feed: Feed | None
    absent: str
    explainer: Explainer | None
    jobs: Jobs


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
        router.add_get(f"{base}/tasks", self._tasks)
        router.add_get(f"{base}/tasks/{{id}}", self._task)
        router.add_get(f"{base}/approvals", self._approvals)
        router.add_get(f"{base}/approvals/{{id}}", self._approval)
        router.add_post(f"{base}/approvals/{{id}}", self._decide)
        router.add_get(f"{base}/revocations", self._revocations)
        router.add_get(f"{base}/revoke", self._confirm)
        router.add_post(f"{base}/revoke", self._revoke)
        router.add_get(f"{base}/policy", self._policy)
        router.add_post(f"{base}/policy/{{kind}}", self._start)
        router.add_post(f"{base}/policy/{{kind}}/{policy.STOP}", self._stop)
        router.add_get(f"{base}/policy/{policy.PATCH}", self._patch)

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
        name, feed = request.match_info["id"], self._from.feed
        # What is in the list before the log is read again is in the log then, too.
        rows = feed.of_decision(name) if feed is not None else ()
        found = await self._from.explainer.explained(name)
        if found is None:
            return self._not_found(request, "The log doesn't hold this decision.")
        disputed = contradict(rows, found.entry)
        answer = html(decision_page(self._site, request[SESSION], found, disputed=disputed))
        if found.waiting:
            answer.headers["Refresh"] = _REFRESH_SECONDS
        return answer

    async def _tasks(self, request: web.Request) -> web.StreamResponse:
        wanted = _filter(request, tasks.FIELDS)
        page_token = request.query.get("page", "")
        found = await asyncio.to_thread(self._from.sidecar.tasks, tasks.SIZE, page_token, **wanted)
        return html(tasks.list_page(self._site, request[SESSION], found, wanted))

    async def _task(self, request: web.Request) -> web.StreamResponse:
        task = await asyncio.to_thread(self._from.sidecar.task, request.match_info["id"])
        feed = self._from.feed
        rows = feed.of_task(task["task_id"], tasks.DECISIONS) if feed is not None else ()
        return html(tasks.task_page(self._site, request[SESSION], task, rows))

    async def _approvals(self, request: web.Request) -> web.StreamResponse:
        wanted, decided = _filter(request, approvals.FIELDS), bool(request.query.get("all"))
        ask = partial(self._from.sidecar.approvals, request.query.get("page", ""), decided=decided, **wanted)
        found = await asyncio.to_thread(ask)
        return html(approvals.list_page(self._site, request[SESSION], found, wanted, decided=decided))

    async def _approval(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        rows = await asyncio.to_thread(self._approvals_of, name)
        return html(approvals.approval_page(self._site, request[SESSION], name, rows))

    def _approvals_of(self, name: str) -> list[dict[str, Any]]:
        sidecar = self._from.sidecar
        return sidecar.group(name) if is_group(name) else [sidecar.approval(name)]

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        if not self._site.changes:
            return html(revocations.not_allowed(self._site, request[SESSION]), HTTPStatus.FORBIDDEN)
        form, name = await request.post(), request.match_info["id"]
        approve, token = form.get("decision") == "approve", str(form.get("token", "")).strip()
        seen = [str(one) for one in form.getall(approvals.SEEN, [])]
        denied = {str(one) for one in form.getall(approvals.DENIED, [])} if approve else set(seen)
        sidecar = self._from.sidecar
        if is_group(name):
            approved = [one for one in seen if one not in denied]
            rest = [one for one in seen if one in denied]
            ask = partial(sidecar.decide_group, name, token, approved=approved, denied=rest)
            rows = await asyncio.to_thread(ask)
        else:
            rows = [await asyncio.to_thread(partial(sidecar.decide, name, token, approve=approve))]
        return html(approvals.decided_page(self._site, request[SESSION], rows))

    async def _revocations(self, request: web.Request) -> web.StreamResponse:
        rows = await asyncio.to_thread(self._from.sidecar.revocations)
        kind = request.query.get("kind", "")
        return html(revocations.list_page(self._site, request[SESSION], rows, kind))

    async def _confirm(self, request: web.Request) -> web.StreamResponse:
        if not self._site.changes:
            return html(revocations.not_allowed(self._site, request[SESSION]), HTTPStatus.FORBIDDEN)
        aim = revocations.Aim.read(request.query)
        if aim is None:
            return html(revocations.unknown_aim(self._site, request[SESSION]), HTTPStatus.BAD_REQUEST)
        task = await asyncio.to_thread(self._from.sidecar.task, aim.target) if aim.kind == "task" else None
        return html(revocations.confirm_page(self._site, request[SESSION], aim, task))

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        if not self._site.changes:
            return html(revocations.not_allowed(self._site, request[SESSION]), HTTPStatus.FORBIDDEN)
        form, aim = await request.post(), revocations.Aim.read(request.query)
        if aim is None:
            return html(revocations.unknown_aim(self._site, request[SESSION]), HTTPStatus.BAD_REQUEST)
        reason = str(form.get("reason", ""))[: revocations.MOST_REASON]
        row = await asyncio.to_thread(self._from.sidecar.revoke, aim.kind, aim.target, aim.issuer, reason)
        return html(revocations.done_page(self._site, request[SESSION], row))

    async def _policy(self, request: web.Request) -> web.StreamResponse:
        jobs, shadow = self._from.jobs, await asyncio.to_thread(self._shadow)
        logs = self._from.feed is not None
        answer = html(policy.policy_page(self._site, request[SESSION], shadow, jobs, logs=logs))
        if jobs.busy:
            answer.headers["Refresh"] = _BUSY_SECONDS
        return answer

    def _shadow(self) -> dict[str, Any] | str:
        try:
            return self._from.sidecar.shadow()
        except Failure as error:
            return error.message

    async def _start(self, request: web.Request) -> web.StreamResponse:
        kind = self._offered(request)
        if kind is None:
            return self._not_found(request, "There is nothing of this name to run.")
        self._from.jobs.start(kind)
        return self._to_policy()

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        kind = self._offered(request)
        if kind is None:
            return self._not_found(request, "There is nothing of this name to stop.")
        await self._from.jobs.end(kind)
        return self._to_policy()

    def _offered(self, request: web.Request) -> Kind | None:
        name = request.match_info["kind"]
        kind = Kind(name) if name in set(Kind) else None
        return kind if kind is not None and self._from.jobs.offers(kind) else None

    def _to_policy(self) -> web.Response:
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": self._site.links.to("policy")})

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        state = self._from.jobs.state(Kind.SUGGEST)
        if state is None or not state.patch:
            return self._not_found(request, "There is no patch.")
        headers = {"Content-Disposition": f'attachment; filename="{policy.PATCH}"'}
        return web.Response(text=state.patch, content_type="text/x-diff", charset="utf-8", headers=headers)

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


def _filter(request: web.Request, fields: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Return those parts of a filter that an address names."""
    found = {name: request.query.get(name, "").strip() for name, *_ in fields}
    return {name: text for name, text in found.items() if text}


def html(text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a page as an answer."""
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


async def _answering(site: Site, handler: _Handler, request: web.Request) -> web.StreamResponse:
    """Return what a handler answers; of a failure, a page that tells it."""
    try:
        return await handler(request)
    except Failure as error:
        body = [tag("h1", "That didn't work"), notice(error.message, "bad"), *_next(error)]
        unreachable = error.exit_code == exit_codes.UNREACHABLE
        status = HTTPStatus.BAD_GATEWAY if unreachable else HTTPStatus.BAD_REQUEST
        return html(page(site, "Failed", body, session=request.get(SESSION)), status)
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
