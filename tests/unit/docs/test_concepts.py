"""docs/concepts.md has an entry for every word that the code gives to users, and its links lead somewhere."""

import json
import re
from pathlib import Path

import pytest
from tabard.caveats.types import CAVEAT_TYPES
from tabard_sidecar.model import IntentSource, Operation
from tabard_sidecar.state.model import ApprovalStatus, ReserveState, RevocationKind

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
TEXT = (DOCS / "concepts.md").read_text("utf-8")
ENTRIES = {
    name: " ".join(text.split())
    for name, text in re.findall(r"^- \*\*(.+?)\*\*: (.*?)(?=^- |^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
}
SCHEMAS = ROOT / "rego" / "schemas"


def code(words):
    return {f"`{word}`" for word in words}


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "words",
    [
        code(CAVEAT_TYPES),
        code(Operation),
        set(IntentSource),
        {*ApprovalStatus, "expired"},
        {ReserveState.EXHAUSTED.value},
        {f"revoked `{kind}`" for kind in RevocationKind},
    ],
    ids=["caveats", "operations", "intent sources", "approval states", "budget states", "revocations"],
)
def test_every_word_of_the_code_has_an_entry(words):
    assert words - ENTRIES.keys() == set()


def test_every_element_of_policies_has_an_entry():
    elements = {path.stem for path in SCHEMAS.glob("*.json")} - {"input"}
    assert elements >= {"grant", "deny", "ask"}
    assert {word for word in elements if not {word, f"`{word}`"} & ENTRIES.keys()} == set()


def test_every_kind_of_credential_has_an_entry():
    grant = json.loads((SCHEMAS / "grant.json").read_text("utf-8"))
    kinds = grant["properties"]["credential"]["properties"]["kind"]["enum"]
    assert code(kinds) - ENTRIES.keys() == set()


def test_no_word_has_two_entries():
    names = re.findall(r"^- \*\*(.+?)\*\*:", TEXT, re.MULTILINE)
    assert len(names) == len(set(names)) > 100


def test_every_entry_is_short():
    assert {name for name, text in ENTRIES.items() if not text.endswith(".") or len(text) > 400} == set()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))))
def test_every_link_leads_to_a_heading(target):
    page, _, anchor = target.partition("#")
    assert (DOCS / page).is_file()
    if anchor:
        assert anchor in anchors(DOCS / page)
