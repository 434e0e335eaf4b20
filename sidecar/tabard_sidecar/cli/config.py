"""Implements ``tabard config``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import ConfigFailure
from tabard_sidecar.operating.options import config_options, json_option, load_settings
from tabard_sidecar.operating.terminal import echo, echo_json, style

if TYPE_CHECKING:
    from tabard_sidecar.config.settings import Settings

_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
_WRITTEN = frozenset({"audit.path", "policy.download.folder"})
"""Paths that the sidecar makes itself."""


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@config_options
@json_option
@click.pass_context
def check(ctx: click.Context, config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Report every mistake of the configuration, with its line and the nearest key."""
    try:
        loaded = load_settings(config_file, assignments)
    except ConfigFailure as failure:
        if not as_json:
            raise
        echo_json({"ok": False, "problems": [asdict(problem) for problem in failure.problems]})
        ctx.exit(exit_codes.CONFIG)
    from tabard_sidecar.config.sections import insecure_switches  # noqa: PLC0415 - loads every section

    warnings = [*_missing(loaded.settings), *insecure_switches(loaded.settings.insecure)]
    name = str(loaded.file) if loaded.file else "no file, only defaults"
    if as_json:
        echo_json({"ok": True, "file": str(loaded.file) if loaded.file else None, "warnings": warnings})
        return
    echo(f"{name}: ok")
    for warning in warnings:
        echo(f"  {style('warning:', fg='yellow')} {warning}")


@config.command()
@config_options
@json_option
def show(config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Show every setting that applies and where it comes from, as YAML."""
    loaded = load_settings(config_file, assignments)
    if as_json:
        settings = json.loads(_PASSWORD.sub("***@", loaded.settings.model_dump_json()))
        echo_json(
            {
                "file": str(loaded.file) if loaded.file else None,
                "settings": settings,
                "origins": dict(loaded.origins),
            }
        )
        return
    for line in _yaml(loaded.settings, loaded.origins):
        echo(line)


@config.command()
def schema() -> None:
    """Print the JSON Schema of tabard.yaml, for editors."""
    from tabard_sidecar.config.settings import Settings  # noqa: PLC0415 - loads every section

    echo_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()})


def _yaml(model: BaseModel, origins: Mapping[str, str], prefix: str = "") -> Iterator[str]:
    indent = "  " * prefix.count(".")
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _yaml(value, origins, f"{prefix}{name}.")
            continue
        # JSON is YAML's flow form.
        text = json.dumps(model.model_dump(mode="json", include={name})[name], ensure_ascii=False)
        origin = origins.get(f"{prefix}{name}", "default")
        yield f"{indent}{name}: {_PASSWORD.sub('***@', text)}  # {origin}"


def _missing(settings: Settings) -> Iterator[str]:
    """Yield what is missing for a start on this machine; on another one it may exist."""
    from tabard_sidecar.util.schema_walk import paths_in  # noqa: PLC0415

    for key, path in paths_in(settings):
        if key not in _WRITTEN and not path.exists():
            yield f"{key}: {path} doesn't exist"
        elif key.endswith(".keys_file"):
            yield from _unusable_keys(key, path)
    policy = settings.policy
    if policy.path is None and policy.url is None and policy.remote is None:
        yield "policy.path: no policy is configured, so the sidecar won't start"
    agent = settings.identity.agent
    if agent.service_account is None and agent.spiffe is None and settings.insecure.agent_id is None:
        yield "identity.agent: the sidecar has no workload identity, so every request fails"


def _unusable_keys(key: str, path: Path) -> Iterator[str]:
    import asyncio  # noqa: PLC0415

    from tabard_sidecar.identity import KeysUnavailable  # noqa: PLC0415
    from tabard_sidecar.identity.sources import FileKeys  # noqa: PLC0415

    try:
        asyncio.run(FileKeys(path).start())
    except KeysUnavailable as error:
        yield f"{key}: {error}"
