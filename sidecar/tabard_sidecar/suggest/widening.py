"""Proposes what would allow calls that were denied again and again. It widens a policy, so it is kept apart from the narrowing.

A denied call may be an attack as well as a need. Only calls that no rule granted are proposed, and only if every allowed call of
the same tool had one kind of credential and cost nothing: no charge, label or fact that a new grant would miss.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from tabard_sidecar.model import Operation
from tabard_sidecar.policy.values import Json
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.verdict import ALLOW, DENY, NO_FACTS_LEFT, Verdict
from tabard_sidecar.suggest.cases import Draft, request_keys
from tabard_sidecar.suggest.learning import days_since, parsed, task_number, tool_name
from tabard_sidecar.suggest.sketches import Evidence, Members, Room, When
from tabard_sidecar.suggest.thresholds import Thresholds
from tabard_sidecar.suggest.usage import Sample, rememberable
from tabard_sidecar.suggest.written import Noted, Tree

SUFFIX: Final = "_widening"
_MOST_PEOPLE: Final = 100
_MOST_FORMS: Final = 4
_MOST_CODES: Final = 8
_NO_GRANT: Final = "no_grant"
_PLACES: Final = 100

_MODULE: Final = """# METADATA
# title: Calls that were denied, and are to be allowed
# description: |
#   WIDENING: it allows what the other modules don't. A call that was denied may have been an attack. Delete what isn't
#   needed from data.<name>, or better, write the grant into the module that it belongs to.
# custom:
#   tabard:
#     optional_data:
#       - data.<name>.agents.*.*.*.credential
package policy.<name>

_name := input.tool.name if input.tool.server == ""

_name := concat("/", [input.tool.server, input.tool.name]) if input.tool.server != ""

_wanted := data.<name>.agents[input.agent.id][input.task.purpose][_name] if input.task.intent_source == "signed"

grant contains {"code": "denied_before", "credential": _wanted.credential} if _wanted.credential

