"""Obtains an actor token for the sidecar's client itself, for identity providers that take only tokens of their own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.exchange import faults
from tabard_sidecar.credentials.exchange.acting import Actor, actor_of
from tabard_sidecar.credentials.exchange.faults import ExchangeFault, misconfigured, unavailable
from tabard_sidecar.credentials.exchange.replies import issued_token, read_reply
from tabard_sidecar.util.bounded_http import check_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FORM = {"grant_type": "client_credentials"}
# A refusal says not which token was bad, and comes for each call of a person who signed out.
_FORGET_AFTER_SECONDS = 30.0
_MOST_SECONDS = 86_400.0


class ClientActor:
    """An actor token by the grant client credentials (RFC 6749, section 4.4), kept while half of its life is left.

    Args:
        ask: sends a form to the token endpoint; returns status and content.
        uptime: monotonic seconds.
    """

    def __init__(
        self,
        ask: Callable[[Mapping[str, str]], tuple[int, bytes]],
        uptime: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._uptime = uptime
        self._lock = threading.Lock()
        self._kept: Actor | None = None
        self._since = self._renew_at = 0.0

    def get(self) -> Actor:
        """Return the token. One thread asks for a new one; others wait for it, each as long as it has time.

        Raises:
            ExchangeFault: there is none. Nothing was asked for a person.
        """
        if not self._lock.acquire(timeout=check_time(faults)):
            raise unavailable("no actor token came in time", nothing_done=True)
        try:
            if self._kept is None or self._uptime() >= self._renew_at:
                self._kept = None
                self._kept = self._obtained()
            return self._kept
        finally:
            self._lock.release()

    def refused(self, actor: Actor) -> None:
        """Forget a token, unless it is new, because one that was sent with it was refused or it was."""
        with self._lock:
            if actor is self._kept and self._uptime() - self._since >= _FORGET_AFTER_SECONDS:
                self._kept = None

    def _obtained(self) -> Actor:
        began = self._uptime()
        try:
            reply = read_reply(*self._ask(_FORM))
        except ExchangeFault as fault:
            text = f"for the actor token (client credentials): {fault.message}"
            if fault.code == "exchange_unavailable":
                raise unavailable(text, nothing_done=True) from None
            # What is said of a person's token can't be meant.
            raise misconfigured(text) from None
        token = issued_token(reply)
        if token is None:
            raise misconfigured(
                "its reply for the actor token (client credentials) holds no usable access_token"
            )
        actor = actor_of(token, "the actor token that it gave for client credentials")
        self._since, self._renew_at = began, began + _life(reply.get("expires_in")) / 2
        return actor


def _life(value: object) -> float:
    """Return how long a token may be kept, in seconds: not at all if the reply doesn't say how long it lasts."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return max(0.0, min(float(value), _MOST_SECONDS))
