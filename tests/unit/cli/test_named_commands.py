"""Every command that a message, a docstring or a page names exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from tabard_sidecar.cli.root import command as root

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
SOURCES = [file for name in ("sidecar", "sdk") for file in (ROOT / name).rglob("*.py")]
NAMED = re.compile(r"`tabard ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")


def exists(name: str, below: str) -> bool:
    """Tell whether there is such a command; the second word may be an argument."""
    context = click.Context(root)
    command = root.get_command(context, name)
    if not isinstance(command, click.Group) or not below:
        return command is not None
    return command.get_command(click.Context(command), below) is not None


@pytest.mark.parametrize("files", [PAGES, SOURCES], ids=["pages", "sources"])
def test_named_commands_exist(files):
    named = {
        (match[1], match[2] or ""): file.relative_to(ROOT)
        for file in files
        for match in NAMED.finditer(file.read_text())
    }
    assert len(named) > 10
    assert {" ".join(words): str(file) for words, file in named.items() if not exists(*words)} == {}
