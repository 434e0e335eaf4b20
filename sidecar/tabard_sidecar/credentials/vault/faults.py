"""Defines how requests to a vault fail, and what each failure proves."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tabard_sidecar.errors import StatusName
    from tabard_sidecar.reasons import ReasonCode

_STATUS: Mapping[ReasonCode, StatusName] = {
    "vault_unavailable": "UNAVAILABLE",
    "vault_refused": "FAILED_PRECONDITION",
    "vault_reply_invalid": "FAILED_PRECONDITION",
}
_SERVER_ERROR = 500
FORBIDDEN = 403
"""Status with which a vault refuses a token, or what its policies don't allow."""


class VaultFault(Exception):
    """A request to a vault didn't do what was asked.

    Attributes:
        code: the reason code.
        message: what happened, without a secret.
        nothing_done: True if it is certain that the vault did nothing: it wasn't asked, or refused.
        status: the HTTP status; 0 if there was none.
    """

    def __init__(
        self, code: ReasonCode, message: str, *, nothing_done: bool = False, status: int = 0
    ) -> None:
        super().__init__(message)
        self.code: ReasonCode = code
        self.message = message
        self.nothing_done = nothing_done
        self.status = status

    def again(self) -> VaultFault:
        """Return the same fault for another request; :func:`during` changes the message of each."""
        return VaultFault(self.code, self.message, nothing_done=self.nothing_done, status=self.status)

    @property
    def answered(self) -> bool:
        """True if it is certain that the vault doesn't work at the request any more.

        Without a reply, and with one that a gateway gives (502 to 504), it may.
        """
        if self.code != "vault_unavailable" or self.nothing_done:
            return True
        return self.status == _SERVER_ERROR

    def decisive(self, vault: str) -> NoDecision:
        """Return the error with which the call ends, for the vault of that configured name."""
        return NoDecision(_STATUS[self.code], self.code, f"vault.{vault}: {self.message}")


@contextmanager
def during(what: str, *, path: str, right: str = "") -> Iterator[None]:
    """Say in every fault what was being done at which path of the vault, and which right may be missing there."""
    try:
        yield
    except VaultFault as fault:
        hint = f"; a policy must allow {right} on {path}" if right and fault.status == FORBIDDEN else ""
        fault.message = f"{what} ({path}): {fault.message}{hint}"
        raise


def unavailable(message: str, *, nothing_done: bool = False, status: int = 0) -> VaultFault:
    """Return the fault of a vault that can't be reached or is out of order."""
    return VaultFault("vault_unavailable", message, nothing_done=nothing_done, status=status)


def refused(message: str) -> VaultFault:
    """Return the fault of a vault that can't do what is asked."""
    return VaultFault("vault_refused", message, nothing_done=True)


def invalid(message: str) -> VaultFault:
    """Return the fault of a reply that isn't acceptable."""
    return VaultFault("vault_reply_invalid", message)
