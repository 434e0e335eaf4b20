"""Says what a record of a decision log holds for a replay, and why it can't be decided again if it can't."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from tabard_sidecar.facts import Facts, stated_facts
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.authoring.input_faults import input_faults
from tabard_sidecar.policy.compose import compose
from tabard_sidecar.policy.resources import ELEMENTS
from tabard_sidecar.records.reading import Entry
from tabard_sidecar.replay.not_replayable import Why
from tabard_sidecar.replay.verdict import (
    ALLOW,
    APPROVAL_REQUIRED,
    ASK,
    DENY,
    WOULD_DENY,
    Scoped,
    Verdict,
    of_policy,
    reserved,
    written_code,
)
from tabard_sidecar.util.jsontext import encode

DECIDED = frozenset({Operation.START_TASK, Operation.DELEGATE, Operation.AUTHORIZE, Operation.RENEW})
"""Operations that a log has decisions of."""

BY_POLICY = frozenset(
    {
        "no_grant",
        "policy_error",
        "policy_conflict",
        "policy_timeout",
        "facts_exceeded",
        "budget_exhausted",
        "budget_not_granted",
    }
)
"""Codes of denials without a module that come of the policy or of what the task did: a replay decides about those itself."""

_UNEXPECTED = (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError)
"""What reading members of an unexpected type raises."""

_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


class Outcome(NamedTuple):
    """What a report of an outcome did, as the log says it: ``decision_id`` is that of the call."""

    decision_id: str
    charges: Mapping[str, int]
    labels: tuple[str, ...]
    facts: Facts
    failed: bool


class About(NamedTuple):
    """Who asked for what.

    Attributes:
        agent: SPIFFE ID of the workload that asked.
        person: identifier of the person.
        tool: name of the tool; empty if the decision is about none.
        server: server that offers it; empty if none is named.
        at: when it was decided, seconds since the epoch.
        path: those who held the grant after each step of the chain, each as SPIFFE ID and sub-agent.
        approvals: module and code of the approvals that the call had.
        handed_to: workload to which a task is handed.
        expires_at: when the task is over at the latest, seconds since the epoch.
    """

    agent: str = ""
    person: str = ""
    tool: str = ""
    server: str = ""
    at: float = 0.0
    path: tuple[str, ...] = ()
    approvals: tuple[tuple[str, str], ...] = ()
    handed_to: str = ""
    expires_at: float = 0.0


class Recorded(NamedTuple):
    """One decision of a log, or the outcome of one.

    Attributes:
        decision_id: identifier.
        time: when it was recorded, seconds since the epoch.
        timestamp: the same, as the record has it.
        operation: what was decided.
        task_id: the task; of a start, the one that it began, empty if it was denied.
        about: who asked for what.
        input_json: the policy input.
        verdict: what was decided.
        revision: of the policy that decided.
        not_replayable: why it can't be decided again; empty if it can.
        outcome: set instead of an input if this is the report of an outcome.
    """

    decision_id: str
    time: float
    timestamp: str
    operation: str
    task_id: str
    about: About = About()
    input_json: bytes = b""
    verdict: Verdict = Verdict(DENY)
    revision: str = ""
    not_replayable: str = ""
    outcome: Outcome | None = None


class Skipped(NamedTuple):
    """A record that isn't a decision of a policy, with what it is counted as."""

    why: str


def recorded(entry: Entry) -> Recorded | Skipped:
    """Return what an entry of a log holds for a replay."""
    if not entry.decision_id:
        return Skipped("notes")
    if entry.shadow:
        return Skipped("shadow_differences")
    if entry.by:
        reported = _outcome(entry)
        return reported if reported is not None else Skipped("changes")
    if entry.result.get("replayed"):
        return Skipped("repeated_answers")
    asked = entry.input
    if "history" not in asked or "context" not in asked:
        # The grant, the person or the arguments were refused; no policy could change that.
        return Skipped("refused_before_policy")
    return _decision(entry, asked)


