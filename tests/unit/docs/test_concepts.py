"""docs/concepts.md has an entry for every word that the code gives to users."""

import json
import re
from pathlib import Path

import pytest
from tabard.caveats import CAVEATS
from tabard_sidecar.model import IntentSource, Operation
from tabard_sidecar.state.approval import ApprovalStatus
from tabard_sidecar.state.model import ReserveState, RevocationKind

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "concepts.md").read_text("utf-8")
ENTRIES = {
    name: " ".join(text.split())
    for name, text in re.findall(r"^- \*\*(.+?)\*\*: (.*?)(?=^- |^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
}
SCHEMAS = ROOT / "rego" / "schemas"


def code(words):
    return {f"`{word}`" for word in words}


@pytest.mark.parametrize(
    "words",
    [
        code(CAVEATS.types),
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
