"""The pages of the command are in step with it; tests/integration/cli/test_pages.py runs those that take long."""

import re
import runpy
from pathlib import Path

from tests.support.pages import blocks_of, run_blocks

ROOT = Path(__file__).resolve().parents[3]


def test_reference_is_in_step_with_the_source(monkeypatch):
    """docs/reference is what docs/generate.py writes."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    assert runpy.run_path(str(ROOT / "docs" / "generate.py"))["main"](["--check"]) == 0


def test_readme_and_then_the_quickstart_do_what_they_say(folder):
    """Every command of both pages runs, in one shell, one after the other, and prints what the page shows."""
    readme = blocks_of("README.md", after="Start a sidecar with a first policy")
    ran = run_blocks([*readme, *blocks_of("docs/quickstart.md")], folder)
    ran.check()
    assert re.findall(r"^answered by zone (\w+)-", ran.stderr, re.MULTILINE).count("quickstart") == 1
    # What projects keep is in their folders, so that they share nothing.
    assert ran.kept_elsewhere == []
