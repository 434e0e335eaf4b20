"""Checks a policy as a whole for what can never match, be granted or be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from tabard_sidecar.facts import FactKind
from tabard_sidecar.policy.loading.ast import Node, Place, place
from tabard_sidecar.policy.loading.bounds import Fits, Listed, Shape, Values
from tabard_sidecar.policy.loading.branch_reads import BRANCH_READ, branch_reads
from tabard_sidecar.policy.loading.contradictions import contradictions
from tabard_sidecar.policy.loading.fact_bounds import facts_schema, unstarted
from tabard_sidecar.policy.loading.finding import UNLISTED
from tabard_sidecar.policy.loading.flow import Flow
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.loading.masks import wrong_masks
from tabard_sidecar.policy.loading.metadata import Declared, declared
from tabard_sidecar.policy.loading.noted import Noted, noted
from tabard_sidecar.policy.loading.offered import (
    Named,
    Offered,
    Offers,
    by_tool,
    contract,
    input_schema,
    names_in,
    offered,
    part,
    record_schema,
    with_others,
)
from tabard_sidecar.policy.loading.patterns import globs_meet
from tabard_sidecar.policy.loading.program import Clause, Path, build_program
from tabard_sidecar.policy.problems import PolicyProblem, Severity
from tabard_sidecar.policy.resources import schema
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.similar import get_close_matches

_ALMOST = 0.85
_NEEDS_START = ("grant", "ask", "delegate", "renew")


@dataclass(frozen=True, slots=True)
class Reach:
    """What no input can match and what nothing offers, and the facts that grants note."""

    problems: tuple[PolicyProblem, ...]
    facts: Mapping[str, FactKind]


def check_reach(
    modules: Mapping[str, Node], library: Mapping[str, Node], data: Mapping[str, Json] | None, outside: Offers
) -> Reach:
    """Check what inputs can match, and what is offered.

    Args:
        modules: the policy's modules by file.
        library: Tabard's own.
        data: base documents; ``None`` if they aren't known.
        outside: catalogue and configuration.
    """
    said = {file: declared(module) for file, module in modules.items()}
    optional = frozenset(path for each in said.values() for path in each.optional_data)
    program = build_program(modules, library, data, schema("input"), optional)
    labels = [label for each in said.values() for label in each.labels]
    outside = with_others(outside, (name for each in said.values() for name in each.tools))
    flow = Flow(program)
    names, facts = offered(flow, labels, outside), noted(flow)
    known = {path[1] for path in program.clauses if path[:1] == ("policy",) and len(path) > 1}
    whole = input_schema(schema("input"), names, known, facts_schema(facts.facts))
    program = replace(
        program,
        input=Fits((whole,)),
        record=Fits((record_schema(whole),)),
        started=Fits((unstarted(whole),)),
        tools=by_tool(whole, outside.tools),
    )
    problems = tuple(_problems(Flow(program), names, facts, said if data is not None else {}))
    return Reach(problems, dict(sorted(facts.kinds.items())))


def _problems(
    flow: Flow, names: Offered, facts: Noted, said: Mapping[str, Declared]
) -> Iterator[PolicyProblem]:
    for source, finding in flow.check():
        yield _problem(source.file, finding.at, finding.code, finding.message, finding.next_step)
    yield from _check_elements(flow, names)
    yield from _check_start(flow)
    for wrong in facts.wrong:
        at = _place_of(wrong.clause.rule.node, wrong.name) or wrong.clause.rule.place
        yield _problem(wrong.clause.source.file, at, wrong.code, wrong.message, wrong.next_step)
    branch = frozenset(name for name, fact in facts.facts.items() if fact.branch)
    for read in branch_reads(flow.program, branch):
        yield _problem(read.clause.source.file, read.at, BRANCH_READ, read.message, read.next_step)
    for found in contradictions(flow.program):
        yield _problem(found.clause.source.file, found.at, "contradiction", found.message, found.next_step)
    for clause, path, message, step in wrong_masks(flow):
        at = _place_of(clause.rule.node, path) or clause.rule.place
        yield _problem(clause.source.file, at, "mask_unknown", message, step)
    yield from _check_declared(said, flow.touched)


def _check_start(flow: Flow) -> Iterator[PolicyProblem]:
    if contract(flow, "start"):
        return
    for rule in _NEEDS_START:
        for clause in contract(flow, rule)[:1]:
            yield _problem(
                clause.source.file, clause.rule.place, "no_start",
                f"{rule} is never reached: no rule of the policy lets a task start",
                'Add a rule `start contains {"code": …, "limits": …} if …`',
            )  # fmt: skip
            return


def _check_elements(flow: Flow, names: Offered) -> Iterator[PolicyProblem]:
    for clause in contract(flow, "grant"):
        element = flow.element(clause)
        credential = part(element, "credential")
        for field, allowed in (
            ("kind", names.outside.kinds),
            ("audience", names.audiences),
            ("scopes", names.scopes),
        ):
            shape = part(credential, field) if credential is not None else None
            step = (
                "The sidecar issues no other kind"
                if field == "kind"
                else f"Correct it, or add it to the {_LIMITS[field]} of a start rule"
            )
            yield from _unoffered(clause, field, _written(shape), allowed, step)
        yield from _check_vault(clause, credential, names.outside.vault_roles)
        yield from _check_exchange(clause, credential, names.outside.exchange_scopes)
        step = "Correct the name, or grant the budget in a start rule"
        yield from _unoffered(clause, "budget", _written(part(element, "charges")), names.budgets, step)
        yield from _unread_labels(clause, part(element, "labels"), flow.labels)
    yield from _check_delegated(flow, names)
    for clause in contract(flow, "ask"):
        step = "Correct the name, or add the role to approvals.roles"
        yield from _unoffered(
            clause, "role", _written(part(flow.element(clause), "approvers")), names.outside.roles, step
        )


def _check_vault(
    clause: Clause, credential: Shape | None, roles: Mapping[str, frozenset[str]] | None
) -> Iterator[PolicyProblem]:
    """Yield roles of kind vault that no configured vault has, and audiences that a role isn't for."""
    fields = _Brokered("vault", "role", "credential_role", "vault.<name>.roles")
    yield from _check_brokered(
        clause, credential, fields, roles, ("audience", "credential_audience", "audiences")
    )


