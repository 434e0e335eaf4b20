"""Finds out which names a policy, its catalogue and the configuration offer, for rules that name one.

Offered are the budgets, tools, scopes and audiences of start rules, labels of grants and of the catalogue, and what the
configuration lists. A name that nothing offers never matches, or is never granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from itertools import chain
from typing import Protocol

from tabard.caveats import CAVEATS

from tabard_sidecar.policy.loading.argument_types import types_of
from tabard_sidecar.policy.loading.bounds import Fields, Listed, Many, SetValue, Shape, Values
from tabard_sidecar.policy.loading.flow import Flow
from tabard_sidecar.policy.loading.program import Clause
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

_MCP_HINTS = ("destructiveHint", "idempotentHint", "openWorldHint", "readOnlyHint", "title")
_REPORTED = "reported:"


OWN_KINDS = frozenset({"jwt", "macaroon", "none"})
"""Kinds of credentials that every sidecar issues."""


class Tool(Protocol):
    """A tool of the catalogue (:class:`tabard_sidecar.policy.catalogue.ToolSpec`)."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that a call of it adds."""
        ...

    @property
    def annotations(self) -> Mapping[str, Json]:
        """Its annotations."""
        ...

    @property
    def arguments(self) -> frozenset[str] | None:
        """Names of its arguments; ``None`` if it accepts others."""
        ...

    @property
    def schema(self) -> Json:
        """JSON Schema of its arguments."""
        ...


@dataclass(frozen=True, slots=True)
class Offers:
    """What lies outside of the policy and can be named in it; ``None`` if that isn't known.

    Attributes:
        claims: names of claims that the configured issuers keep.
        roles: names of the roles of approvers.
        kinds: kinds of credentials that the sidecar issues.
        vault_roles: audiences of the roles of kind ``vault``, by role.
        exchange_scopes: scopes of the audiences of kind ``exchange``, by audience.
        tools: the tool catalogue; an empty one says nothing of tools, but has no labels.
    """

    claims: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    vault_roles: Mapping[str, frozenset[str]] | None = None
    exchange_scopes: Mapping[str, frozenset[str]] | None = None
    tools: Iterable[Tool] | None = None


@dataclass(frozen=True, slots=True)
class OtherTool:
    """A tool of another catalogue than the one in use: a policy may name it, and nothing is known of its arguments."""

    name: str
    labels: tuple[str, ...] = ()
    annotations: Mapping[str, Json] = field(default_factory=dict)
    arguments: frozenset[str] | None = None
    schema: Json = True


def with_others(outside: Offers, names: Iterable[str]) -> Offers:
    """Return the offers with tools of other catalogues; those of a catalogue without tools aren't checked at all."""
    known = list(outside.tools or ())
    if not known:
        return outside
    held = {tool.name for tool in known}
    return replace(outside, tools=[*known, *(OtherTool(name) for name in sorted(set(names) - held))])


@dataclass(frozen=True, slots=True)
class Named:
    """Names that a term can hold, and whether these are all."""

    names: frozenset[str] = frozenset()
    all: bool = True

    def join(self, other: Named) -> Named:
        """Return the names of both."""
        return Named(self.names | other.names, all=self.all and other.all)


@dataclass(frozen=True, slots=True)
class Offered:
    """Names that rules can hold, by what they name; ``None`` where more could be possible."""

    budgets: frozenset[str] | None
    tools: frozenset[str] | None
    scopes: frozenset[str] | None
    audiences: frozenset[str] | None
    labels: frozenset[str] | None
    outside: Offers = field(default_factory=Offers)


def contract(flow: Flow, rule: str) -> list[Clause]:
    """Return the clauses of a contract rule in every module of the policy."""
    return [
        clause
        for path, clauses in flow.program.clauses.items()
        if path[:1] == ("policy",) and path[2:] == (rule,)
        for clause in clauses
        if clause.source.own and clause.rule.shape == "set"
    ]


