"""Runs the commands and programs of documentation in one shell, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.markdown import ROOT

_BLOCK = re.compile(r"^```(sh|text|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./]+\.py)\n")
_SEPARATOR = "=== end of block ==="
FRAMEWORKS = "## Under a framework"
"""Heading of docs/agents.md, below which the programs need packages that only tests/frameworks has."""


@dataclass
class Ran:
    """A shell in which the commands of pages were run."""

    blocks: list[tuple[str, str]]
    outputs: list[str]
    stderr: str
    folder: Path
    kept_elsewhere: list[Path]

    def check(self) -> None:
        """Check that every command printed what the page shows; … stands for any text."""
        number = -1
        for kind, text in self.blocks:
            if kind == "sh":
                number += 1
                continue
            if kind == "python":
                continue
            pattern = ".*".join(re.escape(part) for part in text.rstrip("\n").split("…"))
            assert re.search(pattern, self.outputs[number], re.DOTALL), (
                text,
                self.outputs[number],
                self.stderr,
            )


def blocks_of(page: str, *, after: str = "", before: str = "") -> list[tuple[str, str]]:
    """Return kind and text of a page's code blocks, between two texts of it if they are given."""
    text = (ROOT / page).read_text()
    start = text.index(after) if after else 0
    return _BLOCK.findall(text[start : text.index(before) if before else len(text)])


def files_of(blocks: list[tuple[str, str]]) -> dict[str, str]:
    """Return the Python programs among blocks that name their file in the first line."""
    found = {}
    for kind, text in blocks:
        named = _FILE.match(text)
        if kind == "python" and named:
            found[named[1]] = text
    return found


def run_blocks(blocks: list[tuple[str, str]], home: Path) -> Ran:
    """Run blocks in one shell below ``home``. Programs are saved in the working directory before the next command. Those after the last are saved, too."""
    commands, waiting = [], ""
    for kind, text in blocks:
        if kind == "python":
            for name, program in files_of([(kind, text)]).items():
                waiting += f"cat > {name} <<'END_OF_FILE'\n{program}END_OF_FILE\n"
        elif kind == "sh":
            commands.append(waiting + text)
            waiting = ""
    # As on a terminal that is closed, what runs in the background ends with the shell and not before.
    script = "set -m\ntrap 'kill $(jobs -p)' EXIT\n" + f'\necho "{_SEPARATOR}"\n'.join([*commands, waiting])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TABARD_")}
    places = {name: home / name.lower() for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME")}
    for place in places.values():
        place.mkdir(mode=0o700)
    environment |= {name: str(place) for name, place in places.items()}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    (home / "work").mkdir()
    printed, told = home / "printed", home / "told"
    # Not pipes: what runs in the background would keep them open after a command that doesn't end.
    with printed.open("w") as stdout, told.open("w") as stderr, suppress(subprocess.TimeoutExpired):
        subprocess.run(
            ["bash", "-c", script],
            cwd=home / "work",
            env=environment,
            stdout=stdout,
            stderr=stderr,
            timeout=600,
            check=False,
        )
    outputs = printed.read_text().split(f"{_SEPARATOR}\n")
    assert len(outputs) == len(commands) + 1, printed.read_text() + told.read_text()
    kept = [path for place in places.values() for path in place.iterdir()]
    return Ran(blocks, outputs, told.read_text(), home / "work", kept)
