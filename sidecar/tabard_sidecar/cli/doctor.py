"""``tabard doctor``: examines everything that a sidecar of this configuration depends on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.completing import complete_vault_role
from tabard_sidecar.operating.failure import ConfigFailure, Failure
from tabard_sidecar.operating.options import Existing, config_options, json_option, load_settings
from tabard_sidecar.operating.terminal import echo, echo_json, style, visible
from tabard_sidecar.util.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tabard_sidecar.config.loading import Loaded

_NAMESPACE = "tabard-system"
_MARKS = {
    Severity.OK: ("ok", "green"),
    Severity.WARNING: ("warn", "yellow"),
    Severity.PROBLEM: ("FAIL", "red"),
}


@click.command()
@config_options
@click.option(
    "--try",
    "tries",
    multiple=True,
    metavar="ROLE",
    shell_complete=complete_vault_role,
    help="Also obtain a credential of this role from its vault, and end it. May be given more than once.",
)
@click.option("--kubernetes", is_flag=True, help="Examine a cluster instead of a sidecar's configuration.")
@click.option(
    "--kubeconfig",
    type=Existing(),
    help="With --kubernetes: where the cluster is and who you are there. Default: as kubectl finds it; in a pod, its "
    "ServiceAccount.",
)
@click.option("--context", metavar="NAME", default="", help="With --kubernetes: context of the kubeconfig.")
@click.option(
    "--namespace",
    metavar="NAME",
    help="With --kubernetes: namespace that the chart is installed in.  [default: tabard-system]",
)
@json_option
@click.pass_context
def doctor(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    *,
    config_file: Path | None,
    assignments: tuple[str, ...],
    tries: tuple[str, ...],
    kubernetes: bool,
    kubeconfig: Path | None,
    context: str,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Examine the configuration and all that a sidecar with it depends on; or a cluster.

    Keys, policy, identity, state store, decision log, vaults and identity providers: one line each,
    and below it how to mend what is wrong. No running sidecar is asked; `tabard health` does that.
    Nothing is changed, and no secret is read from a vault: its logins and a token to try are made
    there and ended at once. Run it where the sidecar runs, as the sidecar's user.

    With --kubernetes: injector, webhook and its authority, the API server's rules, control service,
    labelled namespaces, their pods, and who has more rights than needed. It needs kubectl, or runs in
    a pod. Pods and tokens are tried as dry runs, and no Secret is read.

    Exit code 0 if nothing is wrong, 1 if something is, 3 if the configuration has mistakes, 6 if the
    API server isn't reached.
    """
    if kubernetes:
        if config_file or assignments or tries:
            raise click.UsageError("--kubernetes examines a cluster; leave out --config, --set and --try")
        ctx.exit(_cluster(kubeconfig, context, namespace or _NAMESPACE, as_json=as_json))
    if kubeconfig or context or namespace:
        raise click.UsageError("--kubeconfig, --context and --namespace are for --kubernetes")
    try:
        loaded = load_settings(config_file, assignments)
    except ConfigFailure as failure:
        if not as_json:
            raise
        found = [
            Finding("configuration", Severity.PROBLEM, str(one), one.next_step) for one in failure.problems
        ]
        echo_json({"ok": False, "findings": [one.as_json() for one in found]})
        ctx.exit(exit_codes.CONFIG)
    _check_tries(loaded, tries)
    if not as_json:
        file = str(loaded.file) if loaded.file else "no configuration file, only defaults"
        echo(f"zone {loaded.settings.zone} ({file})", err=True)
    findings = asyncio.run(_examined(_findings(loaded, tries), quiet=as_json))
    ctx.exit(_concluded(findings, as_json=as_json))


def _cluster(kubeconfig: Path | None, context: str, namespace: str, *, as_json: bool) -> int:
    """Examine a cluster; return the exit code."""
    from tabard_sidecar.cluster.examining import examine_cluster  # noqa: PLC0415 - only for who uses it
    from tabard_sidecar.cluster.reaching import reached  # noqa: PLC0415
    from tabard_sidecar.kubernetes.api import ApiError  # noqa: PLC0415

    async def examined() -> list[Finding]:
        async with reached(kubeconfig, context) as api:
            return await _examined(examine_cluster(api, namespace), quiet=as_json)

    try:
        findings = asyncio.run(examined())
    except ApiError as error:
        raise Failure(
            str(error),
            exit_codes.UNREACHABLE,
            next_step="Check that `kubectl get namespaces` works, or name --kubeconfig and --context.",
        ) from None
    return _concluded(findings, as_json=as_json)


def _concluded(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print the sum; return the exit code."""
    wrong = sum(one.severity is Severity.PROBLEM for one in findings)
    if as_json:
        echo_json({"ok": not wrong, "findings": [one.as_json() for one in findings]})
    else:
        doubtful = sum(one.severity is Severity.WARNING for one in findings)
        echo(f"{len(findings)} examined: {wrong} wrong, {doubtful} doubtful")
    return exit_codes.NEGATIVE if wrong else exit_codes.OK


def _check_tries(loaded: Loaded, tries: tuple[str, ...]) -> None:
    """Check that the roles to try are configured.

    Raises:
        click.UsageError: one isn't.
    """
    known = sorted(role for vault in loaded.settings.vault.values() for role in vault.roles)
    for name in tries:
        if name not in known:
            has = f"the configuration has {', '.join(known)}" if known else "the configuration has none"
            raise click.UsageError(f"--try {name}: no vault has a role of this name; {has}")


async def _examined(examination: AsyncIterator[Finding], *, quiet: bool) -> list[Finding]:
    """Examine everything; print each finding as it comes, unless ``quiet``."""
    findings = []
    async for found in examination:
        findings.append(found)
        if not quiet:
            _print(found)
    return findings


async def _findings(loaded: Loaded, tries: tuple[str, ...]) -> AsyncIterator[Finding]:
    from tabard_sidecar.server.examining import examine  # noqa: PLC0415 - loads every part of a sidecar

    async for found in examine(loaded.settings, loaded.file, tries):
        yield found


def _print(found: Finding) -> None:
    mark, colour = _MARKS[found.severity]
    echo(f"{style(f'{mark:<4}', fg=colour)}  {found.what}: {visible(found.message)}")
    if found.next_step:
        echo(f"      next: {visible(found.next_step)}")
