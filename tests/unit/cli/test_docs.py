"""The reference of the command is in step with it; tests/integration/cli/test_pages.py runs the commands of pages."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_reference_is_in_step_with_the_source(monkeypatch):
    """docs/reference is what docs/generate.py writes."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    assert runpy.run_path(str(ROOT / "docs" / "generate.py"))["main"](["--check"]) == 0
