"""Builds the policy input of `tabard policy eval`, from flags, a file or a decision log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.completing import complete_tool
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import json_pairs, read_bytes

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.request_keys import RequestKeys
    from tabard_sidecar.policy.catalogue import Catalogue

_MAX_INPUT_BYTES = 4 * 1024 * 1024
_TEMPLATE_TOOL = "server.tool"

_OPTIONS = (
    click.option(
        "--operation",
        type=click.Choice(["authorize", "start_task", "delegate", "renew", "filter_tools"]),
        default="authorize",
        help="Operation to evaluate. Default: authorize.",
    ),
    click.option("--tool", default="", shell_complete=complete_tool, help="Name of the tool."),
    click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="Argument; JSON or text. Repeatable."),
    click.option("--server", default="", help="Server that offers the tool."),
    click.option("--as", "subject", default="someone", help="Identifier of the person."),
    click.option("--issuer", default="https://idp.example", help="Issuer of the person."),
    click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Verified claim. Repeatable."),
    click.option("--agent", default="spiffe://example.org/agent", help="SPIFFE ID of the workload that asks."),
    click.option("--holder", default="", help="SPIFFE ID of the new holder, for a delegation."),
    click.option("--hop", "hops", multiple=True, metavar="SPIFFE_ID", help="Hop of the chain, in order. Repeatable."),
    click.option("--purpose", default="", help="Purpose of the task."),
    click.option("--statement", default="", help="The request in the person's words."),
    click.option("--asserted", is_flag=True, help="The intent is asserted, not signed."),
    click.option("--time", "at", default="", metavar="TIME", help="Time of the request, as 2026-01-05T12:00:00Z. Default: now."),
    click.option("--label", "labels", multiple=True, metavar="LABEL", help="Label of the task. Repeatable."),
    click.option("--budget", "budgets", multiple=True, metavar="NAME=LIMIT[:SPENT]", help="Budget of the task. Repeatable."),
    click.option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="Fact of the task: a number for a counter, otherwise an element of a set. Repeatable."),
    click.option("--history", "calls", multiple=True, metavar="TOOL", help="Earlier call of the task, oldest first. Repeatable."),
)  # fmt: skip


def request_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that describe a request."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_input(path: Path) -> Mapping[str, Any]:
    """Return the whole input in a file; ``-`` reads standard input.

    Raises:
        Failure: it can't be read, or isn't a JSON object.
    """
    from tabard_sidecar.policy.loading.documents import DocumentError, parse_json  # noqa: PLC0415

    content = read_bytes(path, "the input", _MAX_INPUT_BYTES)
    try:
        document = parse_json(content)
    except DocumentError as error:
        raise Failure(f"the input {error.message}", exit_codes.USAGE, where=f"{path}:{error.row}") from error
    if not isinstance(document, dict):
        raise Failure("the input must be a JSON object", exit_codes.USAGE, where=str(path))
    return document


def flags_input(given: Mapping[str, Any], catalogue: Catalogue) -> Mapping[str, Any]:
    """Return the input that flags describe.

    Raises:
        click.UsageError: they describe none, or the catalogue refuses the call.
    """
    from tabard_sidecar.policy.authoring.request_keys import (  # noqa: PLC0415
        build_input,
        catalogue_fault,
        keys_fault,
    )

    keys = _keys(given)
    fault = keys_fault(keys, {name for name in ("tool", "server", "holder") if given[name]})
    if fault:
        raise click.UsageError(f"{fault}; give it by flags, or give a whole input with --input")
    refused = catalogue_fault(keys, catalogue)
    if refused is not None:
        raise click.UsageError(
            f"the catalogue refuses the call before the policy is evaluated: {refused.message}"
        )
    return build_input(keys, catalogue.lookup(keys.tool, keys.server) if keys.tool else None, time.time())


def statement_input(statement: str, at: str) -> Mapping[str, Any]:
    """Return the input of a call whose task has this signed request; ``at`` is its time, or empty for now.

    Raises:
        click.UsageError: the time or the request isn't acceptable.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - not needed for --help

    from tabard_sidecar.policy.authoring.request_keys import RequestKeys, build_input  # noqa: PLC0415

    try:
        keys = RequestKeys.model_validate(
            {"tool": _TEMPLATE_TOOL, "statement": statement} | ({"time": at} if at else {})
        )
    except ValidationError as error:
        raise click.UsageError("; ".join(fault["msg"] for fault in error.errors())) from error
    return build_input(keys, None, time.time())


