"""Implements ``tabard call``."""

from __future__ import annotations

import getpass
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tabard.address import AGENT

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.tool_names import doubt
from tabard_sidecar.operating.completing import complete_tool
from tabard_sidecar.operating.failure import Failure, error_page
from tabard_sidecar.operating.options import (
    config_options,
    find_target,
    json_option,
    json_pairs,
    load_settings,
    secret_argument,
    zone_option,
)
from tabard_sidecar.operating.terminal import echo, echo_json, style
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard import Client, Decision, TabardError, Task

    from tabard_sidecar.config.settings import Settings
    from tabard_sidecar.operating.reach import Target


@dataclass(frozen=True, slots=True)
class _Authority:
    """The authority of a call: an existing grant, or the tokens from which a task is started."""

    grant: str
    token: str
    subject: str
    claims: dict[str, object]
    intent: str
    purpose: str
    statement: str


@click.command()
@click.argument("tool", shell_complete=complete_tool)
@click.option(
    "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="Argument; JSON or text. Repeatable."
)
@click.option("--args-json", metavar="JSON", default="", help="All arguments as one JSON object.")
@click.option("--server", default="", help="Server that offers the tool.")
@click.option("--scope", "scopes", multiple=True, help="Scope that the credential should carry. Repeatable.")
@click.option(
    "--grant",
    default="",
    envvar="TABARD_GRANT",
    metavar="GRANT",
    help="Use this grant: itself, @FILE or - (standard input). Without it a task is started.",
)
@click.option(
    "--token",
    default="",
    envvar="TABARD_SUBJECT_TOKEN",
    metavar="TOKEN",
    help="Start the task with this subject token: itself, @FILE or -.",
)
@click.option(
    "--as",
    "subject",
    default="",
    metavar="SUBJECT",
    help="Mint the subject token for this person (insecure.local_subjects). Default: you.",
)
@click.option(
    "--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Claim of the minted token. Repeatable."
)
@click.option("--intent", default="", metavar="TOKEN", help="Signed intent of the task: itself, @FILE or -.")
@click.option("--purpose", default="", help="Purpose of the task.")
@click.option("--statement", default="", help="The request in the person's words.")
@click.option("--show-credential", is_flag=True, help="Print the credential itself. It is secret.")
@click.option(
    "--address",
    default="",
    help="Sidecar to ask. Default: $TABARD_ADDRESS, else listen.agent of the configuration, else the usual path.",
)
@zone_option
@config_options
@json_option
@click.pass_context
def call(ctx: click.Context, /, **options: object) -> None:
    """Ask about one call of TOOL and show decision, code, deciding rule and next step.

    Exit code 0 if the call is allowed, 1 if it is denied, 6 if no decision was made. Example:

        tabard call notes.read --arg id=7 --as alice --purpose support
    """
    given = _Options(options)
    arguments = _arguments(given.text("args_json"), given.many("pairs"))
    settings = load_settings(given.path("config_file"), given.many("assignments")).settings
    authority = _Authority(
        grant=secret_argument(given.text("grant"), "grant"),
        token=secret_argument(given.text("token"), "token"),
        subject=given.text("subject"),
        claims=json_pairs(given.many("claims"), "--claim"),
        intent=secret_argument(given.text("intent"), "intent"),
        purpose=given.text("purpose"),
        statement=given.text("statement"),
    )
    import tabard  # noqa: PLC0415 - gRPC takes a while to import

    target = find_target(
        AGENT,
        given.text("address"),
        zone=given.text("zone"),
        config_file=given.path("config_file"),
        assignments=given.many("assignments"),
    )
    try:
        with tabard.connect(target.address, zone=target.zone) as client:
            task = _task(client, authority, settings)
            tool_call = tabard.ToolCall(
                given.text("tool"), arguments, server=given.text("server"), scopes=given.many("scopes")
            )
            decision = task.decide(tool_call)
    except tabard.Denied as error:
        decision = tabard.Decision(error.decision_id, allowed=False, reasons=error.reasons)
    except tabard.TabardError as error:
        raise _unanswered(error, target) from error
    show = given.flag("show_credential")
    note = doubt(given.text("tool"), decision.code, settings.catalogue.path)
    if given.flag("as_json"):
        asked: dict[str, object] = {"sidecar": {"address": target.address, "zone": target.zone}}
        if note:
            asked["note"] = note
        echo_json(describe(decision, show_credential=show) | asked)
    else:
        zone = f"zone {target.zone} at " if target.zone else ""
        echo(f"answered by {zone}{target.address}", err=True)
        _print(given.text("tool"), decision, show_credential=show)
        _row("note", note)
    ctx.exit(exit_codes.OK if decision.allowed else exit_codes.NEGATIVE)