def _check_exchange(
    clause: Clause, credential: Shape | None, audiences: Mapping[str, frozenset[str]] | None
) -> Iterator[PolicyProblem]:
    """Yield audiences and scopes of kind exchange that no configured identity provider is asked for."""
    fields = _Brokered("exchange", "audience", "exchange_audience", "exchange.<name>.audiences")
    yield from _check_brokered(clause, credential, fields, audiences, ("scopes", "exchange_scope", "scopes"))


class _Brokered(NamedTuple):
    """A field of a credential of this kind names an entry of a section; ``what`` is the name of the field in problems."""

    kind: str
    field: str
    what: str
    section: str


def _check_brokered(
    clause: Clause,
    credential: Shape | None,
    outer: _Brokered,
    offered: Mapping[str, frozenset[str]] | None,
    inner: tuple[str, str, str],
) -> Iterator[PolicyProblem]:
    """Yield names of entries that aren't configured, and values that the named entries don't have.

    ``inner`` is the field with the values, its name in problems, and the list in the entry.
    """
    if credential is None or offered is None or _written(part(credential, "kind")) != {outer.kind}:
        return
    field, what, entries = inner
    named, values = _written(part(credential, outer.field)), _written(part(credential, field))
    step = f"Correct it, or add it to {outer.section}"
    yield from _unoffered(clause, outer.what, named, frozenset(offered), step)
    known = [offered[name] for name in named if name in offered]
    if known:
        step = f"Correct it, or add it to the {entries} of {' or '.join(sorted(named & offered.keys()))}"
        yield from _unoffered(clause, what, values, frozenset().union(*known), step)


