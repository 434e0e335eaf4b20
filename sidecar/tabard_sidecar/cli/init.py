"""Implements ``tabard init``."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import click
from tabard.address import MAX_SOCKET_PATH_BYTES, local_directory
from tabard.trust import require_trusted

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import json_option
from tabard_sidecar.operating.terminal import echo, echo_json
from tabard_sidecar.util.fresh_files import FreshFiles
from tabard_sidecar.util.own_places import require_own_place

AGENT_ID = "spiffe://local.tabard.dev/agent/quickstart"
_LOCAL_KEY = "local-subjects.json"
_KEYS = "keys"

_RUN = "run"
_STATE = "state"
_LOG = "decisions.jsonl"
_LONGEST_SOCKET = "operator/tabard.health"
_SUFFIX_BYTES = 3
_LONGEST_ZONE = 63

_CONFIGURATION = """\
# Tabard's configuration. Every setting: docs/reference/config.md, or `tabard config show`.
# Relative paths count from this file, so this folder shares nothing with other projects.
zone: {zone}

listen:
  agent: {sockets}/agent/tabard.sock
  operator: {sockets}/operator/tabard.sock

http:
  listen: {sockets}/http.sock

state:
  url: sqlite:{state}/zone.db

policy:
  path: policy

catalogue:
  path: catalogue.yaml

keys:
  directory: {keys}

audit:
  sink: file
  path: {log}

# These settings replace an identity provider in experiments. Remove them before real use:
# `tabard serve` warns of each.
insecure:
  # This workload's identity, claimed and not proven. Real ones: identity.agent.
  agent_id: {agent_id}
  # `tabard token` mints subject tokens with this key. Real ones: identity.issuers.
  local_subjects: {local_key}
  # The agent states the purpose of a task. Real ones are signed: identity.initiators.
  accept_asserted_intent: true
  tasks_per_token: 1000
"""

_IGNORED = f"""\
# Secrets and what the sidecar writes.
/{_KEYS}/
/{_LOCAL_KEY}
/{_RUN}/
/{_STATE}/
/{_LOG}*
"""


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
@json_option
def init(directory: Path, as_json: bool) -> None:
    """Write a configuration, keys, a tool catalogue and a first policy with its test into DIRECTORY.

    If one of the files exists, or one can't be written, the command leaves nothing behind. Files get mode 0644, keys
    0600, less what the umask takes away.
    """
    from tabard_sidecar.identity.local import create_local_key  # noqa: PLC0415 - loads cryptography
    from tabard_sidecar.keys.keyring import Keyring  # noqa: PLC0415
    from tabard_sidecar.keys.model import ROOT, SIGNING, KeyringError  # noqa: PLC0415

    zone, sockets = _zone(directory), _sockets(directory)
    configuration = _CONFIGURATION.format(
        zone=zone,
        sockets=sockets,
        state=_STATE,
        keys=_KEYS,
        log=_LOG,
        agent_id=AGENT_ID,
        local_key=_LOCAL_KEY,
    )
    texts = {Path("tabard.yaml"): configuration, Path(".gitignore"): _IGNORED, **dict(_example())}
    _refuse_existing(directory, [*texts, Path(_LOCAL_KEY), Path(_KEYS)])
    _refuse_strangers(directory)
    try:
        with FreshFiles(directory) as files:
            for name, text in texts.items():
                files.text(directory / name, text)
            create_local_key(directory / _LOCAL_KEY)
            files.made(directory / _LOCAL_KEY)
            files.private_folder(directory / _KEYS)
            keyring = Keyring.create_directory(directory / _KEYS)
            for use in (ROOT, SIGNING):
                keyring.create(use)
    except (OSError, KeyringError) as error:
        where = str(getattr(error, "filename", None) or directory)
        reason = getattr(error, "strerror", None) or error
        problem = f"can't write: {reason}; nothing was left behind"
        raise Failure(problem, exit_codes.CONFIG, where=where) from error
    written = sorted(str(name) for name in [*texts, Path(_LOCAL_KEY), Path(_KEYS)])
    if as_json:
        echo_json({"directory": str(directory.resolve()), "zone": zone, "written": written})
        return
    _print_next_steps(directory, zone, written)


def _zone(directory: Path) -> str:
    """Return a zone's name that no other project has: the folder's name and some random digits."""
    name = re.sub(r"[^a-z0-9-]+", "-", directory.resolve().name.lower()).strip("-") or "project"
    suffix = secrets.token_hex(_SUFFIX_BYTES)
    return f"{name[: _LONGEST_ZONE - len(suffix) - 1]}-{suffix}"


def _sockets(directory: Path) -> str:
    """Return where the project's sockets are, as ``unix:`` and a folder: its own, or a short one if that is too long.

    Raises:
        Failure: the short one is too long as well.
    """
    own, short = directory.resolve() / _RUN, local_directory() / secrets.token_hex(_SUFFIX_BYTES)
    for folder in (own, short):
        if len(os.fsencode(folder / _LONGEST_SOCKET)) <= MAX_SOCKET_PATH_BYTES:
            return f"unix:{_RUN if folder is own else folder}"
    raise Failure(
        f"the paths of sockets would be longer than the {MAX_SOCKET_PATH_BYTES} bytes that the kernel takes",
        exit_codes.CONFIG,
        where=str(local_directory()),
        next_step="Choose a folder with a shorter path, or set XDG_RUNTIME_DIR to one.",
    )


def _example() -> Iterator[tuple[Path, str]]:
    """Yield name and text of every file of the quickstart example, its test included."""
    from tabard_sidecar.policy.resources import ResourceError, rego_root  # noqa: PLC0415

    try:
        root = rego_root() / "examples" / "quickstart"
    except ResourceError as error:
        raise Failure(str(error), exit_codes.CONFIG) from error
    found = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise Failure(
            "the example policy is missing from the installation",
            exit_codes.CONFIG,
            where=str(root),
            next_step="Install tabard-sidecar again.",
        )
    for path in found:
        yield path.relative_to(root), path.read_text(encoding="utf-8")


def _refuse_existing(directory: Path, names: list[Path]) -> None:
    existing = [name for name in names if os.path.lexists(directory / name)]
    if existing:
        raise Failure(
            f"{', '.join(map(str, existing))} {'exists' if len(existing) == 1 else 'exist'} already; nothing was written",
            exit_codes.USAGE,
            where=str(directory.resolve()),
            next_step="Choose an empty directory: tabard init DIRECTORY",
        )


def _refuse_strangers(directory: Path) -> None:
    """Refuse a folder whose content, or whose place, other users can change: a sidecar would not start with it."""
    try:
        with contextlib.suppress(FileNotFoundError):  # all that exists on the way was checked
            require_trusted(directory / "tabard.yaml")
        for name in (_RUN, _STATE, _LOG):  # which the sidecar writes
            require_own_place(directory, directory / name)
    except OSError as error:
        raise Failure(
            f"{error.strerror}; nothing was written", exit_codes.CONFIG, where=str(error.filename)
        ) from error


def _print_next_steps(directory: Path, zone: str, written: list[str]) -> None:
    echo(f"Wrote {', '.join(written)}.")
    echo(f"The zone is {zone}. It shares nothing with other projects.")
    echo()
    echo("Next:")
    if directory.resolve() != Path.cwd():
        echo(f"  cd {directory}")
    echo("  tabard policy test                   run the policy's tests")
    echo("  tabard serve                         run the sidecar")
    echo("  tabard call notes.read --arg id=7    ask it, from another terminal")
