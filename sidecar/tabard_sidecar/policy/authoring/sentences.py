"""Requests of people with all their calls: the short form of sequences of decision cases."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import Field

from tabard_sidecar.policy.authoring.matrices import Effect, Effects, Path
from tabard_sidecar.policy.authoring.request_keys import OutcomeKeys, RequestKeys
from tabard_sidecar.policy.authoring.sequences import OF_ONE_CALL
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.util.lean import dataclass

_OF_A_CALL = (OF_ONE_CALL - {"context", "time"}) | {"statement"}
_EFFECTS = frozenset(get_args(Effect))
_BESIDE_A_TOOL = frozenset({"expect", "signs"})
Role = Literal["does", "never"]


class SentenceKeys(RequestKeys):
    """What a person says, the calls that it needs, and calls that it must never let through."""

    says: str = Field(min_length=1, description="The person's words: the statement of each of the calls.")
    name: str = Field(default="", description="Its name, unique in its file. Default: the words.")
    person: str = Field(
        default="", description="Name under `people` of the file: this person's claims are verified."
    )
    does: list[dict[str, Any]] = Field(
        min_length=1,
        description="All calls that a careful agent makes, in order: `tool.name: {argument: value}`. Each is expected to be "
        "allowed, or what `expect` beside it says; the person approves what is asked. `signs` beside it has the facts that the "
        "backend signs.",
    )
    never: list[dict[str, Any]] = Field(
        default=[],
        description="Calls that an attacker wants, each tried after the calls, in the same form: expected to be denied.",
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a sentence as a case.

    Attributes:
        name: the sentence's name, with the call's number and tool.
        sentence: the sentence's name.
        role: whether the sentence needs the call, or must never let it through.
        path: where it stands in the sentence.
        stated: the keys that sentence and call state.
        expect: the effects that it accepts.
        after: name of the step before it; empty for the first.
        signs: facts that the backend signs afterwards.
    """

    name: str
    sentence: str
    role: Role
    path: Path
    stated: dict[str, Any]
    expect: Effects
    after: str
    signs: OutcomeKeys | None


def steps(sentence: SentenceKeys, people: Mapping[str, Mapping[str, Any]]) -> Iterator[Step]:
    """Yield each call of a sentence that has no fault, first those that it needs."""
    general = {
        key: getattr(sentence, key) for key in sentence.model_fields_set if key in RequestKeys.model_fields
    }
    general["statement"] = sentence.says
    if sentence.person:
        general["claims"] = {**people[sentence.person], **general.get("claims", {})}
    name, before = name_of(sentence), ""
    for role, listed in _listed(sentence):
        for index, line in enumerate(listed):
            tool, arguments = _call(line)
            step = f"{name}: {'never ' if role == 'never' else ''}{index + 1} {tool}"
            yield Step(
                step,
                name,
                role,
                (role, index),
                {**general, "tool": tool, "arguments": arguments},
                line.get("expect", "deny" if role == "never" else "allow"),
                before,
                OutcomeKeys(facts=line["signs"]) if line.get("signs") else None,
            )
            before = step if role == "does" else before


def name_of(sentence: SentenceKeys) -> str:
    """Return the name of a sentence, on one line."""
    return " ".join((sentence.name or sentence.says).split())


def faults(
    sentences: Sequence[SentenceKeys], people: Mapping[str, Mapping[str, Any]], taken: Collection[str]
) -> Iterator[tuple[Path, str, str]]:
    """Yield place, message and next step of what is wrong with sentences beyond the types of their keys.

    Args:
        sentences: the sentences of a file.
        people: claims of its people, by name.
        taken: names that other cases of the file have.
    """
    names = set(taken)
    for index, sentence in enumerate(sentences):
        name = name_of(sentence)
        if name in names:
            yield (index,), f"another one has the name {name!r}", "Give it a name of its own."
        names.add(name)
        if sentence.person and sentence.person not in people:
            message = f"the file has no person {sentence.person!r}{nearest(sentence.person, people)}"
            yield (index, "person"), message, "Name one under people."
        for key in sorted(sentence.model_fields_set & _OF_A_CALL):
            yield (index, key), "a request with calls has no such key", "Say it in says or in a call."
        for role, listed in _listed(sentence):
            for number, line in enumerate(listed):
                for place, message, step in _line_faults(line):
                    yield (index, role, number, *place), message, step


def _listed(sentence: SentenceKeys) -> tuple[tuple[Role, Sequence[Mapping[str, Any]]], ...]:
    return ("does", sentence.does), ("never", sentence.never)


def _tools(line: Mapping[str, Any]) -> list[str]:
    return [key for key in line if key not in _BESIDE_A_TOOL]


def _line_faults(line: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    tools = _tools(line)
    if len(tools) != 1:
        message = f"names {'no tool' if not tools else 'several tools: ' + ', '.join(map(str, tools))}"
        yield (), message, "Write one call as `tool.name: {argument: value}`."
        return
    if not isinstance(line[tools[0]], dict | None):
        yield (tools[0],), "must be a mapping of arguments", "Write `tool.name: {argument: value}`."
    effects = line.get("expect", "allow")
    if not set([effects] if isinstance(effects, str) else effects or [""]) <= _EFFECTS:
        yield ("expect",), "must be allow, ask or deny, or a list of these", "Correct the effect."
    signed = line.get("signs", {})
    if not isinstance(signed, dict) or not all(
        isinstance(found, list) and all(isinstance(one, str) for one in found) for found in signed.values()
    ):
        yield ("signs",), "must be lists of texts, by the name of the fact", "Write `signs: {belongs: [a]}`."


def _call(line: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    (tool,) = _tools(line)
    return tool, line[tool] or {}
