"""Installs and starts real components with the scripts under tests/components."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent / "components"


def component(script: str, *arguments: str | Path) -> str:
    """Run a component's script; return what it prints last, the path or address that it is about.

    Raises:
        RuntimeError: the script failed; the message ends with what it said.
    """
    command = [str(SCRIPTS / script), *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{answer.stdout}{answer.stderr}")
    lines = answer.stdout.strip().splitlines()
    return lines[-1] if lines else ""
