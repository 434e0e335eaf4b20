"""Runs the console until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp.http_exceptions import HttpProcessingError

from tabard_sidecar import exit_codes
from tabard_sidecar.console.app import Sources, create_app
from tabard_sidecar.console.app import style as style_sheet
from tabard_sidecar.console.app import version as version_of
from tabard_sidecar.console.explainer import Explain, Explainer
from tabard_sidecar.console.feed import Feed
from tabard_sidecar.console.guard import LOGIN, new_base
from tabard_sidecar.console.html import Links
from tabard_sidecar.console.jobs import Jobs, Kind
from tabard_sidecar.console.layout import Site
from tabard_sidecar.console.sessions import CODE_SECONDS, Sessions
from tabard_sidecar.console.sidecar import Sidecar
from tabard_sidecar.http.aiohttp_server import AiohttpServer, Bounds
from tabard_sidecar.http.pace import Pace
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.log_source import with_closed
from tabard_sidecar.operating.terminal import echo, echo_json, style
from tabard_sidecar.util.addresses import host_and_port
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.sockets import BindError

if TYPE_CHECKING:
    from aiohttp import web

    from tabard_sidecar.operating.log_source import LogSource
    from tabard_sidecar.operating.operator import Operator

_CONNECTIONS = 64
_KNOWN_SECONDS = 120.0
_IDLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for.

    Attributes:
        listen: where to listen, ``host:port``.
        changes: whether operators may change anything.
        session_seconds: how long a browser stays signed in.
        one_log: whether all files are of one log, which one sidecar writes.
        as_json: print the link as JSON.
    """

    listen: str
    changes: bool
    session_seconds: float
    one_log: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Given:
    """What the console shows.

    Attributes:
        asked: calls the operator surface.
        explaining: calls it for what takes longer.
        source: the decision logs; ``None`` if there are none.
        absent: why there are none.
        explain: asks policy why a decision was made.
        commands: what replays and proposes; see :class:`~tabard_sidecar.console.jobs.Jobs`.
    """

    asked: Operator
    explaining: Operator
    source: LogSource | None
    absent: str
    explain: Explain
    commands: dict[Kind, Sequence[str]]


class Serving:
    """A console that listens.

    Args:
        origin: scheme, host and port.
        base: path below which it is.
        sessions: knows which browsers have signed in.
    """

    def __init__(self, origin: str, base: str, sessions: Sessions) -> None:
        self.origin = origin
        self.base = base
        self._sessions = sessions

    def new_link(self) -> str:
        """Return a link that signs one browser in, once. The one before it works no more."""
        return f"{self.origin}{self.base}/{LOGIN}?code={self._sessions.new_code()}"


@asynccontextmanager
async def serving(wanted: Wanted, given: Given) -> AsyncIterator[Serving]:
    """Serve the console for the length of a block.

    Raises:
        Failure: the address can't be used.
    """
    base, sidecar = new_base(), Sidecar(given.asked, given.explaining)
    sessions = Sessions(wanted.session_seconds, time.monotonic)
    site = Site(
        Links(base),
        lambda: str(sidecar.told().get("zone", "")),
        lambda: _about(sidecar),
        wanted.changes,
        time.time,
        version_of(style_sheet()),
    )
    feed = explainer = None
    if given.source is not None:
        feed = Feed(given.source, one=wanted.one_log)
        files = partial(_files, given.source, one_log=wanted.one_log)
        explainer = Explainer(files, given.explain)
    jobs = Jobs(given.commands)
    logging.getLogger("aiohttp.server").addFilter(_is_own)
    server: list[AiohttpServer] = []

    def keep(request: web.Request) -> None:
        server[0].keep(request)

    app, guard = create_app(site, sessions, Sources(sidecar, feed, given.absent, explainer, jobs), keep)
    pace = Pace(each=10, all_together=40, known=200, patience=1.0)
    server.append(
        AiohttpServer(app, wanted.listen, Bounds(_CONNECTIONS, _KNOWN_SECONDS, _IDLE_SECONDS, pace))
    )
    try:
        await server[0].start()
    except BindError as error:
        raise Failure(
            str(error), exit_codes.CANNOT_BIND, next_step="Choose another --listen, or port 0."
        ) from error
    address = server[0].address
    guard.hosts = frozenset({address, f"localhost:{host_and_port(address)[1]}"})
    if feed is not None:
        feed.start()
    try:
        yield Serving(f"http://{address}", base, sessions)
    finally:
        await server[0].stop()
        await jobs.stop()
        if explainer is not None:
            await explainer.stop()
        if feed is not None:
            feed.stop()


def _is_own(record: logging.LogRecord) -> bool:
    """Tell whether a record is of a fault of ours, and no request that is no HTTP: it would quote strangers, and secrets."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _files(source: LogSource, *, one_log: bool) -> Sequence[Path]:
    """Return the files at this moment: one that was written may have been closed since."""
    return with_closed(source.files[-1:]) if one_log else source.files


def _about(sidecar: Sidecar) -> str:
    told = sidecar.told()
    if "zone" not in told:
        return f"{sidecar.address} hasn't answered"
    what = (
        "control service"
        if sidecar.remote
        else f"sidecar, process {told['pid']}, {told['config'] or 'no configuration file'}"
    )
    return f"{sidecar.address}: {what}"


async def run(wanted: Wanted, given: Given) -> None:
    """Serve the console until a signal stops it, and print links.

    Raises:
        Failure: the address can't be used.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(wanted, given) as served:
        _tell(served, wanted)
        if not wanted.as_json and sys.stdin is not None and sys.stdin.isatty():
            loop.add_reader(sys.stdin, lambda: _enter(served, wanted, loop))
        await stop.wait()


def _tell(served: Serving, wanted: Wanted) -> None:
    link = served.new_link()
    if wanted.as_json:
        echo_json({"url": link, "changes": wanted.changes}, indent=None)
        sys.stdout.flush()
        return
    mode = "changes allowed" if wanted.changes else "read-only; --allow-changes lets it revoke"
    echo(f"Open this link within {CODE_SECONDS / 60:g} minutes. It works once. ({mode})")
    echo(f"  {style(link, bold=True)}")
    if sys.stdin is not None and sys.stdin.isatty():
        echo("Enter prints a new link, Ctrl+C ends the console.")


def _enter(served: Serving, wanted: Wanted, loop: asyncio.AbstractEventLoop) -> None:
    """Print a new link when the operator presses Enter."""
    if sys.stdin.readline():
        _tell(served, wanted)
    else:
        loop.remove_reader(sys.stdin)