def template_input(given: Mapping[str, Any], catalogue: Catalogue) -> Mapping[str, Any]:
    """Return a whole input for people to complete: what flags state, and samples for the rest."""
    from tabard_sidecar.policy.authoring.request_keys import CALLS, build_input  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.samples import sample_call  # noqa: PLC0415

    keys = _keys(given)
    spec = catalogue.lookup(keys.tool, keys.server) if keys.tool else None
    document = build_input(keys, spec, time.time())
    if keys.operation in CALLS:
        sample = sample_call(keys.tool or _TEMPLATE_TOOL, spec)
        stated = document["tool"]
        document["tool"] = {
            **stated,
            "name": sample["name"],
            "arguments": {**sample["arguments"], **stated["arguments"]},
        }
    return document


def _keys(given: Mapping[str, Any]) -> RequestKeys:
    from pydantic import ValidationError  # noqa: PLC0415 - not needed for --help

    from tabard_sidecar.policy.authoring.request_keys import BudgetKeys, RequestKeys  # noqa: PLC0415

    try:
        return RequestKeys(
            operation=given["operation"],
            tool=given["tool"],
            server=given["server"],
            arguments=json_pairs(given["pairs"], "--arg"),
            subject=given["subject"],
            issuer=given["issuer"],
            claims=json_pairs(given["claims"], "--claim"),
            agent=given["agent"],
            hops=list(given["hops"]),
            holder=given["holder"],
            purpose=given["purpose"],
            statement=given["statement"],
            intent_source="asserted" if given["asserted"] else "signed",
            labels=list(given["labels"]),
            budgets={name: BudgetKeys(**amounts) for name, amounts in _budgets(given["budgets"]).items()},
            facts=stated_facts(given["facts"]),
            calls=list(given["calls"]),
            **({"time": given["at"]} if given["at"] else {}),
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise click.UsageError(f"--{fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}") from None


def stated_facts(stated: tuple[str, ...]) -> dict[str, list[str] | int]:
    """Return facts by name. JSON is read as such, so that ``ids="17"`` is an element, and anything else is an element."""
    found: dict[str, list[str] | int] = {}
    for text in stated:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise click.UsageError(f"--fact {text}: write NAME=VALUE, as orders=W1 or mails=2")
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = value
        before = found.get(name)
        if isinstance(read, int) and not isinstance(read, bool) and read >= 0 and before is None:
            found[name] = read
            continue
        elements = read if isinstance(read, list) else [read if isinstance(read, str) else value]
        if isinstance(before, int) or not all(isinstance(one, str) for one in elements):
            step = f"quote an element that looks like a number, as {name}='\"17\"'"
            raise click.UsageError(f"--fact {name}: one number, or texts; {step}")
        found[name] = [*(before or []), *elements]
    return found


def _budgets(stated: tuple[str, ...]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for text in stated:
        name, _, amounts = text.partition("=")
        limit, separator, spent = amounts.partition(":")
        if not name or not limit.isdecimal() or (separator and not spent.isdecimal()):
            raise click.UsageError(f"--budget {text}: write NAME=LIMIT or NAME=LIMIT:SPENT, as cents=500:120")
        if name in found:
            raise click.UsageError(f"--budget {name} is repeated")
        found[name] = {"limit": int(limit), "spent": int(spent or 0)}
    return found
