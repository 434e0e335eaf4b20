"""The law of masks: they erase what was said, and neither change nor hide what was decided."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.records.masking import MaskError, apply_masks, erase_all

RECORD = {
    "decision_id": "d-1",
    "event": "outcome",
    "operation": "authorize",
    "labels": {"id": "one"},
    "bundles": {"policy": {"revision": "abc"}},
    "input": {
        "operation": "authorize",
        "subject": {"id": "alice", "issuer": "https://idp.example"},
        "agent": {"id": "spiffe://x/a", "issuer": "i", "attributes": {"pod": "p"}, "sub_agent": "s"},
        "task": {"id": "t-1", "purpose": "p", "statement": "s"},
        "delegation": {
            "depth": 1,
            "chain": [{"holder": "spiffe://x/b", "sub_agent": "", "caveats": [{"a": 1}]}],
        },
        "tool": {"name": "pay", "server": "bank", "arguments": {"to": "ACME", "list": [1, {"deep": "x"}]}},
        "context": {"time": 1.5, "asserted": {"said": "y"}},
    },
    "result": {
        "decision": "deny",
        "reasons": [{"code": "c", "module": "policy.m", "message": "quotes ACME"}],
        "credential": {"id": "cr", "kind": "jwt"},
        "charges": {"money": 5},
    },
}
WORDS = (
    "input result operation subject agent id task delegation chain 0 1 holder tool name server "
    "arguments to list deep context asserted said decision reasons code module message credential "
    "charges decision_id labels * - ~1 ~0"
)
STEPS = st.sampled_from(WORDS.split())
PATHS = st.lists(STEPS, max_size=6).map(lambda steps: "/" + "/".join(steps))
VALUES = (
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
)
MASKS = st.lists(
    PATHS
    | st.builds(lambda path: {"op": "remove", "path": path}, PATHS)
    | st.builds(lambda path, value: {"op": "upsert", "path": path, "value": value}, PATHS, VALUES)
    | VALUES,
    max_size=6,
)


def kept(record):
    """What no mask may change: the decision, who asked for what, and everything outside of input and result."""
    said, result = record["input"], record["result"]
    outside = {
        name: value
        for name, value in record.items()
        if name not in {"input", "result", "erased", "masked", "mask_refused", "mask_error", "call_digest"}
    }
    return (
        outside,
        result["decision"],
        [(reason["code"], reason["module"]) for reason in result["reasons"]],
        result["credential"],
        result["charges"],
        said["operation"],
        said["agent"]["id"],
        said["task"]["id"],
        (said["tool"]["name"], said["tool"]["server"]),
        [link["holder"] for link in said["delegation"]["chain"]],
    )


def values(document):
    """Every scalar below a document, as text."""
    if isinstance(document, dict):
        return {text for inner in document.values() for text in values(inner)}
    if isinstance(document, list):
        return {text for inner in document for text in values(inner)}
    return {json.dumps(document)}


@given(MASKS)
def test_no_masks_change_what_was_decided(masks):
    """Any masks, well-formed or not: what is kept stays, and what isn't an agent's word is never replaced."""
    record = copy.deepcopy(RECORD)
    try:
        apply_masks(record, masks)
    except MaskError:
        record = copy.deepcopy(RECORD)
        erase_all(record)
    assert kept(record) == kept(RECORD)
    said = {name: value for name, value in record["input"].items() if name not in {"tool", "context"}}
    assert values(said) | values(record["result"]) <= values(RECORD) | {"null"}
    changed = record["input"].get("tool", {}).get("arguments") != RECORD["input"]["tool"]["arguments"]
    assert ("call_digest" in record) or not changed


@pytest.mark.parametrize("path", ["/input/tool/arguments/*", "/input/*/arguments", "/input/tool/*/n"])
def test_a_mask_with_a_star_fails_instead_of_hiding_nothing(path):
    with pytest.raises(MaskError, match="stands for no other key"):
        apply_masks(copy.deepcopy(RECORD), [path])


def test_a_key_that_is_a_star_is_masked():
    record = copy.deepcopy(RECORD)
    record["input"]["tool"]["arguments"] = {"*": "secret", "b": 1}
    apply_masks(record, ["/input/tool/arguments/*"])
    assert record["input"]["tool"]["arguments"] == {"b": 1}


@pytest.mark.parametrize(
    ("mask", "value", "message", "stays"),
    [
        ("/input/tool/arguments/to", "ACME", "pay ACME first", False),
        ("/input/tool/arguments", "ACME", "pay ACME first", False),
        ({"op": "upsert", "path": "/input/tool/arguments/to", "value": "*"}, "ACME", "pay ACME first", False),
        ("/input/tool/arguments/to", "ACME", "prefixACME", False),
        ("/input/tool/arguments/to", 4111_1111, "card 41111111 is blocked", False),
        ("/input/tool/arguments/to", 9, "9 is too many", False),
        ("/input/tool/arguments/to", 9, "99 is too many", True),
        ("/input/tool/arguments/to", "", "no account", True),
        ("/input/context/asserted/said", "ACME", "pay ACME first", True),
        ("/input/tool/arguments/to", [str(n) for n in range(2000)], "too many", False),
    ],
)
def test_a_message_that_repeats_a_masked_value_is_erased(mask, value, message, stays):
    record = copy.deepcopy(RECORD)
    record["input"]["tool"]["arguments"]["to"] = value
    record["result"]["reasons"] = [
        {"code": "c", "module": "m", "message": message}, {"code": "d", "module": "m", "message": "other words"},
    ]  # fmt: skip
    apply_masks(record, [mask])
    first, second = record["result"]["reasons"]
    assert (first["code"], first["module"], "message" in first) == ("c", "m", stays)
    assert ("/result/reasons/0/message" in record.get("erased", [])) is not stays
    assert "message" in second or isinstance(value, list)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("#W1", [None, "W2", "12"]),
        (["#W1", "W2"], [None, None, "12"]),
        (12, ["#W1", "W2", None]),
        ("1", ["#W1", "W2", "12"]),
        ([f"id-{number}" for number in range(9000)], [None, None, None]),
    ],
)
@pytest.mark.parametrize(
    "mask", ["/input/tool/arguments/to", {"op": "upsert", "path": "/input/tool/arguments/to", "value": "x"}]
)
def test_a_fact_that_repeats_a_masked_value_loses_it(mask, value, left):
    """In what the call noted and in what the task had; counters and the other elements stay, at their places."""
    record = copy.deepcopy(RECORD)
    record["input"]["tool"]["arguments"]["to"] = value
    record["result"]["facts"] = {"orders": ["#W1", "W2", "12"], "mails": 12}
    record["input"]["task"] |= {"facts": {"seen": ["#W1", "W2", "12"], "mails": 12}}
    apply_masks(record, [mask])
    assert record["result"]["facts"] == {"orders": left, "mails": 12}
    assert record["input"]["task"]["facts"] == {"seen": left, "mails": 12}
    gone = [index for index, one in enumerate(left) if one is None]
    erased = {path for path in record.get("erased", []) if "/facts/" in path}
    assert erased == {
        f"/{place}/{index}" for place in ("result/facts/orders", "input/task/facts/seen") for index in gone
    }


def test_everything_that_can_be_erased_is_erased_if_a_mask_fails():
    """No word of the agent, the person or the policy is left."""
    record = copy.deepcopy(RECORD)
    erase_all(record)
    text = json.dumps(record)
    for word in ("ACME", "alice", "deep", "said", "purpose"):
        assert word not in text
    assert kept(record) == kept(RECORD)
