"""Writes decision cases for a proposal: calls of the log that stay allowed, and calls beside them that are denied now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from tabard_sidecar.policy.values import Json
from tabard_sidecar.suggest.learning import parsed
from tabard_sidecar.suggest.proposing import Kind, Proposal, Restriction
from tabard_sidecar.suggest.usage import ASSERTED, PurposeUse, Sample, Usage
from tabard_sidecar.suggest.written import quoted, scalar

MOST_CASES: Final = 400
"""Most cases of a proposal."""
MOST_BYTES: Final = 1_000_000
"""Size from which on no case is added to a file."""
_OTHER_TOOL: Final = "another.tool"
_OTHER_TEXT: Final = "another value"
_OTHERS: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.AT_LEAST: ("a number below the range is denied", "value_out_of_range"),
    Kind.AT_MOST: ("a number above the range is denied", "value_out_of_range"),
    Kind.BEGINNING: ("a text that begins otherwise is denied", "value_elsewhere"),
    Kind.DOMAINS: ("another domain is denied", "domain_unused"),
    Kind.TYPES: ("another type is denied", "type_unlike_used"),
    Kind.VALUES: ("another value is denied", "value_unused"),
}
_INDENT: Final = "  "

Keys = dict[str, Any]


class Draft(NamedTuple):
    """A case before it is tried.

    Attributes:
        number: in its file, from 1.
        what: what it shows, without texts of a log.
        keys: the request, by the keys of a case.
        code: code with which the module has to deny it; empty for one that has to stay allowed.
    """

    number: int
    what: str
    keys: Keys
    code: str

    @property
    def name(self) -> str:
        """Name of the case."""
        return f"{self.number:03d} {self.what}"


def drafts(proposal: Proposal, usage: Usage, tools: Iterable[str] = ()) -> list[Draft]:
    """Return cases that a proposal should meet. Those of each tool's use come first, then one for each restriction.

    Args:
        proposal: what is proposed.
        usage: what it was learned from.
        tools: names that the catalogue has, for calls of a tool that wasn't used.
    """
    others = sorted({*tools, _OTHER_TOOL})
    found: list[tuple[str, Keys, str]] = [
        ("a call of the log stays allowed", request_keys(parsed(sample)), "")
        for sample in _samples(proposal, usage)
    ]
    for one in proposal.restrictions:
        use = _use(usage, one)
        beside = _sample(use, one.tool) if use is not None else None
        if beside is not None:
            found += _denied(one, parsed(beside), others)
    return [Draft(number, *one) for number, one in enumerate(found[:MOST_CASES], 1)]


def cases_text(chosen: Iterable[tuple[Draft, Keys]], head: Iterable[str]) -> str:
    """Return a file with cases, each with what it expects; ``head`` are lines of comment, without texts of a log.

    Cases beyond ``MOST_BYTES`` are left out.
    """
    text = "".join(f"# {line}".rstrip() + "\n" for line in head) + "\ncases:\n"
    for draft, expect in chosen:
        keys = {"name": draft.name, **draft.keys, "expect": expect}
        lines = (
            f"{_INDENT}{'  ' if place else '- '}{key}: {_flow(value)}\n"
            for place, (key, value) in enumerate(keys.items())
        )
        text += "".join(lines) if len(text) < MOST_BYTES else ""
    return text


def _flow(value: Json) -> str:
    """Return a value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(str(name))}: {_flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)


def request_keys(asked: Mapping[str, Any]) -> Keys:
    """Return the keys of a case for a policy input, without those that have their default."""
    subject, agent, task = asked["subject"], asked["agent"], asked["task"]
    delegation, history, now = asked["delegation"], asked["history"], asked["context"]["time"]
    tool = asked.get("tool") or {}
    keys: Keys = {
        "operation": asked["operation"],
        "tool": tool.get("name", ""),
        "server": tool.get("server", ""),
        "arguments": tool.get("arguments", {}),
        "subject": subject["id"],
        "issuer": subject["issuer"],
        "claims": subject["claims"],
        "agent": agent["id"],
        "sub_agent": agent["sub_agent"],
        "attributes": agent["attributes"],
        "hops": [link["holder"] for link in delegation["chain"]],
        "purpose": task["purpose"],
        "statement": task["statement"],
        "labels": history["labels"],
        "facts": task.get("facts", {}),
        "calls": [
            {"tool": one["tool"], "labels": one["labels"], "seconds_ago": max(0, now - one["at"])}
            for one in history["calls"]
        ],
        "context": asked["context"]["asserted"],
    }
    found = {name: value for name, value in keys.items() if value not in ("", {}, [])}
    if task["intent_source"] != "signed":
        found["intent_source"] = task["intent_source"]
    if "authenticated_at" in subject:
        found["authenticated_seconds_ago"] = max(0, now - subject["authenticated_at"])
    budgets = asked["budgets"].items()
    found["budgets"] = {name: {"limit": one["limit"], "spent": one["spent"]} for name, one in budgets}
    found["time"] = now
    return found


