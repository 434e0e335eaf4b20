"""Implements ``tabard console``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.log_source import find_log
from tabard_sidecar.operating.operator import Operator, config_of, operator, operator_option
from tabard_sidecar.operating.options import Existing, json_option
from tabard_sidecar.operating.policy_target import catalogue_option
from tabard_sidecar.operating.remote import is_remote
from tabard_sidecar.operating.terminal import Duration

if TYPE_CHECKING:
    from tabard_sidecar.console.jobs import Kind
    from tabard_sidecar.operating.log_source import LogSource
    from tabard_sidecar.operating.reach import Target
    from tabard_sidecar.records.reading import Entry

_EXPLAIN_SECONDS = 60.0
_REMOTE = "A control service keeps no decisions: each sidecar writes its own log. Name files to show them: tabard console FILE …"


@click.command()
@click.argument("files", nargs=-1, type=Existing())
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen: a loopback address. Port 0 is any that is free.",
)
@click.option(
    "--allow-changes",
    "changes",
    is_flag=True,
    help="Let the page revoke, and send approvers' decisions. Without it, it only shows.",
)
@click.option(
    "--session",
    "session_seconds",
    type=Duration(),
    default="8h",
    show_default=True,
    help="How long a browser stays signed in: 15m, 8h.",
)
@click.option(
    "--policy",
    "policy",
    type=Existing(),
    help="The policy that decides, a folder or a bundle: it explains decisions and is narrowed by proposals. Default: ask "
    "the sidecar, and narrow the configured one.",
)
@click.option(
    "--candidate",
    type=Existing(),
    metavar="POLICY",
    help="A policy to try: the page replays the logs by it.",
)
@catalogue_option
@operator_option
@json_option
@click.pass_context
def console(ctx: click.Context, /, sidecar: Target, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Show what agents do, on whose behalf and why, in a browser; and stop it.

    The command serves pages on this machine's loopback address and prints a link, which signs one
    browser in, once. The pages show decisions as they are recorded, a decision's whole chain and the
    rules that made it, tasks with their budgets and leases, calls that wait for a person,
    revocations, and what a candidate policy would change.

    FILES are decision logs of one or several sidecars, which are followed, or compressed with gzip.
    A single file is read after the closed ones beside it. Without FILES it is audit.path of the
    configuration. All else is asked of the operator socket or the control service. Ends with Ctrl+C.
    Enter prints a new link. Examples:

        tabard console

        tabard console */decisions.log

        tabard console --allow-changes --listen 127.0.0.1:8440

        tabard console --address https://tabard-control.tabard-system.svc:8445 --zone shop
    """
    config = config_of(ctx)
    _require_loopback(given["listen"])
    source, absent = _log(given["files"], sidecar, config)
    with (
        operator(sidecar, quiet=True) as asked,
        operator(sidecar, quiet=True, timeout_seconds=_EXPLAIN_SECONDS) as explaining,
    ):
        commands = _commands(source, given, config)
        explain = _explain(asked, explaining, given["policy"], given["catalogue_file"], config)
        from tabard_sidecar.console.running import Given, Wanted, run  # noqa: PLC0415 - not needed for --help

        wanted = Wanted(
            given["listen"],
            given["changes"],
            given["session_seconds"],
            len(given["files"]) <= 1,
            given["as_json"],
        )
        asyncio.run(run(wanted, Given(asked, explaining, source, absent, explain, commands)))


def _require_loopback(listen: str) -> None:
    """Refuse an address that others can reach: the page has no TLS.

    Raises:
        Failure: it is one, or none at all.
    """
    from tabard_sidecar.util.addresses import is_local, socket_path  # noqa: PLC0415 - not needed for --help

    try:
        usable = socket_path(listen) is None and is_local(listen)
    except ValueError as error:
        raise Failure(str(error), exit_codes.USAGE, where="--listen") from error
    if not usable:
        raise Failure(
            "the console listens on a loopback address only",
            exit_codes.USAGE,
            where=f"--listen {listen}",
            next_step="Run it where your browser runs, and let it ask a control service (--address https://…); or forward "
            "a port of that machine, for example with ssh -L.",
        )


def _log(files: tuple[Path, ...], sidecar: Target, config: Path | None) -> tuple[LogSource | None, str]:
    """Return the log to show, or why there is none. A broken configuration doesn't keep operators from the other pages."""
    if not files and is_remote(sidecar.address):
        return None, _REMOTE
    try:
        return find_log(files, zone=sidecar.zone, config_file=config, quiet=True), ""
    except Failure as error:
        if files:
            raise
        return (
            None,
            f"There is no decision log to show: {error.message}. Name files to show them: tabard console FILE …",
        )


def _commands(
    source: LogSource | None, given: Mapping[str, Any], config: Path | None
) -> dict[Kind, Sequence[str]]:
    """Return what replays the logs by the candidate, and what proposes from them."""
    from tabard_sidecar.console.jobs import Kind  # noqa: PLC0415 - not needed for --help

    if source is None:
        return {}
    files = given["files"] or source.files[-1:]
    more = [f"--zone={source.zone}"] if source.zone else []
    more += [f"--config={config}"] if config is not None else []
    more += [f"--catalogue={given['catalogue_file']}"] if given["catalogue_file"] is not None else []
    names = ["--", *map(str, files)]
    policy = [f"--policy={given['policy']}"] if given["policy"] is not None else []
    found: dict[Kind, Sequence[str]] = {Kind.SUGGEST: [*more, *policy, *names]}
    if given["candidate"] is not None:
        found[Kind.REPLAY] = [*more, f"--policy={given['candidate']}", *names]
    return found


def _explain(
    asked: Operator, explaining: Operator, policy: Path | None, catalogue: Path | None, config: Path | None
) -> Callable[[Entry], Mapping[str, Any]]:
    """Return what asks policy why a decision was made: a policy here if one is named, else the sidecar.

    Of several logs the sidecar has written one only. What it doesn't know, the configured policy explains.
    """
    from tabard_sidecar.console.sidecar import Sidecar  # noqa: PLC0415 - not needed for --help

    local = _explain_here(policy, catalogue, config)
    if policy is not None:
        return local
    remote = Sidecar(asked, explaining)

    def explain(entry: Entry) -> Mapping[str, Any]:
        try:
            return remote.explain(entry.decision_id)
        except Failure as error:
            if remote.remote or error.exit_code != exit_codes.NEGATIVE:
                raise
            unknown = error
        try:
            return local(entry)
        except Failure:
            raise unknown from None

    return explain


def _explain_here(
    policy: Path | None, catalogue: Path | None, config: Path | None
) -> Callable[[Entry], Mapping[str, Any]]:
    """Return what asks a policy of this machine, the configured one if none is named."""

    def explain(entry: Entry) -> Mapping[str, Any]:
        from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

        from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
        from tabard_sidecar.explaining.explanation import explain_decision  # noqa: PLC0415
        from tabard_sidecar.operating.policy_target import broken, find_target  # noqa: PLC0415
        from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

        target = find_target(policy, catalogue, config, ())
        try:
            with Engine() as engine:
                return explain_decision(engine, target.path, target.options, entry)
        except PolicyBrokenError as error:
            raise broken(error.problems, "the policy") from error
        except NoDecision as error:
            raise Failure(error.message, exit_codes.NEGATIVE) from error

    return explain
