"""Defines how an exchange fails, and what each failure proves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard_sidecar.errors import StatusName
    from tabard_sidecar.reasons import ReasonCode

_STATUS: Mapping[ReasonCode, StatusName] = {
    "exchange_unavailable": "UNAVAILABLE",
    "exchange_refused": "FAILED_PRECONDITION",
    "exchange_reply_invalid": "FAILED_PRECONDITION",
}


class ExchangeFault(Exception):
    """An identity provider didn't do what was asked.

    Attributes:
        code: the reason code.
        message: what happened, without a secret.
        nothing_done: True if it is certain that it issued nothing: it wasn't asked, or refused.
    """

    def __init__(self, code: ReasonCode, message: str, *, nothing_done: bool = False) -> None:
        super().__init__(message)
        self.code: ReasonCode = code
        self.message = message
        self.nothing_done = nothing_done

    def decisive(self, server: str) -> NoDecision | Refused:
        """Return the error with which the call ends, for the server of that configured name."""
        message = f"exchange.{server}: {self.message}"
        status = _STATUS.get(self.code)
        return Refused(self.code, message) if status is None else NoDecision(status, self.code, message)


def unavailable(message: str, *, nothing_done: bool = False) -> ExchangeFault:
    """Return the fault of a server that can't be reached or is out of order."""
    return ExchangeFault("exchange_unavailable", message, nothing_done=nothing_done)


def invalid(message: str) -> ExchangeFault:
    """Return the fault of a reply that isn't acceptable."""
    return ExchangeFault("exchange_reply_invalid", message)


def misconfigured(message: str) -> ExchangeFault:
    """Return the fault of a set-up that isn't as the other side expects; nothing was issued."""
    return ExchangeFault("exchange_refused", message, nothing_done=True)
