"""Calls a sidecar's operator socket, or the operator surface of a control service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
from tabard.address import CHANNEL_OPTIONS, OPERATOR, OPERATOR_VARIABLE, AddressError, check_client

from tabard_sidecar import exit_codes
from tabard_sidecar.operating import remote
from tabard_sidecar.operating.failure import Failure, error_page
from tabard_sidecar.operating.options import Existing, config_option, find_target, zone_option
from tabard_sidecar.operating.terminal import echo, visible

if TYPE_CHECKING:
    import grpc

    from tabard_sidecar.operating.reach import Target


class _ListRequest(Protocol):
    """A request for a page of a list."""

    page_token: str


class _Page(Protocol):
    """A page of a list; its token is empty on the last one."""

    @property
    def next_page_token(self) -> str: ...


_Command = TypeVar("_Command", bound=Callable[..., object])
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_Listing = TypeVar("_Listing", bound=_ListRequest)
_Listed = TypeVar("_Listed", bound=_Page)
_TIMEOUT_SECONDS = 10.0

_ZONE, _PID, _CONFIG = "tabard-zone", "tabard-pid", "tabard-config-bin"
_MISMATCH = "zone_mismatch"
_CONFIG_FILE = "tabard_sidecar.operating.operator.config_file"


def operator_option(command: _Command) -> _Command:
    """Add ``--operator``, ``--config``, ``--zone`` and what a control service needs.

    The command gets the sidecar that they name as ``sidecar``.
    """
    command = click.option(
        "--operator",
        "--address",
        "sidecar",
        default="",
        metavar="ADDRESS",
        callback=_target,
        help="Operator socket, or https://HOST:PORT of a control service, which needs --zone and a token. Default: "
        f"${OPERATOR_VARIABLE}, else listen.operator of the configuration, else the usual path of a local sidecar.",
    )(command)
    command = click.option(
        "--operator-token-file",
        "operator_token_file",
        type=Existing(),
        is_eager=True,
        metavar="FILE",
        help="File with the token that tells a control service who you are. Default: "
        f"${remote.TOKEN_FILE_VARIABLE}, else the token in ${remote.TOKEN_VARIABLE}.",
    )(command)
    command = click.option(
        "--operator-ca-file",
        "operator_ca_file",
        type=Existing(),
        is_eager=True,
        metavar="FILE",
        help="PEM certificates of the authorities to trust for a control service. Default: "
        f"${remote.CA_FILE_VARIABLE}, else the system's.",
    )(command)
    return config_option(zone_option(command), eager=True)


def _target(ctx: click.Context, param: click.Parameter, value: str) -> Target:  # noqa: ARG001 - click's signature
    """Find the sidecar; the other options were read before, because they are eager."""
    names = ("zone", "config_file", "operator_token_file", "operator_ca_file")
    zone, file, token, authorities = (ctx.params.pop(name, None) for name in names)
    ctx.meta[_CONFIG_FILE] = file
    found = find_target(OPERATOR, value, zone=zone or "", config_file=file)
    return replace(found, token_file=token, ca_file=authorities)


def config_of(ctx: click.Context) -> Path | None:
    """Return the file that ``--config`` named to a command with :func:`operator_option`."""
    file: Path | None = ctx.meta.get(_CONFIG_FILE)
    return file


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
    """A sidecar's operator socket. With the first answer it tells people on stderr which sidecar gave it.

    Args:
        channel: the connection.
        target: the sidecar that is meant.
        quiet: tell nothing, because :meth:`told` becomes part of the output.
        timeout_seconds: longest wait for one answer.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        target: Target,
        *,
        quiet: bool,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self.channel = channel
        self.address = target.address
        self._target = target
        self._quiet = quiet
        self._timeout_seconds = timeout_seconds
        self._answered: dict[str, Any] = {}

    def told(self) -> dict[str, Any]:
        """Return which sidecar answered, as a part of what ``--json`` prints."""
        return {"sidecar": {"address": self.address} | self._answered}

    def call(self, method: grpc.UnaryUnaryMultiCallable[_Request, _Response], request: _Request) -> _Response:
        """Call a method; a sidecar of another zone than the one that is meant refuses.

        Raises:
            Failure: it didn't answer, or with an error.
        """
        import grpc  # noqa: PLC0415 - takes a while to import

        zone = self._target.zone
        metadata: tuple[tuple[str, str | bytes], ...] = ((_ZONE, zone),) if zone else ()
        if remote.is_remote(self.address):
            metadata += (remote.authorization(self._target),)
        try:
            response, done = method.with_call(request, timeout=self._timeout_seconds, metadata=metadata)
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call):
                self._note(error.initial_metadata() or ())
            raise self._failure(error) from error
        self._note(done.initial_metadata())
        return response

    def pages(
        self, method: grpc.UnaryUnaryMultiCallable[_Listing, _Listed], request: _Listing
    ) -> Iterator[_Listed]:
        """Yield the pages of a list from the one that is asked for on. The request's token moves on with them.

        Raises:
            Failure: the sidecar didn't answer, or with an error.
        """
        while True:
            page = self.call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _note(self, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        known = dict(metadata)
        if self._answered or _ZONE not in known:
            return
        config, pid = known.get(_CONFIG, b""), str(known.get(_PID, ""))
        self._answered = {
            "zone": str(known[_ZONE]),
            "config": config.decode("utf-8", "replace") if isinstance(config, bytes) else config,
            "pid": int(pid) if pid.isascii() and pid.isdigit() else 0,
        }
        if not self._quiet:
            echo(f"answered by {self._who()}", err=True)

    def _who(self) -> str:
        told = self._answered
        config = told["config"] or "no configuration file"
        return f"zone {visible(told['zone'])} ({visible(config)}, pid {told['pid']})"

    def _other_zone(self) -> Failure:
        target = self._target
        return Failure(
            f"this is meant for zone {target.zone} ({target.zone_origin}), but {self._who()} answers; nothing was done",
            exit_codes.CONFIG,
            where=f"{self.address}, from {target.origin}",
            next_step=f"Start the sidecar of zone {target.zone}, or name the other one's configuration with --config, or "
            "add --zone if you mean it.",
            see=error_page(_MISMATCH),
        )

    def _failure(self, error: grpc.RpcError) -> Failure:
        from tabard import errors  # noqa: PLC0415

        status = error.code().name
        found = errors.from_rpc(error, self.address)
        if found.code == _MISMATCH:
            return self._other_zone()
        if status == "UNIMPLEMENTED" and remote.is_remote(self.address):
            return Failure(
                "a control service doesn't serve this",
                exit_codes.USAGE,
                where=self.address,
                next_step="Name the operator socket of a sidecar: --operator, on the sidecar's machine or in its pod.",
            )
        if status == "UNIMPLEMENTED":
            return Failure(
                "this socket doesn't serve operators",
                exit_codes.USAGE,
                where=self.address,
                next_step=f"Name the operator socket (listen.operator), not the one for agents: --operator or ${OPERATOR_VARIABLE}.",
            )
        if found.code in {"sidecar_unreachable", "deadline_exceeded"} and remote.is_remote(self.address):
            return Failure(
                f"no control service answers: {visible(str(error.details()))}",
                exit_codes.UNREACHABLE,
                where=f"{self.address}, from {self._target.origin}",
                next_step="Is it running, with operators.listen at this address? If its certificate isn't trusted, name its "
                f"authority with --operator-ca-file or ${remote.CA_FILE_VARIABLE}.",
                see=error_page(found.code),
            )
        if found.code in {"sidecar_unreachable", "deadline_exceeded"}:
            return Failure(
                f"no sidecar answers: {error.details()}",
                exit_codes.UNREACHABLE,
                where=f"{self.address}, from {self._target.origin}",
                next_step=f"Is it running, and may you use its socket? Else set --operator or ${OPERATOR_VARIABLE}, or name "
                "its configuration with --config.",
                see=error_page(found.code),
            )
        code = _EXIT_CODES.get(status, exit_codes.UNREACHABLE)
        zone = self._target.zone
        where = f"{self.address}, zone {zone} ({self._target.zone_origin})" if zone else self.address
        return Failure(visible(found.message), code, where=where, see=error_page(found.code))


_EXIT_CODES = {
    "INVALID_ARGUMENT": exit_codes.USAGE,
    "NOT_FOUND": exit_codes.NEGATIVE,
    "PERMISSION_DENIED": exit_codes.NEGATIVE,
    "UNAUTHENTICATED": exit_codes.NEGATIVE,
    "FAILED_PRECONDITION": exit_codes.NEGATIVE,
}


@contextmanager
def operator(
    target: Target, *, quiet: bool | None = None, timeout_seconds: float = _TIMEOUT_SECONDS
) -> Iterator[Operator]:
    """Connect to an operator socket or a control service.

    ``quiet`` is by default whether the command prints JSON.

    Raises:
        Failure: the address is neither one on this machine nor a control service's.
    """
    if quiet is None:
        quiet = bool(click.get_current_context().params.get("as_json"))
    with _channel(target) as channel:
        yield Operator(channel, target, quiet=quiet, timeout_seconds=timeout_seconds)


def _channel(target: Target) -> grpc.Channel:
    import grpc  # noqa: PLC0415

    if remote.is_remote(target.address):
        return remote.channel(target)
    try:
        check_client(target.address, variable=OPERATOR_VARIABLE)
    except AddressError as error:
        raise Failure(str(error), exit_codes.USAGE, where=target.origin) from error
    return grpc.insecure_channel(target.address, options=CHANNEL_OPTIONS)