def offered(flow: Flow, declared_labels: Iterable[str], outside: Offers) -> Offered:
    """Return what the policy and its surroundings offer."""
    starts = contract(flow, "start")

    def limit(name: str, *, absent_is_all: bool) -> frozenset[str] | None:
        found = Named()
        for clause in starts:
            limits = part(flow.element(clause), "limits")
            shape = part(limits, name) if limits is not None else None
            found = found.join(names_in(shape) if shape is not None else Named(all=not absent_is_all))
        return found.names if starts and found.all else None

    specs = outside.tools
    labels = Named(
        frozenset(declared_labels).union(*(spec.labels for spec in specs or ())), all=specs is not None
    )
    for clause in contract(flow, "grant"):
        shape = part(flow.element(clause), "labels")
        labels = labels.join(names_in(shape) if shape is not None else Named())
    return Offered(
        budgets=limit("budgets", absent_is_all=False),
        tools=limit("tools", absent_is_all=True),
        scopes=limit("scopes", absent_is_all=True),
        audiences=limit("audiences", absent_is_all=True),
        labels=labels.names if labels.all else None,
        outside=outside,
    )


def part(shape: Shape, name: str) -> Shape | None:
    """Return the bound of a field of an element; ``None`` if the element hasn't got it."""
    if isinstance(shape, Fields):
        return shape.fields.get(name)
    if isinstance(shape, Values) and shape.items and all(isinstance(item, dict) for item in shape.items):
        found = tuple(item[name] for item in shape.items if name in item)
        return Values(found, shape.origin) if found else None
    return Many("object", shape)


def names_in(shape: Shape) -> Named:
    """Return the texts in a list, or the keys of an object."""
    if isinstance(shape, Values):
        return Named(frozenset(chain.from_iterable(map(_texts, shape.items))))
    if isinstance(shape, Fields):
        return Named(frozenset(shape.fields))
    if isinstance(shape, Listed):
        found = Named()
        for item in shape.items:
            found = found.join(names_in(item))
        return found
    return Named(all=False)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, SetValue):
        yield from (member for member in value.members if isinstance(member, str))
    elif isinstance(value, list | dict):
        yield from (item for item in value if isinstance(item, str))


def input_schema(
    base: Mapping[str, Json], names: Offered, modules: Iterable[str], facts: Mapping[str, Json]
) -> Mapping[str, Json]:
    """Return the input's schema with what is known of this policy's input: every value that a field can have.

    Args:
        base: the contract's schema.
        names: what is offered.
        modules: names of the policy's modules.
        facts: schema of the facts that grants note.
    """
    root: dict[str, Json] = _marked(base, "input")
    fields = root["properties"]
    _limit(fields["approvals"]["items"]["properties"]["module"], modules, "value_unknown", "")
    for place in ("constraints", "chain"):
        caveat = fields["delegation"]["properties"][place]["items"]
        caveat = caveat["properties"]["caveats"]["items"] if place == "chain" else caveat
        _limit(caveat["properties"]["type"], CAVEATS.types, "value_unknown", "")
    _limit_tools(fields, names)
    if names.budgets is not None:
        step = "Correct the name, or grant the budget in a start rule"
        budgets = fields["budgets"]
        _close(budgets, names.budgets, "budget_unknown", step, budgets["additionalProperties"])
    if names.outside.claims is not None:
        step = "Correct the name, or add it to kept_claims of the issuer"
        _close(fields["subject"]["properties"]["claims"], names.outside.claims, "claim_unknown", step)
    fields["task"]["properties"]["facts"] = facts
    _limit_labels(fields, names)
    return root


def _limit_tools(fields: dict[str, Json], names: Offered) -> None:
    """Limit the names of tools, and what is known of a call's tool, to the catalogue and to what start rules name."""
    specs = list(names.outside.tools or ())
    tool, calls = (
        fields["tool"]["properties"],
        fields["history"]["properties"]["calls"]["items"]["properties"],
    )
    for each in (tool["name"], calls["tool"]):
        if specs:
            step = "Correct the name, or add the tool to the catalogue"
            _limit(each, {spec.name for spec in specs}, "tool_unknown", step)
        if names.tools is not None:
            each |= {"x-globs": sorted(names.tools)}
    if specs:
        known = {*_MCP_HINTS, *(key for spec in specs for key in spec.annotations)}
        _close(tool["annotations"], known, "annotation_unknown", "")
        tool["arguments"] = _arguments(specs)


