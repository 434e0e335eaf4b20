"""Our own processes take no module from the folder in which a command was started: it may be a stranger's."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tabard_sidecar.cli.mcp_bounds import within

_ROOT = Path(__file__).parents[3]
_SHIPPED = ("sidecar/tabard_sidecar", "sdk/tabard", "engine/tabard_opa")
_SAFE = {"-I", "-P"}


def _texts(sequence: ast.AST) -> list[str | None]:
    """Return what each part of a command is: its text, ``python`` for this interpreter, else ``None``."""
    parts = sequence.args if isinstance(sequence, ast.Call) else getattr(sequence, "elts", [])
    found: list[str | None] = []
    for part in parts:
        interpreter = isinstance(part, ast.Attribute) and part.attr == "executable"
        found.append("python" if interpreter else part.value if isinstance(part, ast.Constant) else None)
    return found


def _commands(source: str) -> Iterator[list[str | None]]:
    """Yield the commands that name this interpreter or a module to run, from there on."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call | ast.List | ast.Tuple):
            texts = _texts(node)
            if "python" in texts:
                yield texts[texts.index("python") + 1 :]
            elif "-m" in texts:
                yield texts


def _is_safe(command: list[str | None]) -> bool:
    """Tell whether the first option keeps the current folder out; what isn't written there is judged where it is."""
    return command[:1] == [None] or command[0] in _SAFE


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ('[sys.executable, "-P", "-m", "x"]', True),
        ('[sys.executable, "-m", "x"]', False),
        ('run(sys.executable, "-c", "pass")', False),
        ('OPTIONS = ("-m", "x")', False),
        ('OPTIONS = ("-I", "-m", "x"); run(sys.executable, *OPTIONS)', True),
    ],
)
def test_the_law_tells_them_apart(source, safe):
    assert all(map(_is_safe, _commands(source))) is safe


def test_every_process_of_ours_keeps_the_current_folder_out():
    found = [
        (str(path.relative_to(_ROOT)), command)
        for folder in _SHIPPED
        for path in sorted((_ROOT / folder).rglob("*.py"))
        for command in _commands(path.read_text(encoding="utf-8"))
    ]
    assert len({path for path, _ in found}) >= 3
    assert [one for one in found if not _is_safe(one[1])] == []


@pytest.mark.parametrize("module", ["tabard_sidecar", "subprocess", "click"])
def test_a_server_of_tools_is_started_without_the_modules_of_its_folder(tmp_path, module):
    (tmp_path / f"{module}.py").write_text("raise SystemExit('a module of the folder was imported')")
    done = subprocess.run(
        within(["/bin/echo", "{}"]), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
