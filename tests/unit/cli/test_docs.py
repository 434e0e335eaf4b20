import os
import re
import runpy
import shutil
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


def test_readme_and_then_the_quickstart_do_what_they_say(home):
    """Every command of both pages runs, in one shell, one after the other, and prints what the page shows."""
    readme = _BLOCK.findall((ROOT / "README.md").read_text())
    begins = next(number for number, (_, text) in enumerate(readme) if "tabard init" in text)
    blocks = [*readme[begins:], *_BLOCK.findall((ROOT / "docs" / "quickstart.md").read_text())]
    commands = [text for kind, text in blocks if kind == "sh"]
    # As on a terminal that is closed, the first sidecar ends with the shell and not before.
    script = "set -m\ntrap 'kill $(jobs -p)' EXIT\n" + f'\necho "{_SEPARATOR}"\n'.join(commands)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TABARD_")}
    places = {name: home / name.lower() for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME")}
    for place in places.values():
        place.mkdir(mode=0o700)
    environment |= {name: str(place) for name, place in places.items()}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    (home / "work").mkdir()
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=home / "work",
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
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
    assert re.findall(r"^answered by zone (\w+)-", run.stderr, re.MULTILINE).count("quickstart") == 1
    # What projects keep is in their folders, so that they share nothing.
    assert [list(place.iterdir()) for place in places.values()] == [[], []]