def _decision(entry: Entry, asked: dict[str, Any]) -> Recorded | Skipped:
    operation = asked.get("operation")
    timestamp = str(entry.last.get("timestamp", ""))
    why = _not_replayable(entry, operation)
    if not why and operation == Operation.FILTER_TOOLS:
        return Skipped("filtered_tools")
    about, verdict = About(), Verdict(DENY, issued=True)
    try:
        about, verdict = _about(asked), _verdict(entry, asked)
    except _UNEXPECTED:
        why = why or Why.MALFORMED
    input_json = b"" if why else _written(asked)
    if not why and not input_json:
        why = Why.MALFORMED
    if not why and input_faults(asked):
        input_json, why = b"", Why.UNKNOWN_CONTRACT
    task = asked.get("task")
    task_id = str(task.get("id") or "") if isinstance(task, dict) else ""
    return Recorded(
        entry.decision_id,
        seconds_of(timestamp),
        timestamp,
        str(operation),
        task_id or str(entry.result.get("task_id") or ""),
        about,
        input_json,
        verdict,
        _revision(entry.last),
        why,
    )


def _written(asked: Mapping[str, Any]) -> bytes:
    """Return a policy input as JSON that every reader reads; empty if it can't be written so.

    A text may hold half of a surrogate pair, which is no character, and a number may be too large for a double.
    """
    try:
        return orjson.dumps(asked)
    except TypeError:
        found = encode(asked)
    try:
        orjson.loads(found)
    except orjson.JSONDecodeError:
        return b""
    return found