def _check_delegated(flow: Flow, names: Offered) -> Iterator[PolicyProblem]:
    """Yield what the limits of delegate rules name and no start rule grants: such a limit binds nothing."""
    for clause in contract(flow, "delegate"):
        limits = part(flow.element(clause), "limits")
        if limits is None:
            continue
        for field, what, allowed in (
            ("budgets", "budget", names.budgets),
            ("audiences", "audience", names.audiences),
            ("scopes", "scope", names.scopes),
        ):
            step = f"Correct it, or add it to the {field} of a start rule"
            yield from _unoffered(clause, what, _named(part(limits, field)), allowed, step)
        step = "Correct it, or add it to the tools of a start rule"
        for glob in sorted(_named(part(limits, "tools"))):
            if names.tools is not None and not any(globs_meet(glob, other) for other in names.tools):
                at = _place_of(clause.rule.node, glob) or clause.rule.place
                message = f"nothing offers the tool {glob!r}{nearest(glob, names.tools)}"
                yield _problem(clause.source.file, at, "tool_unknown", message, step)


_LIMITS = {"audience": "audiences", "scopes": "scopes"}
_WHAT = {
    "kind": "credential kind",
    "scopes": "scope",
    "credential_role": "vault role",
    "credential_audience": "vault role's audience",
    "exchange_audience": "exchange's audience",
    "exchange_scope": "exchange's scope",
}


def _unoffered(
    clause: Clause, field: str, names: frozenset[str], allowed: frozenset[str] | None, step: str
) -> Iterator[PolicyProblem]:
    if allowed is None:
        return
    what = _WHAT.get(field, field)
    for name in sorted(names - allowed):
        at = _place_of(clause.rule.node, name) or clause.rule.place
        message = f"nothing offers the {what} {name!r}{nearest(name, allowed)}"
        yield _problem(clause.source.file, at, f"{field.removesuffix('s')}_unknown", message, step)


def _unread_labels(clause: Clause, shape: Shape | None, read: set[str]) -> Iterator[PolicyProblem]:
    """Yield granted labels that no rule reads, and that are almost one that a rule reads."""
    for name in sorted(_written(shape) - read):
        close = get_close_matches(name, read, n=1, cutoff=_ALMOST)
        if close:
            at = _place_of(clause.rule.node, name) or clause.rule.place
            message = f"no rule reads the label {name!r}; did you mean {close[0]!r}?"
            yield _problem(clause.source.file, at, "label_unread", message, "Correct the label")


def _named(shape: Shape | None) -> frozenset[str]:
    return frozenset() if shape is None else names_in(shape).names


def _written(shape: Shape | None) -> frozenset[str]:
    return frozenset() if shape is None else _literals(shape).names


def _literals(shape: Shape) -> Named:
    """Return the names that a rule writes out; data may hold more than one rule needs."""
    if isinstance(shape, Values) and shape.origin is None:
        return Named(all=False)
    if isinstance(shape, Listed):
        found = Named()
        for item in shape.items:
            found = found.join(_literals(item))
        return found
    return names_in(shape)


def _place_of(node: Json, text: str) -> Place | None:
    """Return the place of a text in a clause, if it is written there."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending += current
        elif isinstance(current, Mapping):
            if current.get("type") == "string" and current.get("value") == text and "location" in current:
                return place(current)
            pending += current.values()
    return None


def _check_declared(said: Mapping[str, Declared], touched: set[Path]) -> Iterator[PolicyProblem]:
    for file, each in said.items():
        for path in each.optional_data:
            if not any(_meet(path, other) for other in touched):
                shown = ".".join(("data", *path))
                yield _problem(
                    file, each.at, "optional_unused", f"{shown} is declared as optional, and no rule reads it",
                    "Correct the path, or remove it",
                )  # fmt: skip


def _meet(declared_path: Path, path: Path) -> bool:
    return len(declared_path) <= len(path) and all(
        one == other or "*" in {one, other} for one, other in zip(declared_path, path, strict=False)
    )


def _problem(file: str, at: Place, code: str, message: str, step: str) -> PolicyProblem:
    severity = Severity.WARNING if code in {BRANCH_READ, UNLISTED} else Severity.ERROR
    return PolicyProblem(file, at.row, at.column, code, message, step, severity)
