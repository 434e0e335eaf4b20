import re
import runpy
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.pages import FRAMEWORKS, blocks_of, files_of, run_blocks

ROOT = Path(__file__).resolve().parents[3]


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
    readme = blocks_of("README.md", after="Start a sidecar with a first policy")
    ran = run_blocks([*readme, *blocks_of("docs/quickstart.md")], home)
    ran.check()
    assert re.findall(r"^answered by zone (\w+)-", ran.stderr, re.MULTILINE).count("quickstart") == 1
    # What projects keep is in their folders, so that they share nothing.
    assert ran.kept_elsewhere == []


def test_the_walkthrough_of_a_policy_does_what_it_says(home):
    """From the first rule to a signed bundle: every command prints what the page shows."""
    ran = run_blocks(blocks_of("docs/policy-walkthrough.md"), home)
    ran.check()
    assert ran.kept_elsewhere == []


def test_the_page_for_agent_developers_does_what_it_says(home):
    """Every command and program but those of frameworks, which tests/frameworks runs."""
    blocks = blocks_of("docs/agents.md", before=FRAMEWORKS)
    unnamed = [text for kind, text in blocks if kind == "python" and not files_of([(kind, text)])]
    assert unnamed == []
    run_blocks(blocks, home).check()
