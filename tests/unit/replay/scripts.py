"""Scripts of calls that an agent makes whatever is decided, and policies with and without each kind of rule."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass

import tabard
from tabard.caveats import Limits

from tests.support.zone import Zone

_POLICY = """
package policy.desk

start contains {"code": "task", "limits": {
	"tools": ["*"],
	"budgets": {"money": %(money)d, "mails": %(mails)d},
	"audiences": ["*"],
	"max_depth": %(depth)d,
	"max_children": 20,
}}

delegate contains {"code": "hand", "limits": {%(handed)s}} if %(delegates)s

grant contains {"code": "pay", "charges": {"money": input.tool.arguments.n}, "labels": ["paid"]} if {
	input.tool.name == "pay"
	input.tool.arguments.n <= %(most)d
}

grant contains {"code": "mail", "charges": {"mails": 1}} if {
	input.tool.name == "mail"
	%(mailing)s
}

grant contains {"code": "read", "labels": ["secret"], "label_scope": "%(scope)s"} if {
	input.tool.name == "read"
	input.tool.arguments.n %% %(modulus)d == 0
}

grant contains {"code": "note", "facts": {"seen": [sprintf("n%%d", [input.tool.arguments.n])], "notes": 1}} if {
	input.tool.name == "note"
	input.task.facts.notes < %(notes)d
}

grant contains {"code": "seen"} if {
	input.tool.name == "again"
	sprintf("n%%d", [input.tool.arguments.n]) in input.task.facts.seen
}

grant contains {"code": "few"} if {
	input.tool.name == "few"
	count([call | some call in input.history.calls; call.tool == "%(counted)s"]) < %(few)d
}

ask contains {
	"code": "large", "approvers": ["finance"], "reason": "it is much", "uses": 1, "ttl_seconds": 300,
} if {
	input.tool.name == "pay"
	input.tool.arguments.n > %(asks)d
}

deny contains {"code": "late", "message": "no pay after a mail"} if {
	%(late)s
	input.tool.name == "pay"
	some call in input.history.calls
	call.tool == "mail"
}
"""
TOOLS = ("pay", "mail", "read", "note", "again", "few")


@dataclass(frozen=True)
class Call:
    """One call of the script: by ``root``, by a ``branch`` of it or by the workload to which it is handed."""

    by: str
    tool: str
    number: int


def policy(rng: random.Random) -> str:
    """Return a policy; any two of them differ in some rules."""
    return _POLICY % {
        "depth": rng.choice([4, 4, 1]),
        "money": rng.choice([10, 25, 60, 1000]),
        "mails": rng.choice([1, 3, 50]),
        "handed": rng.choice(["", "", '"tools": ["read", "note", "mail"]', '"budgets": {"money": 8}']),
        "delegates": rng.choice(["true", "true", "true", 'input.subject.id == "nobody"']),
        "most": rng.choice([3, 7, 9]),
        "mailing": rng.choice(
            [
                'not "paid" in input.history.labels',
                'not "secret" in input.history.labels',
                "input.tool.arguments.n < 8",
            ]
        ),
        "scope": rng.choice(["task", "branch"]),
        "modulus": rng.choice([1, 2, 3]),
        "notes": rng.choice([2, 4, 100]),
        "counted": rng.choice(["pay", "mail", "few"]),
        "few": rng.choice([1, 2, 5]),
        "asks": rng.choice([4, 6, 100]),
        "late": rng.choice(["input.tool.arguments.n > 1", "input.tool.arguments.n > 8"]),
    }


def script(rng: random.Random, length: int) -> list[Call]:
    """Return calls."""
    holders = ("root", "root", "branch", "other", "handed", "handed_branch")
    return [Call(rng.choice(holders), rng.choice(TOOLS), rng.randrange(10)) for _ in range(length)]


async def play(zone: Zone, calls: list[Call]) -> list[str]:
    """Make every call; return its decision id, empty for a call that no holder can make."""
    task = await zone.start_task()
    holders = {"root": task, "branch": task.branch("one"), "other": task.branch("two")}
    with suppress(tabard.Denied):
        handed = await zone.hand_to(task, "triage")
        holders |= {"handed": handed, "handed_branch": handed.branch("three", Limits(budgets={"money": 6}))}
    found = []
    for call in calls:
        decision_id = ""
        if call.by in holders:
            try:
                decision_id = (await holders[call.by].authorize(call.tool, {"n": call.number})).decision_id
            except tabard.Denied as denied:
                decision_id = denied.decision_id
        found.append(decision_id)
    return found