def _limit_labels(fields: dict[str, Json], names: Offered) -> None:
    history = fields["history"]["properties"]
    for each in (history["labels"]["items"], history["calls"]["items"]["properties"]["labels"]["items"]):
        each["x-name"] = "label"
        if names.labels is None:
            continue
        step = "Correct the label, or list it in METADATA under custom.tabard.labels if a backend or an agent adds it"
        allowed = {text for label in names.labels for text in (label, _REPORTED + label)}
        _limit(each, allowed, "label_unknown", step)


_RECORD_TEXTS = (
    "decision_id", "event", "operation", "path", "request_id", "root_holder", "span_id", "timestamp", "trace_id",
)  # fmt: skip
_RECORD_OBJECTS = ("bundles", "labels", "metrics", "result")


def record_schema(whole: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the schema of a decision record, which a mask has as its input.

    Args:
        whole: schema of the input that was decided on.
    """
    fields: dict[str, Json] = {name: {"type": "string"} for name in _RECORD_TEXTS}
    fields |= {name: {"type": "object", "additionalProperties": True} for name in _RECORD_OBJECTS}
    record = {"type": "object", "properties": {**fields, "input": whole}, "additionalProperties": False}
    return {
        **_marked(record, "input"),
        "x-step": "Correct the name; a mask's input is a decision record, and the decision's input is input.input",
    }


def by_tool(schema: Mapping[str, Json], specs: Iterable[Tool] | None) -> dict[str, Mapping[str, Json]]:
    """Return the input's schema for calls of each tool."""
    found: dict[str, list[Tool]] = {}
    for spec in specs or ():
        found.setdefault(spec.name, []).append(spec)
    return {name: _for_tools(schema, group) for name, group in found.items()}


def _for_tools(schema: Mapping[str, Json], specs: list[Tool]) -> Mapping[str, Json]:
    tool = schema["properties"]["tool"]
    properties = {**tool["properties"], "arguments": _arguments(specs)}
    return {**schema, "properties": {**schema["properties"], "tool": {**tool, "properties": properties}}}


def _arguments(specs: list[Tool]) -> dict[str, Json]:
    types = types_of((spec.schema for spec in specs), "input.tool.arguments")
    known: set[str] = set()
    for spec in specs:
        if spec.arguments is None:
            return {"type": "object", "properties": _certain(types, specs), "additionalProperties": True}
        known |= spec.arguments
    found: dict[str, Json] = {"type": "object", "x-what": "a tool that the rule is about"}
    _close(
        found, known, "argument_unknown", "Correct the name; a rule about an absent argument never matches"
    )
    found["properties"] |= types
    return found


def _certain(types: Mapping[str, Mapping[str, Json]], specs: list[Tool]) -> dict[str, Json]:
    """Return the arguments that every tool of those describes which accept arguments that they don't describe."""
    opened = [spec.schema for spec in specs if spec.arguments is None]
    return {
        name: inner
        for name, inner in types.items()
        if all(isinstance(each, Mapping) and name in each.get("properties", {}) for each in opened)
    }


def _marked(schema: Json, what: str) -> Json:
    """Return a copy in which every part of a schema says what it describes."""
    if not isinstance(schema, dict):
        return schema
    found = {**schema, "x-what": what}
    if isinstance(schema.get("properties"), dict):
        found["properties"] = {
            name: _marked(inner, f"{what}.{name}") for name, inner in schema["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if key in schema:
            found[key] = _marked(schema[key], f"{what}[]")
    return found


def _limit(schema: dict[str, Json], values: Iterable[str], code: str, step: str) -> None:
    schema |= {"enum": sorted(values), "x-code": code, "x-step": step}


def _close(schema: dict[str, Json], names: Iterable[str], code: str, step: str, inner: Json = None) -> None:
    """Let an object have these fields only."""
    schema |= {
        "properties": {name: {} if inner is None else inner for name in sorted(names)},
        "additionalProperties": False,
        "x-code": code,
        "x-step": step,
    }
