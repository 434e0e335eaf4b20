"""Implements ``tabard policy editor``."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click
from tabard.project import FILE

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import Existing, config_options, json_option, load_settings
from tabard_sidecar.operating.policy_target import GUIDE, broken, catalogue_option, find_target, path_argument
from tabard_sidecar.operating.terminal import echo, echo_json, style, visible

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.editor_files import EditorFile

_COLOURS = {"written": "green", "removed": "green", "stale": "yellow", "yours": "yellow"}


@click.command()
@path_argument
@click.option(
    "--project",
    type=Existing(),
    help="Folder that the editor opens. Default: the folder above the policy's.",
)
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit code 1 if something isn't current."
)
@click.option(
    "--replace", is_flag=True, help="Serve this policy in place of the one that the folder's files are for."
)
@catalogue_option
@config_options
@json_option
@click.pass_context
def editor(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    path: Path | None,
    *,
    project: Path | None,
    only_check: bool,
    replace: bool,
    catalogue_file: Path | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write what editors need to resolve the library, the input and the tools of the policy at PATH.

    Regal, the language server of every editor for Rego, gets `.regal/config.yaml`, a copy of the library in
    `.tabard` and a sample `input.json` with the arguments of the catalogue's tools. VS Code also gets
    `.vscode/settings.json`. A file that you wrote or changed is never overwritten: the command prints what it
    lacks, and its exit code is 1. One folder serves one policy at a time. Run the command again after a change of data files or the catalogue, and after an upgrade.
    """
    from tabard_sidecar.policy.authoring.editor import editor_files  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.editor_files import (  # noqa: PLC0415
        EditorFilesError,
        OtherPolicyError,
        update,
    )
    from tabard_sidecar.policy.loading.sources import load_source  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    target = find_target(path, catalogue_file, config_file, assignments, fetches=False)
    root, below = _places(target.path, project)
    _require_beside_policy(root, config_file, assignments)
    try:
        data = load_source(target.path).data
        wanted = editor_files(below, data, target.catalogue)
        files = update(root, str(below), wanted, write=not only_check, replace=replace)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    except EditorFilesError as error:
        raise Failure(str(error), exit_codes.CONFIG, see=GUIDE) from error
    except OtherPolicyError as error:
        raise Failure(
            f"this folder's files are for the policy {visible(str(error))}",
            exit_codes.USAGE,
            where=str(root),
            next_step="Name a folder of its own with --project, or add --replace.",
            see=GUIDE,
        ) from error
    unsettled = [one for one in files if one.status.value in {"stale", "yours"}]
    if as_json:
        echo_json({"project": str(root), "current": not unsettled, "files": [_as_json(one) for one in files]})
    else:
        _print(root, files)
    ctx.exit(exit_codes.NEGATIVE if unsettled else exit_codes.OK)


def _places(policy: Path, project: Path | None) -> tuple[Path, PurePosixPath]:
    """Return the folder that the editor opens, and the policy's folder below it.

    Raises:
        Failure: the policy isn't a folder below that folder.
    """
    home = Path(os.path.realpath(policy))
    if not home.is_dir():
        raise Failure(
            "the policy isn't a folder",
            exit_codes.USAGE,
            where=str(policy),
            next_step="Name the folder that the bundle is built from.",
            see=GUIDE,
        )
    root = Path(os.path.realpath(project)) if project is not None else home.parent
    if root == home or not home.is_relative_to(root):
        raise Failure(
            "the editor's folder must stand above the policy's: below it, the copy of the library would be refused",
            exit_codes.USAGE,
            where=str(root),
            next_step=f"Open {home.parent} in the editor, or name another folder above with --project.",
            see=GUIDE,
        )
    return root, PurePosixPath(home.relative_to(root).as_posix())


def _require_beside_policy(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Refuse a folder within the policy that a sidecar serves: it would refuse what is written there.

    The configuration is the one that applies here, and the nearest ``tabard.yaml`` above the folder.

    Raises:
        Failure: the folder is the policy's, or lies in it.
    """
    above = next((file for folder in (root, *root.parents) if (file := folder / FILE).is_file()), None)
    for configured in {config_file, above}:
        try:
            policy = load_settings(configured, assignments).settings.policy.path
        except Failure:
            continue  # which policy it serves can't be told, and no sidecar starts with it
        home = Path(os.path.realpath(policy)) if policy is not None else None
        if home is not None and root.is_relative_to(home):
            raise Failure(
                f"the editor's folder is in the policy {home}, which would then be refused",
                exit_codes.USAGE,
                where=str(root),
                next_step=f"Name the whole policy: tabard policy editor {home}",
                see=GUIDE,
            )


def _as_json(one: EditorFile) -> dict[str, object]:
    found: dict[str, object] = {"path": one.path, "status": one.status.value}
    return found if one.missing is None else {**found, "missing": one.missing}


def _print(root: Path, files: list[EditorFile]) -> None:
    for one in files:
        if one.status.value == "current":
            continue
        echo(f"{style(one.status.value, fg=_COLOURS.get(one.status.value)):<8} {one.path}")
        if one.missing is not None:
            echo(f"    is yours and isn't changed; it lacks {json.dumps(one.missing, ensure_ascii=False)}")
    counts: dict[str, int] = {}
    for one in files:
        counts[one.status.value] = counts.get(one.status.value, 0) + 1
    echo(f"{root}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