def _samples(proposal: Proposal, usage: Usage) -> Iterator[Sample]:
    """Yield the smallest call of each tool, agent and purpose that the proposal is about."""
    places = dict.fromkeys((one.agent, one.purpose) for one in proposal.restrictions)
    for agent, purpose in places:
        use = _purpose(usage, agent, purpose)
        tools = use.tools if use is not None else {}
        yield from (tool.sample for _, tool in sorted(tools.items()) if tool.sample is not None)


def _use(usage: Usage, one: Restriction) -> PurposeUse | None:
    if one.kind is Kind.SIGNED:
        purposes = sorted(usage.agents[one.agent].purposes.items())
        return purposes[0][1] if purposes else None
    return _purpose(usage, one.agent, one.purpose)


def _purpose(usage: Usage, agent: str, purpose: str | None) -> PurposeUse | None:
    use = usage.agents[agent]
    return use.asserted if purpose is ASSERTED else use.purposes.get(purpose)


def _sample(use: PurposeUse, tool: str) -> Sample | None:
    """Return the sample of a tool, or the smallest one of any."""
    if tool:
        return use.tools[tool].sample if tool in use.tools else None
    return min((one.sample for one in use.tools.values() if one.sample is not None), default=None)


def _denied(one: Restriction, asked: dict[str, Any], tools: list[str]) -> Iterator[tuple[str, Keys, str]]:
    """Yield the case beside an allowed call that a restriction denies, if the call can be changed so."""
    keys = request_keys(asked)
    match one.kind:
        case Kind.SIGNED:
            yield "an asserted request is denied", keys | {"intent_source": "asserted"}, "intent_not_signed"
        case Kind.TOOLS:
            other = next(
                (name for name in tools if name not in one.value and name != _OTHER_TOOL), _OTHER_TOOL
            )
            changed = {name: value for name, value in keys.items() if name not in {"server", "arguments"}}
            yield "a tool that wasn't used is denied", changed | {"tool": other}, "tool_unused"
        case Kind.DEPTH:
            hops = [one.agent] * (int(one.value) + 1)
            yield "a task that was handed on further is denied", keys | {"hops": hops}, "depth_unused"
        case Kind.SPENT:
            spent = int(one.value) + 1
            budgets = keys["budgets"] | {one.name: {"limit": max(spent, 2 * spent), "spent": spent}}
            yield "a task that spent more is denied", keys | {"budgets": budgets}, "budget_unused"
        case _:
            yield from _other_argument(one, keys)


def _other_argument(one: Restriction, keys: Keys) -> Iterator[tuple[str, Keys, str]]:
    arguments = keys.get("arguments", {})
    if one.kind is Kind.ARGUMENTS:
        names = (f"other{number}" for number in range(len(one.value) + 1))
        name = next(name for name in names if name not in one.value)
        yield (
            "an argument that wasn't used is denied",
            keys | {"arguments": arguments | {name: 1}},
            "argument_unused",
        )
    elif one.name in arguments and one.kind in _OTHERS:
        what, code = _OTHERS[one.kind]
        yield what, keys | {"arguments": arguments | {one.name: _other_value(one)}}, code


def _other_value(one: Restriction) -> Json:
    """Return a value that a restriction of an argument denies."""
    match one.kind:
        case Kind.AT_MOST:
            return one.value + 1
        case Kind.AT_LEAST:
            return one.value - 1
        case Kind.TYPES:
            return {} if "array" in one.value else []
        case Kind.DOMAINS:
            return "someone@elsewhere.example"
        case _:
            return _OTHER_TEXT
