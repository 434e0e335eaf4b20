"""Defines the root command; each subcommand is imported only when it runs."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.terminal import echo

# Name: module, attribute, short help.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "serve": ("tabard_sidecar.cli.serve", "serve", "Run the sidecar."),
    "init": ("tabard_sidecar.cli.init", "init", "Write a configuration, keys and a first policy."),
    "call": ("tabard_sidecar.cli.call", "call", "Ask about one tool call and show the decision."),
    "token": ("tabard_sidecar.cli.token", "token", "Mint a local subject token, for experiments."),
    "policy": ("tabard_sidecar.cli.policy", "policy", "Check, test, evaluate and create policies."),
    "dev": (
        "tabard_sidecar.cli.dev",
        "dev",
        "Watch a policy: after each save test it and decide the last decisions again.",
    ),
    "catalogue": (
        "tabard_sidecar.cli.catalogue",
        "catalogue",
        "Write the tool catalogue from Python or MCP.",
    ),
    "keys": ("tabard_sidecar.cli.keys", "keys", "Make, copy, rotate, list and export the zone's keys."),
    "config": ("tabard_sidecar.cli.config", "config", "Check and show the configuration."),
    "approvals": (
        "tabard_sidecar.cli.approvals",
        "approvals",
        "Show, approve or deny calls that wait for a person.",
    ),
    "tasks": ("tabard_sidecar.cli.tasks", "tasks", "Show the zone's tasks and their events."),
    "leases": (
        "tabard_sidecar.cli.leases",
        "leases",
        "Show and end what vaults issued for calls.",
    ),
    "revoke": ("tabard_sidecar.cli.revoke", "revoke", "Revoke access at once."),
    "state": ("tabard_sidecar.cli.state", "state", "Check and compact the state store."),
    "replay": (
        "tabard_sidecar.cli.replay",
        "replay",
        "Decide recorded decisions again by another policy, and show what changes.",
    ),
    "shadow": (
        "tabard_sidecar.cli.shadow",
        "shadow",
        "Show what the candidate policy would have decided, and put it into place.",
    ),
    "suggest": (
        "tabard_sidecar.cli.suggest",
        "suggest",
        "Propose narrower permissions from what a decision log shows.",
    ),
    "console": (
        "tabard_sidecar.console.command",
        "console",
        "Show decisions, tasks and approvals in a browser.",
    ),
    "log": ("tabard_sidecar.cli.log", "log", "Show who did what by which rule, from decision logs."),
    "audit": ("tabard_sidecar.cli.audit", "audit", "Check decision logs."),
    "explain": ("tabard_sidecar.cli.explain", "explain", "Explain a decision, a reason code or a setting."),
    "doctor": (
        "tabard_sidecar.cli.doctor",
        "doctor",
        "Examine all that a sidecar depends on, and say how to mend it.",
    ),
    "health": ("tabard_sidecar.cli.health_command", "health", "Ask a running sidecar whether it is ready."),
    "injector": (
        "tabard_sidecar.cli.injector",
        "injector",
        "Put the sidecar into pods on Kubernetes.",
    ),
    "control": (
        "tabard_sidecar.cli.control",
        "control",
        "Give the sidecars of every namespace their zone's keys.",
    ),
    "opa": ("tabard_sidecar.cli.opa", "opa", "Run the OPA command line of the embedded engine's version."),
    "completion": ("tabard_sidecar.cli.completion", "completion", "Print a shell completion script."),
    "version": ("tabard_sidecar.cli.version", "version", "Show versions."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run; help uses their short texts only."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order in which a new user needs the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for an unknown one, fail with the nearest name."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            ctx.fail(f'no command "{name}".{hint}')
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:  # noqa: ARG001 - click's signature
    if wanted:
        from tabard_sidecar.cli.version import distribution_version  # noqa: PLC0415 - see COMMANDS

        echo(f"tabard {distribution_version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 negative result, 2 usage, 3 configuration, 4 policy, 5 cannot bind, 6 dependency "
    "unreachable, 130 interrupted.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version of Tabard; `tabard version` shows all.",
)
def command() -> None:
    """Tabard, the authorization sidecar for AI agents."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    _keep_strangers_from_writing()
    try:
        result: Any = command.main(list(arguments), prog_name="tabard", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.ctx.get_help() if error.ctx else "", lines=True)
        return exit_codes.USAGE
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it, as with `| head`; without this Python reports it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.NEGATIVE
    except Exception:  # noqa: BLE001 - a stack trace quotes what others supplied
        echo(traceback.format_exc(), lines=True, err=True)
        return exit_codes.NEGATIVE
    return result if isinstance(result, int) else exit_codes.OK


def _keep_strangers_from_writing() -> None:
    """Replace a umask that lets every user write what is created, as some containers and services have it."""
    before = os.umask(0o022)
    if before & 0o002:
        os.umask(before)


def _show(error: click.ClickException) -> None:
    """Print an error; click's own quote the arguments."""
    if isinstance(error, Failure):
        error.show()
        return
    text = io.StringIO()
    error.show(text)
    echo(text.getvalue().rstrip("\n"), lines=True, err=True)