class _Options:
    """click's options with their types."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return str(self._values[name])

    def many(self, name: str) -> tuple[str, ...]:
        value = self._values[name]
        return value if isinstance(value, tuple) else ()

    def flag(self, name: str) -> bool:
        return bool(self._values[name])

    def path(self, name: str) -> Path | None:
        value = self._values[name]
        return value if isinstance(value, Path) else None


def _arguments(document: str, pairs: tuple[str, ...]) -> dict[str, object]:
    from tabard.arguments import ArgumentsError, parse_arguments  # noqa: PLC0415

    if not document:
        return json_pairs(pairs, "--arg")
    if pairs:
        raise click.UsageError("give either --arg or --args-json")
    try:
        return dict(parse_arguments(document.encode()))
    except ArgumentsError as error:
        raise click.UsageError(f"--args-json: {error}") from error


def _task(client: Client, authority: _Authority, settings: Settings) -> Task:
    """Return the task under which the call is made, starting one if there is no grant."""
    if authority.grant:
        return client.task(authority.grant)
    token = authority.token
    if not token:
        from tabard_sidecar.cli.token import mint  # noqa: PLC0415 - loads cryptography

        subject = authority.subject or _me()
        token = mint(settings.insecure.local_subjects, subject, authority.claims)
    return client.start_task(
        token, intent_token=authority.intent, purpose=authority.purpose, statement=authority.statement
    )


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container often has no name
        return f"uid-{os.getuid()}"


def _unanswered(error: TabardError, target: Target) -> Failure:
    import tabard  # noqa: PLC0415

    where = f"{target.address}, from {target.origin}"
    if error.code == "zone_mismatch":
        return Failure(
            f"this is meant for zone {target.zone} ({target.zone_origin}), but a sidecar of another zone answers; nothing "
            "was done",
            exit_codes.CONFIG,
            where=where,
            next_step=f"Start the sidecar of zone {target.zone}, or name the other one's configuration with --config, or "
            "add --zone if you mean it.",
            see=error_page(error.code),
        )
    code = exit_codes.USAGE if isinstance(error, tabard.InvalidRequest) else exit_codes.UNREACHABLE
    return Failure(
        f"no decision: {error.code}: {error.message}", code, where=where, see=error_page(error.code)
    )


def describe(decision: Decision, *, show_credential: bool) -> dict[str, object]:
    """Return a decision as ``--json`` prints it; the credential's value only if asked for."""
    document: dict[str, object] = {
        "decision_id": decision.decision_id,
        "allowed": decision.allowed,
        "code": decision.code,
        "reasons": [
            {
                "code": reason.code,
                "message": reason.message,
                "module": reason.module,
                "next_step": reason.next_step,
                "model_message": reason.model_message,
            }
            for reason in decision.reasons
        ],
        "obligations": [
            {"id": obligation.id, **obligation.properties} for obligation in decision.obligations
        ],
        "policy_revision": decision.policy_revision,
        "reusable": decision.reusable,
    }
    if decision.approvals:
        document["approvals"] = [
            {
                "approval_id": pending.approval_id,
                "code": pending.code,
                "module": pending.module,
                "expires_at": pending.expires_at,
            }
            for pending in decision.approvals
        ]
    credential = decision.credential
    if credential is not None:
        document["credential"] = {
            "kind": credential.kind,
            "credential_id": credential.credential_id,
            "audience": credential.audience,
            "scopes": list(credential.scopes),
            "expires_at": credential.expires_at,
            "single_use": credential.single_use,
            "uses": credential.uses,
            **({"value": credential.value, "fields": dict(credential.fields)} if show_credential else {}),
        }
    return document


def _print(tool: str, decision: Decision, *, show_credential: bool) -> None:
    effect = style("ALLOW", fg="green", bold=True) if decision.allowed else style("DENY", fg="red", bold=True)
    echo(f"{effect} {tool}")
    for reason in decision.reasons:
        _row("code", reason.code)
        _row("rule", reason.module or "the sidecar itself")
        _row("why", reason.message)
        _row("next", reason.next_step)
        _row("see", error_page(reason.code))
    credential = decision.credential
    if credential is not None:
        seconds = max(0, round(credential.expires_at - time.time()))
        counted = {0: "", 1: ", accepted once"}
        once = counted.get(credential.uses, f", accepted {credential.uses} times")
        scopes = f", scopes {' '.join(credential.scopes)}" if credential.scopes else ""
        _row("credential", f"{credential.kind} for {credential.audience}{scopes}, {seconds} s{once}")
        if show_credential:
            _row("value", credential.value)
            for name, secret in credential.fields.items():
                _row("field", f"{name}: {secret}")
    for pending in decision.approvals:
        _row("waits", f"tabard approvals show {pending.approval_id}")
    for obligation in decision.obligations:
        _row("obligation", f"{obligation.id} {json.dumps(dict(obligation.properties))}")
    _row("decision", decision.decision_id)
    _row("policy", decision.policy_revision[:16])


def _row(name: str, text: str) -> None:
    if text:
        echo(f"  {name:<10} {text}")
