"""Identifies this sidecar's workload by the SPIFFE Workload API, which for example SPIRE's agent serves.

The platform attests the process that asks on the socket, and answers with SVIDs. They are checked against the trust bundle of
their trust domain, which comes over the same socket: who could replace the socket could name any workload.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from spiffe import WorkloadApiClient
from spiffe.errors import PySpiffeError
from tabard.trust import require_trusted

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.identity.svid import Identified, SvidError, WorkloadApiTerms, jwt_identity, x509_identity
from tabard_sidecar.model import Agent
from tabard_sidecar.util.files import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiffe.workloadapi.x509_context import X509Context

    from tabard_sidecar.interfaces import Clock

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 30.0


class _Answer(NamedTuple):
    """What became of a question: an identity, or a failure, after which the one before may count no more."""

    found: Identified | None = None
    failure: str = ""
    withdrawn: bool = False


class WorkloadApiAgent:
    """The workload that the Workload API says this process is.

    The API tells by itself of an SVID that follows another. Without an answer the last one counts until it expires. An API
    that says that this process has no identity withdraws it at once.

    Args:
        terms: the socket and the terms.
        clock: time in seconds since the epoch.
    """

    def __init__(self, terms: WorkloadApiTerms, *, clock: Clock) -> None:
        self._terms = terms
        self._clock = clock
        self._agent: Agent | None = None
        self._expires_at = float("-inf")
        self._failure = "it has not answered yet"
        self._stop = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def problem(self) -> str:
        """Why the last question failed; empty if it didn't."""
        return self._failure

    async def start(self) -> None:
        """Begin to follow the Workload API, in a thread, and wait a moment for its first answer."""
        loop = asyncio.get_running_loop()
        first = asyncio.Event()

        def take(answer: _Answer) -> None:
            self._take(answer)
            first.set()

        def tell(answer: _Answer) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(take, answer)

        name = "tabard-workload-api"
        self._thread = threading.Thread(target=self._follow, args=(tell,), name=name, daemon=True)
        self._thread.start()
        with suppress(TimeoutError):
            await asyncio.wait_for(first.wait(), _ANSWER_SECONDS)

    def current(self) -> Agent:
        """Return the identity of the last SVID, unless it has expired or was withdrawn."""
        if self._agent is None or self._clock() >= self._expires_at:
            raise NoDecision(
                "UNAVAILABLE",
                "agent_identity_unavailable",
                f"Workload API {self._terms.socket}: {self._failure or 'the SVID expired and was not renewed'}",
            )
        return self._agent

    async def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._over.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _ANSWER_SECONDS)
            self._thread = None

    def _take(self, answer: _Answer) -> None:
        """Use an answer, on the loop."""
        if answer.failure and answer.failure != self._failure:
            _log.error("no SVID", extra={"socket": str(self._terms.socket), "problem": answer.failure})
        self._failure = answer.failure
        if answer.withdrawn:
            self._agent = None
        if answer.found is not None:
            issuer = f"spiffe://{self._terms.trust_domain}"
            self._agent = Agent(id=answer.found.spiffe_id, issuer=issuer)
            self._expires_at = answer.found.expires_at

    def _follow(self, tell: Callable[[_Answer], None]) -> None:
        """Ask again and again, in the thread."""
        shortest = self._terms.pause_seconds
        pause = shortest
        while not self._stop.is_set():
            try:
                self._ask(tell)
                pause = shortest
            except Exception as error:  # noqa: BLE001 - a thread that ended would leave the identity to expire
                tell(_failed(error))
            self._stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _ask(self, tell: Callable[[_Answer], None]) -> None:
        """Take what the API says, until half of the SVID's life is over or the API says no more.

        Raises:
            Exception: the API can't be asked or refuses, or what it gives isn't acceptable.
        """
        require_trusted(self._terms.socket.parent)
        with WorkloadApiClient(f"unix:{self._terms.socket}", default_timeout=_ANSWER_SECONDS) as client:
            if self._terms.svid == "jwt":
                found = jwt_identity(client, self._terms)
                tell(_Answer(found))
                self._stop.wait(self._half_life(found))
                return
            found = self._x509(client.fetch_x509_context())
            tell(_Answer(found))
            self._over.clear()
            # What it raises, or what isn't acceptable, ends the stream, and the next question tells why.
            stream = client.stream_x509_contexts(
                lambda context: tell(_Answer(self._x509(context))),
                lambda _: self._over.set(),
                retry_connect=False,
            )
            try:
                if not self._stop.is_set():
                    self._over.wait(self._half_life(found))
            finally:
                stream.cancel()

    def _x509(self, context: X509Context) -> Identified:
        return x509_identity(context, self._terms, datetime.fromtimestamp(self._clock(), UTC))

    def _half_life(self, found: Identified) -> float:
        return max((found.expires_at - self._clock()) / 2, self._terms.pause_seconds)


def _failed(error: Exception) -> _Answer:
    """Return what a failed question means."""
    # The status of gRPC, on which a source of identities doesn't otherwise depend.
    status = getattr(error.__cause__, "code", None)
    if callable(status):
        code = getattr(status(), "name", "UNKNOWN")
        if code == "PERMISSION_DENIED":
            failure = "it gives this process no identity; register the workload, with selectors that fit it"
            return _Answer(failure=failure, withdrawn=True)
        return _Answer(failure=f"it can't be asked: {code}")
    if isinstance(error, OSError):
        return _Answer(failure=explain(error))
    if isinstance(error, PySpiffeError | SvidError):
        return _Answer(failure=str(error))
    return _Answer(failure=f"unexpected {type(error).__name__}")
