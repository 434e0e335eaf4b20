"""`tabard suggest --widen` on logs with calls that were denied."""

from __future__ import annotations

import json

import pytest
from tabard_sidecar.cli import main

from tests.unit.suggest.logs import record, write

GUARDED = """package policy.open

start contains {"code": "any", "limits": {
	"tools": ["*"],
	"audiences": ["https://files.internal"],
	"scopes": ["read"],
	"budgets": {"cents": 1000},
}}

_reader := {"kind": "jwt", "audience": "https://files.internal", "scopes": ["read"], "ttl_seconds": 60}

grant contains {"code": "read", "credential": _reader} if {
	input.tool.name == "read"
	input.agent.id == "spiffe://x/a"
}

grant contains {"code": "look"} if {
	input.tool.name == "look"
	input.agent.id == "spiffe://x/a"
}

grant contains {"code": "pay", "charges": {"cents": 1}} if {
	input.tool.name == "pay"
	input.agent.id == "spiffe://x/a"
}

deny contains {"code": "never", "message": "never"} if input.tool.name == "drop"
"""
NO_GRANT = [{"module": "", "code": "no_grant"}]
NEVER = [{"module": "open", "code": "never"}]


@pytest.fixture
def policy(tmp_path):
    """Agent a may read, look and pay; nothing may be dropped."""
    home = tmp_path / "policy"
    home.mkdir()
    (home / "open.rego").write_text(GUARDED)
    return home


def entries():
    """Agent a does what it may; agent b tries the same, and what nothing grants."""
    for day in range(16):
        for number, tool in enumerate(["read", "look", "pay"]):
            one = record(day=day, tool=tool, task=f"a{day}", after=5.0 + number, charge=int(tool == "pay"))
            if tool == "read":
                one["result"]["credential"] = {
                    "kind": "jwt",
                    "audience": "https://files.internal",
                    "scopes": ["read"],
                    "expires_at": one["input"]["context"]["time"] + 60,
                }
            yield one
        for number, tool in enumerate(["read", "look", "pay", "drop", "unknown"]):
            about = {"agent": "spiffe://x/b", "effect": "deny", "task": f"b{day}", "after": 15.0 + number}
            one = record(day=day, tool=tool, **about)
            one["result"]["reasons"] = NEVER if tool == "drop" else NO_GRANT
            yield one


def test_what_no_rule_granted_is_proposed_apart_from_the_narrowing(policy, tmp_path, capsys):
    """Only where a grant can be told from others' ones; it allows those calls and no other one."""
    log = write(tmp_path / "log.jsonl", entries())
    wider, out = tmp_path / "wider", tmp_path / "out"
    main(["suggest", str(log), "--policy", str(policy), "--out", str(out), "--widen", str(wider), "--json"])
    report = json.loads(capsys.readouterr().out)["widening"]
    by_tool = {one["tool"]: one for one in report["wishes"]}
    assert by_tool["look"]["by_hand"] == by_tool["read"]["by_hand"] == ""
    assert by_tool["read"]["credential"]["ttl_seconds"] == 60
    assert "charge" in by_tool["pay"]["by_hand"]
    assert by_tool["drop"]["by_hand"].startswith("rules deny it")
    assert "no allowed call" in by_tool["unknown"]["by_hand"]
    assert report["replayed"]["changes"]["newly_allowed"] == 32
    assert {group["tool"] for group in report["replayed"]["groups"]} == {"look", "read"}
    assert [file.name for file in wider.iterdir()] == ["least_privilege_widening"]
    assert [file.name for file in out.iterdir()] == ["least_privilege"]
    texts = [file.read_text() for file in (wider / "least_privilege_widening").iterdir()]
    assert len(texts) == 3
    assert all("WIDENING" in text for text in texts)


def test_what_is_proposed_is_a_policy_that_passes_its_cases(policy, tmp_path, capsys):
    """Beside the author's own rules."""
    log = write(tmp_path / "log.jsonl", entries())
    main(["suggest", str(log), "--policy", str(policy), "--widen", str(policy)])
    out = capsys.readouterr().out
    assert "WIDENING: 5 kinds of calls were denied again and again" in out
    assert "32 recorded decisions newly_allowed" in out
    assert main(["policy", "check", str(policy)]) == 0
    assert main(["policy", "test", str(policy)]) == 0


def test_nothing_is_widened_unless_it_is_wanted(policy, tmp_path, capsys):
    """Neither told nor written."""
    log = write(tmp_path / "log.jsonl", entries())
    main(["suggest", str(log), "--policy", str(policy), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(capsys.readouterr().out)["widening"] is None
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["least_privilege"]


def test_too_few_denials_are_no_wish(policy, tmp_path, capsys):
    """The thresholds are those of the narrowing."""
    log = write(tmp_path / "log.jsonl", list(entries())[:40])
    main(["suggest", str(log), "--policy", str(policy), "--widen", str(tmp_path / "wider"), "--json"])
    report = json.loads(capsys.readouterr().out)["widening"]
    assert report == {"wishes": [], "replayed": None, "written": []}