def _about(asked: Mapping[str, Any]) -> About:
    agent, tool, request = asked["agent"], asked.get("tool") or {}, asked.get("request") or {}
    return About(
        _text(agent["id"]),
        _text(asked["subject"]["id"]),
        _text(tool.get("name", "")),
        _text(tool.get("server", "")),
        float(asked["context"]["time"]),
        tuple(
            f"{link['holder']} {link.get('sub_agent') or ''}".strip() for link in asked["delegation"]["chain"]
        ),
        tuple((_text(one["module"]), _text(one["code"])) for one in asked["approvals"]),
        _text(request.get("holder", "")),
        float(asked["task"].get("expires_at") or 0.0),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _not_replayable(entry: Entry, operation: object) -> str:
    for record in (entry.first, entry.last):
        for name in ("erased", "masked"):
            paths = record.get(name) or []
            if not isinstance(paths, list):
                return Why.MALFORMED
            if any(map(_hides_input, paths)):
                return Why.MASKED
    if entry.incomplete:
        return Why.INCOMPLETE
    path = str(entry.last.get("path", "")).strip("/")
    if path != "tabard/decision" or str(operation) not in {*DECIDED, Operation.FILTER_TOOLS}:
        return Why.UNKNOWN_CONTRACT
    return ""


def _hides_input(path: object) -> bool:
    return isinstance(path, str) and (path == "/input" or path.startswith("/input/"))


def _revision(record: Mapping[str, Any]) -> str:
    """Return the revision of the policy: Tabard's records name one bundle, OPA's may name it otherwise."""
    bundles = record.get("bundles")
    found = list(bundles.values()) if isinstance(bundles, dict) else []
    return str(found[0].get("revision", "")) if len(found) == 1 and isinstance(found[0], dict) else ""


def _verdict(entry: Entry, asked: Mapping[str, Any]) -> Verdict:
    result = entry.result
    if "decision" not in result and result.keys() == set(ELEMENTS):  # a record that OPA wrote itself
        approved = frozenset((one["module"], one["code"]) for one in asked.get("approvals", ()))
        decision = compose(result, Operation(asked["operation"]), approvals=approved)
        return reserved(decision, asked, of_policy(decision))  # OPA doesn't know what was left
    reasons = [
        (str(one.get("module") or ""), str(one.get("code") or "")) for one in result.get("reasons") or ()
    ]
    if result.get("decision") == ALLOW or not entry.done:
        return _allowed(asked["operation"], result, reasons)
    if result.get("decision") == WOULD_DENY:
        return _allowed(asked["operation"], result, reasons)._replace(effect=DENY, observed=True)
    asks = bool(reasons) and all(code == APPROVAL_REQUIRED for _, code in reasons)
    codes = _asked_codes(result) if asks else tuple(written_code(*reason) for reason in reasons)
    own = not asks and all(not module and code not in BY_POLICY for module, code in reasons)
    return Verdict(ASK if asks else DENY, tuple(dict.fromkeys(codes)), issued=True, own=own)


def _asked_codes(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the asks of a call that waits: the message of each begins with its code."""
    return tuple(
        written_code(str(one.get("module") or ""), str(one.get("message") or "").partition(":")[0])
        for one in result.get("reasons") or ()
    )


def _allowed(operation: str, result: Mapping[str, Any], reasons: list[tuple[str, str]]) -> Verdict:
    found = result.get("credential") or None
    credential = None
    if found:
        names = ("kind", "audience", "role", "scopes", "expires_at")
        credential = {name: found[name] for name in names if found.get(name)}
    charges = {str(name): int(amount) for name, amount in (result.get("charges") or {}).items() if amount}
    # A new task has those of earlier ones, whatever policy says.
    labels = set(result.get("labels") or ()) if operation == Operation.AUTHORIZE else set()
    facts = result.get("facts") or {}
    here = labels & set(result.get("branch_labels") or ())
    in_branch = set(result.get("branch_facts") or ())
    task, branch = (
        {name: facts[name] for name in facts if (name in in_branch) is inner} for inner in (False, True)
    )
    return Verdict(
        ALLOW,
        tuple(dict.fromkeys(written_code(*reason) for reason in reasons)),
        credential,
        charges,
        Scoped(tuple(sorted(labels - here)), tuple(sorted(here))),
        Scoped(stated_facts([task]), stated_facts([branch])),
        issued=True,
    )


def _outcome(entry: Entry) -> Recorded | None:
    """Return the outcome that a record reports; ``None`` if it is another change, or nothing was changed."""
    if entry.last.get("operation") != "report_outcome" or entry.result.get("change") != "made":
        return None
    asked = entry.input
    said, signed = _object(asked.get("said")), _object(asked.get("signed"))
    try:
        charges = {} if entry.result.get("repeated") else _charged(said, signed)
        labels = (*(signed.get("labels") or ()), *(said.get("labels") or ()))
        outcome = Outcome(
            str(asked["decision_id"]),
            charges,
            tuple(map(str, labels)),
            stated_facts([signed.get("facts") or {}]),
            bool(signed.get("failed")),
        )
    except _UNEXPECTED:
        return None
    task = entry.by.get("task")
    timestamp = str(entry.last.get("timestamp", ""))
    return Recorded(
        entry.decision_id,
        seconds_of(timestamp),
        timestamp,
        "report_outcome",
        str(task.get("id") or "") if isinstance(task, dict) else "",
        outcome=outcome,
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _charged(said: Mapping[str, Any], signed: Mapping[str, Any]) -> dict[str, int]:
    """Return what an outcome adds to each budget; less than 0 is given back."""
    charges: dict[str, int] = {}
    for sign, stated in ((1, said.get("charges")), (1, signed.get("charges")), (-1, signed.get("refunds"))):
        for name, amount in (stated or {}).items():
            charges[str(name)] = charges.get(str(name), 0) + sign * int(amount)
    return charges


def seconds_of(timestamp: str) -> float:
    """Return a record's time in seconds since the epoch; 0 if it can't be read."""
    try:
        return datetime.fromisoformat(_NANOSECONDS.sub(r"\1", timestamp)).timestamp()
    except ValueError:
        return 0.0