grant contains {"code": "denied_before"} if {
	_wanted
	not _wanted.credential
}
"""


class Wish(NamedTuple):
    """Calls of an agent for a signed purpose that were denied.

    Attributes:
        agent: SPIFFE ID of the workload.
        purpose: signed purpose.
        tool: the tool.
        calls: how often.
        tasks: in how many tasks.
        days: on how many days.
        people: for how many people.
        codes: of the denials.
        credential: that a grant would give; ``None`` for a call without one.
        by_hand: why no grant is proposed; empty if one is.
    """

    agent: str
    purpose: str
    tool: str
    calls: int
    tasks: int
    days: int
    people: int
    codes: tuple[str, ...]
    credential: Json
    by_hand: str


class _Denied:
    def __init__(self, room: Room) -> None:
        self.evidence = Evidence(room)
        self.people: Members[str] = Members(room, _MOST_PEOPLE)
        self.codes: Members[tuple[str, ...]] = Members(room, _MOST_CODES)
        self.sample: Sample | None = None


class _Given:
    """What allowed calls of a tool got, and whether one of them left something behind."""

    def __init__(self, room: Room) -> None:
        self.forms: Members[str] = Members(room, _MOST_FORMS)
        self.costs = False


class WishLearner:
    """Learns what was denied, and how the same tools are granted to others.

    Args:
        start: time of the first decision, seconds since the epoch.
        room: bounds what is remembered.
    """

    def __init__(self, start: float, room: Room | None = None) -> None:
        self._room = room or Room()
        self._start = start
        self._denied: dict[tuple[str, str, str], _Denied] = {}
        self._given: dict[str, _Given] = {}

    def learn(self, item: Recorded) -> None:
        """Learn from a decision of a log; from one that can't be decided again nothing.

        Raises:
            TooMuchError: there is more than can be remembered.
        """
        if item.operation != Operation.AUTHORIZE or not item.input_json:
            return
        asked = parsed(Sample(0, "", item.input_json))
        name = tool_name(asked["tool"])
        when = When(days_since(item.time, self._start), task_number(item.task_id))
        if not rememberable(name):
            return
        if item.verdict.effect == ALLOW:
            self._allow(name, item, when)
        elif item.verdict.effect == DENY and not item.verdict.own:
            self._deny(name, item, asked, when)

    def _allow(self, name: str, item: Recorded, when: When) -> None:
        given = self._given.get(name)
        if given is None:
            self._room.take()
            given = self._given[name] = _Given(self._room)
        given.forms.add(_form(item), when)
        given.costs = given.costs or _costs(item.verdict)

    def _deny(self, name: str, item: Recorded, asked: Mapping[str, Any], when: When) -> None:
        task, agent = asked["task"], asked["agent"]["id"]
        if task["intent_source"] != "signed" or not rememberable(agent) or not rememberable(task["purpose"]):
            return
        key = agent, task["purpose"], name
        denied = self._denied.get(key)
        if denied is None:
            self._room.take(_PLACES)
            denied = self._denied[key] = _Denied(self._room)
        denied.evidence.note(when)
        denied.people.add(item.about.person, when)
        denied.codes.add(item.verdict.codes, when)
        sample = Sample(len(item.input_json), item.decision_id, item.input_json)
        denied.sample = sample if denied.sample is None else min(denied.sample, sample)

    def wishes(self, thresholds: Thresholds) -> list[Wish]:
        """Return what was denied often enough, sorted."""
        return [
            self._wish(key, denied)
            for key, denied in sorted(self._denied.items())
            if denied.evidence.suffices(thresholds)
        ]

    def _wish(self, key: tuple[str, str, str], denied: _Denied) -> Wish:
        codes = tuple(sorted({code for codes in denied.codes.values() for code in codes}))
        given = self._given.get(key[2])
        forms = given.forms.values() if given is not None else []
        why = ""
        if codes != (_NO_GRANT,):
            why = "rules deny it, or other reasons than a missing grant"
        elif given is None:
            why = "no allowed call says which credential the tool needs"
        elif given.costs:
            why = "its grants charge, label or note something"
        elif len(forms) != 1:
            why = "its grants give several kinds of credentials"
        credential = json.loads(forms[0]) if not why else None
        evidence = denied.evidence
        people = len(denied.people.values()) if denied.people.bounded else _MOST_PEOPLE
        return Wish(*key, evidence.calls, evidence.tasks, len(evidence.days), people, codes, credential, why)

    def drafts(self, wishes: Iterable[Wish]) -> Iterator[Draft]:
        """Yield a case for each wish for which a grant is proposed."""
        granted = [one for one in wishes if not one.by_hand]
        for number, one in enumerate(granted, 1):
            sample = self._denied[one.agent, one.purpose, one.tool].sample
            if sample is not None:
                keys = request_keys(parsed(sample))
                yield Draft(number, "WIDENING: a call that was denied is allowed", keys, "")


def widening_text(name: str) -> str:
    """Return the module ``policy.<name>``, which reads ``data.<name>``."""
    return _MODULE.replace("<name>", name)


def widening_tree(wishes: Iterable[Wish]) -> Tree:
    """Return the data of the module."""
    agents: Tree = {}
    for one in wishes:
        if one.by_hand:
            continue
        comment = (
            f"denied {one.calls:,} times in {one.tasks:,} tasks of {one.people:,} people on {one.days:,} days"
        )
        value = {"credential": one.credential} if one.credential is not None else {}
        agents.setdefault(one.agent, {}).setdefault(one.purpose, {})[one.tool] = Noted(value, comment)
    return {"agents": agents}


def _form(item: Recorded) -> str:
    """Return the credential of an allowed call as a grant states it, with the longest life in whole minutes."""
    found = dict(item.verdict.credential or {})
    if not found:
        return "null"
    lives = max(1.0, float(found.pop("expires_at", item.time)) - item.about.at)
    found["scopes"] = sorted(found.get("scopes", ()))
    found["ttl_seconds"] = int(-(-lives // 60)) * 60
    return json.dumps(found, sort_keys=True)


def _costs(verdict: Verdict) -> bool:
    labels = verdict.labels
    return bool(verdict.charges or labels.task or labels.branch or verdict.facts != NO_FACTS_LEFT)
