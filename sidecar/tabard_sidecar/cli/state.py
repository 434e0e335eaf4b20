"""Implements ``tabard state``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure, explained
from tabard_sidecar.operating.options import config_options, json_option, load_settings
from tabard_sidecar.operating.terminal import echo, echo_json, style, visible

if TYPE_CHECKING:
    from tabard_sidecar.config.loading import Loaded
    from tabard_sidecar.config.settings import Settings
    from tabard_sidecar.state.store import StateStore

_T = TypeVar("_T")
_SEE = explained("state")


@click.group()
def state() -> None:
    """Check and compact the zone's state store. Sidecars may keep running."""


@state.command()
@config_options
@json_option
@click.pass_context
def check(ctx: click.Context, config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Report problems of the state store, and what the next start would change in it. Changes nothing.

    Exit code 1 if there are problems.
    """
    loaded = load_settings(config_file, assignments)
    told = _told(loaded, quiet=as_json)
    problems, notes = _with_store(loaded.settings, _look)
    if as_json:
        echo_json({"ok": not problems, "problems": problems, "notes": notes} | told)
    else:
        for note in notes:
            echo(f"{style('note:', fg='yellow', bold=True)} {visible(note)}")
        for problem in problems:
            echo(f"{style('problem:', fg='red', bold=True)} {visible(problem)}")
        if not problems:
            echo("state: ok")
    ctx.exit(exit_codes.NEGATIVE if problems else exit_codes.OK)


@state.command()
@config_options
@json_option
def compact(config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Delete expired data and free unused space."""
    loaded = load_settings(config_file, assignments)
    told = _told(loaded, quiet=as_json)

    async def work(store: StateStore) -> tuple[int, int]:
        await store.open()
        deleted = 0
        while count := await store.expire(now=time.time()):
            deleted += count
        return deleted, await store.compact()

    deleted, freed = _with_store(loaded.settings, work)
    if as_json:
        echo_json({"deleted": deleted, "bytes": freed} | told)
    else:
        echo(f"deleted {deleted} expired entries, freed {freed} bytes")


async def _look(store: StateStore) -> tuple[list[str], list[str]]:
    notes = list(await store.look())
    return list(await store.check()), notes


def _told(loaded: Loaded, *, quiet: bool) -> dict[str, str]:
    """Return zone and configuration of the store, as a part of what ``--json`` prints; else tell people on stderr."""
    zone, config = loaded.settings.zone, str(loaded.file.absolute()) if loaded.file else ""
    if not quiet:
        echo(f"state of zone {zone} ({config or 'no configuration file'})", err=True)
    return {"zone": zone, "config": config}


def _with_store(settings: Settings, work: Callable[[StateStore], Awaitable[_T]]) -> _T:
    """Run ``work`` with the configured store, which ``work`` opens, and which is closed afterwards.

    Raises:
        Failure: the store can't be opened, read or written.
    """
    from tabard_sidecar.errors import NoDecision, Refused  # noqa: PLC0415
    from tabard_sidecar.state.sqlite import StateFileError  # noqa: PLC0415

    async def run() -> _T:
        store = _store(settings)
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (StateFileError, ValueError) as error:
        raise Failure(str(error), exit_codes.CONFIG, where="state.url", see=_SEE) from error
    except (NoDecision, Refused) as error:
        raise Failure(error.message, exit_codes.UNREACHABLE, where="state.url", see=_SEE) from error


def _store(settings: Settings) -> StateStore:
    """Return the configured store; the caller opens it.

    Raises:
        Failure: it is a file that doesn't exist; opening it would create it.
    """
    from tabard_sidecar.state.factory import create_store  # noqa: PLC0415

    path = None if settings.state.is_redis else settings.state.path(settings.zone)
    if path is not None and not path.exists():
        raise Failure(
            "there is no state yet",
            exit_codes.NEGATIVE,
            where=str(path),
            next_step="Start the sidecar once, or name its configuration with --config.",
            see=_SEE,
        )
    return create_store(settings.state, zone=settings.zone)
