"""Logs that tests write themselves, and the meaning of a proposal for a call, told a second time in Python."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tabard_sidecar.policy.authoring.samples import sample_input
from tabard_sidecar.records.reading import joined
from tabard_sidecar.replay.recorded import recorded
from tabard_sidecar.suggest.learning import Learner
from tabard_sidecar.suggest.proposing import Kind, Proposal
from tabard_sidecar.suggest.thresholds import Thresholds

START = datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp()
DAY = 86_400.0
ALL = Thresholds(decisions=1, tasks=1, days=1, settled=0, repeated=0.0, most_members=256, slack=0.0)
"""Everything that was seen is evidence enough."""

PERMISSIVE = """package policy.open

start contains {"code": "any", "limits": {
	"tools": ["*"],
	"max_depth": 9,
	"max_children": 90,
	"budgets": {"cents": 1000},
}}

delegate contains {"code": "any"}

renew contains {"code": "any", "ttl_seconds": 60}

grant contains {"code": "any"}
"""


def record(operation: str = "authorize", **given: Any) -> dict[str, Any]:
    """Return the record of an allowed decision.

    ``day``, ``after`` (seconds since the task's start), ``task``, ``agent``, ``purpose``, ``source``, ``tool``, ``arguments``,
    ``depth``, ``children``, ``spent``, ``charge`` and ``holder`` say what was used.
    """
    about = {
        "day": 0, "after": 5.0, "task": "t1", "agent": "spiffe://x/a", "purpose": "work", "source": "signed", "tool": "read",
        "server": "", "arguments": {}, "depth": 0, "children": 0, "spent": 0, "charge": 0, "holder": "spiffe://x/b", "id": "",
        "effect": "allow", **given,
    }  # fmt: skip
    started = START + about["day"] * DAY
    time = started + about["after"]
    sections: dict[str, Any] = {
        "agent": {"id": about["agent"]},
        "task": {
            "id": about["task"],
            "purpose": about["purpose"],
            "intent_source": about["source"],
            "started_at": started,
            "expires_at": started + 3600,
        },
        "delegation": {
            "depth": about["depth"],
            "children": about["children"],
            "chain": [{"holder": about["agent"], "sub_agent": "", "caveats": []}] * about["depth"],
        },
        "budgets": {"cents": {"limit": 1000, "spent": about["spent"], "remaining": 1000 - about["spent"]}},
    }
    if operation in {"authorize", "renew"}:
        tool = {name: about[name] for name in ("server", "arguments")}
        sections["tool"] = {"name": about["tool"], **tool, "annotations": {}}
    if operation == "delegate":
        sections["request"] = {"limits": {}, "holder": about["holder"]}
    key = about["id"] or f"{about['task']}-{operation}-{about['day']}-{about['after']}-{about['tool']}"
    return {
        "labels": {"zone": "z"},
        "decision_id": key,
        "event": "outcome",
        "operation": operation,
        "path": "tabard/decision",
        "timestamp": datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
        "bundles": {"policy": {"revision": "one"}},
        "input": sample_input(operation, time, **sections),
        "result": {
            "decision": about["effect"],
            "reasons": [{"module": "open", "code": "any"}],
            **({"charges": {"cents": about["charge"]}} if about["charge"] else {}),
        },
    }


def write(file: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write a log, in the order of time."""
    lines = sorted(records, key=lambda one: str(one["timestamp"]))
    file.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return file


def learner_of(records: Iterable[Mapping[str, Any]]) -> Learner:
    """Return what records teach."""
    learner = Learner(START)
    learn(learner, records)
    return learner


def learn(learner: Learner, records: Iterable[Mapping[str, Any]]) -> None:
    """Learn from further records."""
    for entry in joined(copy.deepcopy(dict(one)) for one in records):
        learner.learn(entry, recorded(entry))


def denials(proposal: Proposal, asked: Mapping[str, Any]) -> set[str]:
    """Return the codes with which a proposal says that it denies a policy input."""
    agent = [one for one in proposal.restrictions if one.agent == asked["agent"]["id"]]
    signed = asked["task"]["intent_source"] == "signed"
    purpose = asked["task"]["purpose"] if signed else None
    found = set()
    for one in agent:
        if one.kind is Kind.SIGNED:
            found |= set() if signed else {"intent_not_signed"}
        elif one.kind is Kind.PURPOSES:
            found |= {"purpose_unused"} if signed and purpose not in one.value else set()
        elif one.kind is Kind.KNOWN:
            found |= _known(one, asked.get("tool"))
        elif one.purpose == purpose:
            found |= _denials(one, asked)
    return found


def _known(one, tool):
    name = (f"{tool['server']}/{tool['name']}" if tool["server"] else tool["name"]) if tool else None
    return {"tool_unknown_here"} if tool and name not in one.value else set()


def _denials(one, asked):
    tool, operation = asked.get("tool"), asked["operation"]
    name = (f"{tool['server']}/{tool['name']}" if tool["server"] else tool["name"]) if tool else None
    values = _values(tool["arguments"]) if tool and one.tool == name else []
    here = [value for path, value in values if path == one.name]
    numbers = [value for value in here if type(value) in {int, float}]
    texts = [value for value in here if isinstance(value, str)]
    holder = asked.get("request", {}).get("holder")
    age = asked["context"]["time"] - asked["task"]["started_at"]
    spent = asked["budgets"].get(one.name, {"spent": 0})["spent"]
    depth, children = asked["delegation"]["depth"], asked["delegation"]["children"]
    denied, code = {
        Kind.TOOLS: lambda: (tool is not None and name not in one.value, "tool_unused"),
        Kind.ARGUMENTS: lambda: (any(path not in one.value for path, _ in values), "argument_unused"),
        Kind.TYPES: lambda: (any(_type(value) not in one.value for value in here), "type_unlike_used"),
        Kind.VALUES: lambda: (any(not _listed(value, one.value) for value in here), "value_unused"),
        Kind.AT_MOST: lambda: (any(value > one.value for value in numbers), "value_out_of_range"),
        Kind.AT_LEAST: lambda: (any(value < one.value for value in numbers), "value_out_of_range"),
        Kind.BEGINNING: lambda: (any(not _begins(text, one.value) for text in texts), "value_elsewhere"),
        Kind.DOMAINS: lambda: (any(not _at(text, one.value) for text in texts), "domain_unused"),
        Kind.RENEWED: lambda: (operation == "renew" and name not in one.value, "renewal_unused"),
        Kind.DEPTH: lambda: (depth > one.value, "depth_unused"),
        Kind.CHILDREN: lambda: (operation == "delegate" and children >= one.value, "children_unused"),
        Kind.RECEIVERS: lambda: (holder is not None and holder not in one.value, "receiver_unused"),
        Kind.SECONDS: lambda: (age > one.value, "task_too_old"),
        Kind.SPENT: lambda: (operation == "authorize" and spent > one.value, "budget_unused"),
    }[one.kind]()
    return {code} if denied else set()


def _begins(text, beginning):
    return text.startswith(beginning) and not any(mark in text for mark in ("..", "%", "\\"))


def _at(text, domains):
    return text.count("@") == 1 and text.split("@")[1] in domains


def _values(arguments):
    """Every value below the arguments with its path."""
    found, pending = [], [((name if len(name) <= 40 else "?",), value) for name, value in arguments.items()]
    while pending:
        steps, value = pending.pop()
        found.append((".".join(steps) if len(steps) <= 8 else "?", value))
        if isinstance(value, dict):
            pending += [((*steps, name if len(name) <= 40 else "?"), item) for name, item in value.items()]
        elif isinstance(value, list):
            pending += [((*steps, "[]"), item) for item in value]
    return found


def _listed(value, members):
    return any(type(value) is type(one) and value == one for one in members)


def _type(value):
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
