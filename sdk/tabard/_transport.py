"""Options, deadlines and retries of calls, shared by the synchronous and the asyncio client."""

from __future__ import annotations

import random
import sys
import time
import uuid
from typing import TYPE_CHECKING

import grpc

from tabard import errors
from tabard._lean import dataclass
from tabard.address import AddressError, check_client
from tabard.project import client_address

if TYPE_CHECKING:
    from collections.abc import Collection

    from tabard._hooks import OnApproval, OnDenied

Metadata = tuple[tuple[str, str], ...]

DEFAULT_TIMEOUT_SECONDS = 5.0
MAX_ATTEMPTS = 3
_ZONE = "tabard-zone"


@dataclass(frozen=True, slots=True)
class Options:
    """How a client calls.

    Attributes:
        address: where the sidecar listens.
        timeout_seconds: deadline of every call that names none, retries included.
        obligations: ids of the obligations that the caller fulfils.
        on_denied: what guarded functions do that aren't allowed, unless their guard says it.
        on_approval: what guarded functions do when a person has to approve first, unless their guard says it.
        zone: the only zone whose sidecar may start tasks; empty for any.
    """

    address: str
    timeout_seconds: float
    obligations: frozenset[str]
    on_denied: OnDenied | None = None
    on_approval: OnApproval | None = None
    zone: str = ""


def options(  # noqa: PLR0913 - how a client calls
    address: str | None,
    timeout_seconds: float,
    obligations: Collection[str],
    on_denied: OnDenied | None = None,
    on_approval: OnApproval | None = None,
    *,
    zone: str = "",
) -> Options:
    """Check and return how a client calls.

    Raises:
        InvalidRequest: the address isn't one on this machine, or the timeout isn't positive.
    """
    if not timeout_seconds > 0:
        raise errors.InvalidRequest(
            "timeout_invalid", f"timeout_seconds must be positive, not {timeout_seconds}"
        )
    if isinstance(obligations, str):
        raise errors.InvalidRequest(
            "obligations_invalid", "obligations is a collection of ids, not one string"
        )
    try:
        checked = check_client(address or client_address())
    except AddressError as error:
        raise errors.InvalidRequest("address_invalid", str(error)) from error
    return Options(checked, timeout_seconds, frozenset(obligations), on_denied, on_approval, zone)


def request_id() -> str:
    """Return a new request id."""
    return uuid.uuid4().hex


class Attempts:
    """Deadline and retries of one call.

    Only UNAVAILABLE is retried, and only where repeating does no harm: the request has a request id, or changes nothing.
    Waits are jittered, so that the clients of a restarted sidecar don't all return at once.
    """

    __slots__ = ("_address", "_deadline", "_left", "_tried")

    def __init__(self, options: Options, timeout_seconds: float | None, *, repeatable: bool) -> None:
        self._address = options.address
        self._deadline = time.monotonic() + (timeout_seconds or options.timeout_seconds)
        self._left = MAX_ATTEMPTS - 1 if repeatable else 0
        self._tried = 0

    @property
    def remaining_seconds(self) -> float:
        """Time until the deadline, at least a millisecond."""
        return max(0.001, self._deadline - time.monotonic())

    def wait_seconds(self, error: grpc.RpcError) -> float:
        """Return how long to wait before the next attempt.

        Raises:
            TabardError: the call is not to be retried.
        """
        wait = random.uniform(0.05, 0.1) * (1 << self._tried)  # noqa: S311  # jitter, not a secret
        again = error.code() is grpc.StatusCode.UNAVAILABLE and self._left > 0
        if not again or wait >= self._deadline - time.monotonic():
            raise errors.from_rpc(error, self._address) from None
        self._left -= 1
        self._tried += 1
        return wait


def metadata(zone: str) -> Metadata | None:
    """Return what goes with every call: the zone that is meant, and the trace context."""
    traced = trace_metadata()
    return ((_ZONE, zone), *(traced or ())) if zone else traced


def trace_metadata() -> Metadata | None:
    """Return W3C trace context if this process uses OpenTelemetry and a span is current."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or not trace.get_current_span().get_span_context().is_valid:
        return None
    from opentelemetry import propagate  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple((key.lower(), value) for key, value in carrier.items())
