"""Implements ``tabard explain``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.explain_decision import Where, explain_decision, is_decision_id
from tabard_sidecar.operating.completing import complete_decision
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import Existing, config_options, json_option, zone_option
from tabard_sidecar.operating.policy_target import catalogue_option, policy_option
from tabard_sidecar.operating.terminal import echo, echo_json, style

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Page = Mapping[str, object]
_OF_DECISIONS = {
    "logs": "--log",
    "policy": "--policy",
    "catalogue_file": "--catalogue",
    "address": "--operator",
    "zone": "--zone",
}
_WIDTH = 100
_LABELS = {
    "type": "type",
    "default": "default",
    "meaning": "meaning",
    "what_happened": "what happened",
    "next_step": "next step",
    "for_the_model": "for the model",
    "grpc_status": "gRPC status",
    "http_status": "HTTP status",
    "given_by": "given by",
}
_INDENT = " " * (2 + max(map(len, _LABELS.values())) + 2)


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only the shell's completion needs it

    titles = {str(page["name"]): str(page["title"]) for page in _codes()}
    found = [
        CompletionItem(name, help=title) for name, title in titles.items() if name.startswith(incomplete)
    ]
    return [*found, *(complete_decision(ctx, param, incomplete) if incomplete else ())]


@click.command()
@click.argument("name", default="", metavar="[CODE|SETTING|DECISION]", shell_complete=_complete)
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=Existing(),
    help="Decision log that holds DECISION, plain or compressed with gzip. Repeatable, oldest first. Default: audit.path of "
    "the configuration.",
)
@policy_option("policy", "that explains DECISION")
@catalogue_option
@click.option(
    "--operator",
    "address",
    default="",
    metavar="ADDRESS",
    help="Have the sidecar with this operator socket explain DECISION, from its own log and policy.",
)
@zone_option
@config_options
@json_option
def explain(name: str, *, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Explain a decision, a reason code or a setting.

    DECISION is the id that an answer, an error and a record hold. The command says which rule
    granted or denied it, at which line, which conditions an allow lacked, and for an allow what the
    grant would have stopped. It asks the policy at hand, and says so if another one decided.

    CODE is a code of a deny or an error, from the sidecar, the Python client or a backend that
    `tabard.verify` protects. SETTING is a setting of tabard.yaml, or a section of it. Without a name
    all codes are listed. The texts are part of the installed package: they fit its version.

    Exit code 1 if there is no such decision, code or setting. Examples:

        tabard explain no_grant

        tabard explain 7f3c1a52-0f0e-4c1b-8a8e-1d2f3a4b5c6d --log decisions.jsonl --policy policy
    """
    if is_decision_id(name):
        where = Where(
            given["logs"],
            given["policy"],
            given["catalogue_file"],
            given["config_file"],
            given["assignments"],
            given["address"],
            given["zone"],
        )
        explain_decision(name, where, as_json=as_json)
        return
    _require_no_decision(given)
    pages = [page for page in _codes() if not name or page["name"] == name] or list(_settings(name))
    if not pages:
        raise _unknown(name)
    if as_json:
        echo_json(pages)
    elif not name:
        echo(style(f"{'code':<29} {'given by':<12} what happened", bold=True))
        for page in pages:
            echo(f"{page['name']:<29} {page['given_by']:<12} {page['title']}")
    else:
        _print(pages)


def _require_no_decision(given: Mapping[str, Any]) -> None:
    """Refuse options that only count for decisions."""
    for key, option in _OF_DECISIONS.items():
        if given[key]:
            raise click.UsageError(f"{option} is for the id of a decision")


def _codes() -> Iterator[Page]:
    """Yield every code of the sidecar, the client and backends; two of them may give the same code."""
    from tabard.verify.errors import CODES  # noqa: PLC0415 - only this command reads the tables

    from tabard_sidecar.reasons import client_texts, reason_texts  # noqa: PLC0415

    for whose, texts in (("the sidecar", reason_texts()), ("the client", client_texts())):
        for code, text in texts.items():
            yield {
                "name": code,
                "title": text.title,
                "given_by": whose,
                "what_happened": text.operator,
                "next_step": text.next_step,
                "for_the_model": text.model,
                "grpc_status": list(text.status),
            }
    for rejection, row in CODES.items():
        yield {
            "name": rejection,
            "title": row.text,
            "given_by": "a backend",
            "what_happened": f"{row.text}. A backend turned the request away; its log (tabard.verify) says more.",
            "http_status": row.status,
        }


def _settings(name: str) -> Iterator[Page]:
    """Yield a setting, or the settings of a section."""
    from tabard_sidecar.config import Settings  # noqa: PLC0415 - slow to import
    from tabard_sidecar.config.fields import default_text, flatten, type_text  # noqa: PLC0415

    for key, field in flatten("", Settings.model_fields):
        if key == name or key.startswith((f"{name}.", f"{name}[")):
            yield {
                "name": key,
                "title": "a setting of tabard.yaml",
                "type": type_text(field),
                "default": default_text(field),
                "meaning": " ".join((field.description or "").split()),
            }


def _print(pages: list[Page]) -> None:
    for number, page in enumerate(pages):
        if number:
            echo()
        echo(f"{style(page['name'], bold=True)}: {page['title']}")
        for key, label in _LABELS.items():
            value = page.get(key)
            if value:
                text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                begin = f"  {label}".ljust(len(_INDENT))
                echo(click.wrap_text(text, _WIDTH, begin, _INDENT), lines=True)


def _unknown(name: str) -> Failure:
    from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

    from tabard_sidecar.config import Settings  # noqa: PLC0415
    from tabard_sidecar.config.fields import flatten  # noqa: PLC0415

    known = [
        *(str(page["name"]) for page in _codes()),
        *(key for key, _ in flatten("", Settings.model_fields)),
    ]
    near = get_close_matches(name, known, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return Failure(
        f"Tabard has no code and no setting {name!a}",
        exit_codes.NEGATIVE,
        next_step=f"{meant}A rule of your policy may give this code: search for it in the policy's files. "
        "`tabard explain` lists all codes of Tabard.",
    )
