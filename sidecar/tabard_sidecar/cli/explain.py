"""Implements ``tabard explain``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.options import json_option
from tabard_sidecar.cli.terminal import echo, echo_json, style

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Page = Mapping[str, object]
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


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only the shell's completion needs it

    titles = {str(page["name"]): str(page["title"]) for page in _codes()}
    return [CompletionItem(name, help=title) for name, title in titles.items() if name.startswith(incomplete)]


@click.command()
@click.argument("name", default="", metavar="[CODE|SETTING]", shell_complete=_complete)
@json_option
def explain(name: str, as_json: bool) -> None:
    """Explain a reason code or a setting: what it means, and what to do.

    CODE is a code of a deny or an error, from the sidecar, the Python client or a backend that
    `tabard.verify` protects. SETTING is a setting of tabard.yaml, or a section of it. Without a name
    all codes are listed. The texts are part of the installed package: they fit its version.
    """
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
