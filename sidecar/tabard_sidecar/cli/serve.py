"""Implements ``tabard serve``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import config_options, load_settings
from tabard_sidecar.server.polling import poll_in_place, silence_core
from tabard_sidecar.util.dumps import never_dump
from tabard_sidecar.util.garbage import uncollected

_CHECK = "Run `tabard config check`, and `tabard policy check` for a policy."
_NEXT = {
    exit_codes.CANNOT_BIND: "If the other server is this project's, use it: `tabard health` tells. Else stop it, or set "
    "listen.agent, listen.operator and http.listen of this one; `tabard init` does for new projects.",
    exit_codes.UNREACHABLE: "Start what can't be reached, or correct its address; `tabard config show` prints it.",
}


@click.command()
@config_options
def serve(config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Run the sidecar until a signal stops it.

    SIGTERM and SIGINT drain and stop. SIGHUP reads keys, catalogue and policy again and reopens the
    decision log; all of them are followed without it, too. Changes of the configuration count from the
    next start on: SIGHUP tells in log and health which settings differ.
    """
    # Pydantic would search every installed package for plugins, and run them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Pydantic imports zoneinfo, which would read all about Python's build to learn where time zones lie.
    os.environ.setdefault("PYTHONTZPATH", "/usr/share/zoneinfo")
    never_dump()
    with uncollected():
        loaded = load_settings(config_file, assignments)
        poll_in_place()
        silence_core()
        from tabard_sidecar.config import load  # noqa: PLC0415

        # After the configuration proved sound.
        from tabard_sidecar.server.lifecycle import run  # noqa: PLC0415
        from tabard_sidecar.server.startup import StartupError  # noqa: PLC0415

    try:
        run(
            loaded.settings,
            loaded.file and loaded.file.absolute(),
            reread=lambda: load(config_file, assignments=assignments).settings,
        )
    except StartupError as error:
        raise Failure(
            f"the sidecar can't start: {error}",
            error.exit_code,
            where=str(loaded.file) if loaded.file else "",
            next_step=_NEXT.get(error.exit_code, _CHECK),
        ) from error
