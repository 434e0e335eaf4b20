"""Pages whose commands run for a long time: each command prints what the page shows.

tests/unit/cli/test_docs.py does the same with the README and the quickstart.
"""

from __future__ import annotations

from tests.support.pages import FRAMEWORKS, blocks_of, files_of, run_blocks


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
