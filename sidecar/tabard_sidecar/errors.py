"""The two exceptions that stand for a request that isn't allowed."""

from __future__ import annotations

from typing import Literal

from tabard_sidecar.reasons import ReasonCode

StatusName = Literal[
    "ABORTED",
    "DEADLINE_EXCEEDED",
    "FAILED_PRECONDITION",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
]
"""Name of a gRPC status code with which the sidecar answers when it makes no decision."""


class Refused(Exception):
    """A check failed: the request is answered with a deny that carries this reason.

    Attributes:
        code: stable reason code, documented in :mod:`tabard_sidecar.reasons`.
        message: what happened, for the operator's logs; never holds a secret, and isn't told to agents.
        argument: the argument of the caller's own call that it is about, which the caller is told; or empty.
    """

    def __init__(self, code: ReasonCode, message: str, *, argument: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.argument = argument


class NoDecision(Exception):
    """No decision could be made: the call ends with a gRPC error, which every client treats as a deny.

    Attributes:
        status: name of a gRPC status code, for example ``"UNAVAILABLE"``.
        code: reason for ``google.rpc.ErrorInfo``, documented in :mod:`tabard_sidecar.reasons`.
        message: what happened and what to do next, for operators and their logs; never holds a secret.
        told: what agents are told in place of the code's title. It may only speak of the caller's own request.
    """

    def __init__(self, status: StatusName, code: ReasonCode, message: str, *, told: str = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.told = told
