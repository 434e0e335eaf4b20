import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SEPARATOR = "=== end of block ==="


def test_reference_is_in_step_with_the_source(monkeypatch):
    """docs/reference is what docs/generate.py writes."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    assert runpy.run_path(str(ROOT / "docs" / "generate.py"))["main"](["--check"]) == 0


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="tabard-docs-"))
    yield folder
    shutil.rmtree(folder)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_quickstart_does_what_it_says(home):
    """Every command of the quickstart runs, in order, and prints what the page shows."""
    blocks = [(kind, text) for kind, text in _BLOCK.findall((ROOT / "docs" / "quickstart.md").read_text())]
    commands = [text for kind, text in blocks if kind == "sh"]
    script = "set -m\n" + f'\necho "{_SEPARATOR}"\n'.join(commands)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TABARD_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_RUNTIME_DIR": str(home),
        "XDG_STATE_HOME": str(home),
        "TABARD_HTTP__LISTEN": f"127.0.0.1:{free_port()}",
    }
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    outputs = run.stdout.split(f"{_SEPARATOR}\n")
    assert len(outputs) == len(commands), run.stdout + run.stderr
    number = -1
    for kind, text in blocks:
        if kind == "sh":
            number += 1
            continue
        pattern = ".*".join(re.escape(part) for part in text.rstrip("\n").split("…"))
        assert re.search(pattern, outputs[number], re.DOTALL), (commands[number], outputs[number], run.stderr)
