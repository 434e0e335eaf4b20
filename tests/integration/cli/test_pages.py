"""Pages whose commands run for a long time: each command prints what the page shows."""

from __future__ import annotations

import re

from tests.support.pages import FRAMEWORKS, blocks_of, files_of, run_blocks


def test_readme_and_then_the_quickstart_do_what_they_say(folder):
    """Every command of both pages runs, in one shell, one after the other, and prints what the page shows."""
    readme = blocks_of("README.md", after="Start a sidecar with a first policy")
    ran = run_blocks([*readme, *blocks_of("docs/quickstart.md")], folder)
    ran.check()
    assert re.findall(r"^answered by zone (\w+)-", ran.stderr, re.MULTILINE).count("quickstart") == 1
    # What projects keep is in their folders, so that they share nothing.
    assert ran.kept_elsewhere == []


def test_the_walkthrough_of_a_policy_does_what_it_says(folder):
    """From the first rule to a signed bundle: every command prints what the page shows."""
    ran = run_blocks(blocks_of("docs/policy-walkthrough.md"), folder)
    ran.check()
    assert ran.kept_elsewhere == []


def test_the_page_for_agent_developers_does_what_it_says(folder):
    """Every command and program but those of frameworks, which tests/frameworks runs."""
    blocks = blocks_of("docs/agents.md", before=FRAMEWORKS)
    unnamed = [text for kind, text in blocks if kind == "python" and not files_of([(kind, text)])]
    assert unnamed == []
    run_blocks(blocks, folder).check()
