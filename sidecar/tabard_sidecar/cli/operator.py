"""Calls a sidecar's operator socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click
from tabard.address import (
    CHANNEL_OPTIONS,
    OPERATOR,
    OPERATOR_VARIABLE,
    AddressError,
    check_client,
    default_address,
)

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure, error_page
from tabard_sidecar.cli.terminal import visible

if TYPE_CHECKING:
    import grpc

_Command = TypeVar("_Command", bound=Callable[..., object])
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_TIMEOUT_SECONDS = 10.0
# gRPC gives up an attempt to connect after this time. The sidecar's event loop accepts operators, and may be busy.
_CONNECT_MS = 5_000
_OPTIONS = tuple(
    (name, _CONNECT_MS if name == "grpc.min_reconnect_backoff_ms" else value)
    for name, value in CHANNEL_OPTIONS
)


def operator_option(command: _Command) -> _Command:
    """Add ``--operator``."""
    return click.option(
        "--operator",
        "address",
        default="",
        metavar="ADDRESS",
        help=f"Operator socket. Default: ${OPERATOR_VARIABLE}, else the usual path of a local sidecar.",
    )(command)


def watch_options(command: _Command) -> _Command:
    """Add ``--interval`` and ``--seconds``, for commands that poll."""
    interval = click.option(
        "--interval",
        type=click.FloatRange(min=0.1, max=3600),
        default=1.0,
        show_default=True,
        help="Seconds between two polls.",
    )
    duration = click.option(
        "--seconds",
        "duration",
        type=click.FloatRange(min=0),
        help="Stop after this number of seconds. Default: run until interrupted.",
    )
    return interval(duration(command))


class Operator:
    """A sidecar's operator socket."""

    def __init__(self, channel: grpc.Channel, address: str) -> None:
        self.channel = channel
        self.address = address

    def call(self, method: grpc.UnaryUnaryMultiCallable[_Request, _Response], request: _Request) -> _Response:
        """Call a method.

        Raises:
            Failure: it didn't answer, or with an error.
        """
        import grpc  # noqa: PLC0415 - takes a while to import

        try:
            return method(request, timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            raise self._failure(error) from error

    def _failure(self, error: grpc.RpcError) -> Failure:
        from tabard import errors  # noqa: PLC0415

        status = error.code().name
        found = errors.from_rpc(error, self.address)
        if status == "UNIMPLEMENTED":
            return Failure(
                "this socket doesn't serve operators",
                exit_codes.USAGE,
                where=self.address,
                next_step=f"Name the operator socket (listen.operator), not the one for agents: --operator or ${OPERATOR_VARIABLE}.",
            )
        if found.code in {"sidecar_unreachable", "deadline_exceeded"}:
            return Failure(
                f"no sidecar answers: {error.details()}",
                exit_codes.UNREACHABLE,
                where=self.address,
                next_step=f"Is it running, and may you use its socket? Else set --operator or ${OPERATOR_VARIABLE}.",
                see=error_page(found.code),
            )
        code = _EXIT_CODES.get(status, exit_codes.UNREACHABLE)
        return Failure(visible(found.message), code, where=self.address, see=error_page(found.code))


_EXIT_CODES = {
    "INVALID_ARGUMENT": exit_codes.USAGE,
    "NOT_FOUND": exit_codes.NEGATIVE,
    "PERMISSION_DENIED": exit_codes.NEGATIVE,
    "FAILED_PRECONDITION": exit_codes.NEGATIVE,
}


@contextmanager
def operator(address: str) -> Iterator[Operator]:
    """Connect to an operator socket; an empty address is where a local sidecar has it.

    Raises:
        Failure: the address isn't one on this machine.
    """
    import grpc  # noqa: PLC0415

    try:
        checked = check_client(address or default_address(OPERATOR), variable=OPERATOR_VARIABLE)
    except AddressError as error:
        raise Failure(str(error), exit_codes.USAGE) from error
    with grpc.insecure_channel(checked, options=_OPTIONS) as channel:
        yield Operator(channel, checked)
