"""The caveat ``arguments``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from tabard._lean import dataclass
from tabard.arguments import ArgumentsError, parse_json
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn, set_field
from tabard.caveats.constraints import MAX_OPERAND_BYTES, Constraint, constraints_from_json
from tabard.caveats.errors import CaveatError
from tabard.caveats.facts import Facts, Failure, quoted
from tabard.caveats.globs import compile_glob
from tabard.caveats.limit_fields import LimitField
from tabard.caveats.paths import check_constraint, unnamed_argument

if TYPE_CHECKING:
    from typing import Self

    from tabard.authz.v1 import types_pb2

MAX_CONSTRAINTS = 64
MAX_RULES = 64


class _Rules(LimitField["tuple[Arguments, ...]"]):
    """A list of rules; each becomes a caveat of its own."""

    def checked(self, value: object) -> tuple[Arguments, ...]:
        if not isinstance(value, list | tuple) or len(value) > MAX_RULES:
            raise CaveatError(f"{self.name} must be a list of at most {MAX_RULES} rules")
        if not all(type(rule) is Arguments for rule in value):
            raise CaveatError(f"each of {self.name} must be a rule about arguments")
        return tuple(value)

    def to_json(self, value: tuple[Arguments, ...]) -> list[dict[str, Any]]:
        return [rule.json_fields() for rule in value]

    def from_json(self, value: object) -> tuple[Arguments, ...]:
        if not isinstance(value, list | tuple):
            raise CaveatError(f"{self.name} must be a list of rules")
        return tuple(map(self._rule, value))

    def _rule(self, item: object) -> Arguments:
        if not isinstance(item, Mapping) or not {"tool", "constraints"} <= item.keys():
            raise CaveatError(f"each of {self.name} must have tool and constraints")
        if not item.keys() <= {"tool", "constraints", "open"}:
            raise CaveatError("a rule about arguments has an unknown field", unknown=True)
        return Arguments.from_json_fields(item)

    def write(self, message: types_pb2.Limits, value: tuple[Arguments, ...]) -> None:
        for rule in value:
            written = message.arguments.add(tool=rule.tool, open=rule.open)
            for item in rule.constraints:
                written.constraints.add(
                    path=item.path, operator=item.operator, operand_json=item.operand_json
                )

    def read(self, message: types_pb2.Limits) -> tuple[Arguments, ...]:
        return tuple(map(_rule_from_proto, message.arguments))

    def schema(self) -> dict[str, Any]:
        constraint = {
            "type": "object",
            "description": "Constraint on one argument.",
            "properties": {
                "path": {"type": "string", "description": "Dot-separated path."},
                "operator": {"type": "string", "description": "Operator."},
                "operand": {"description": "Operand, shaped as the operator demands."},
            },
            "required": ["path", "operator", "operand"],
            "additionalProperties": False,
        }
        rule = {
            "type": "object",
            "description": "Rule about the arguments of some tools.",
            "properties": {
                "tool": {"type": "string", "description": "Glob of tool names."},
                "constraints": {
                    "type": "array",
                    "description": "Constraints that all have to hold.",
                    "items": constraint,
                },
                "open": {
                    "type": "boolean",
                    "description": "Whether arguments that no constraint names are accepted.",
                },
            },
            "required": ["tool", "constraints", "open"],
            "additionalProperties": False,
        }
        return {"type": "array", "description": self.description, "items": rule}

    def element_schema(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class Arguments(Caveat):
    """The arguments of tools whose name matches the glob must meet every constraint.

    The argument that a constraint names must be present. Unless the rule is ``open``, an argument that no constraint names
    is refused, at any depth. Calls of other tools aren't affected.
    """

    tag = "arguments"
    depends_on = DependsOn.CALL
    limit_field = _Rules(name="arguments", description="Rules about arguments.", unset=())

    tool: str = field(metadata={"description": "glob"})
    constraints: tuple[Constraint, ...] = field(metadata={"description": "see below"})
    open: bool = field(default=False, metadata={"description": "false by default"})
    matcher: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.constraints, list | tuple) or len(self.constraints) > MAX_CONSTRAINTS:
            raise CaveatError(f"constraints must be a list of at most {MAX_CONSTRAINTS}")
        if not all(type(constraint) is Constraint for constraint in self.constraints):
            raise CaveatError("each of constraints must be a Constraint")
        set_field(self, "matcher", compile_glob(validation.text(self.tool, "tool")))
        set_field(self, "constraints", tuple(self.constraints))
        validation.boolean(self.open, "open")

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        call = facts.call
        if call is None or call.arguments is None or not self.matcher(call.tool):
            return None
        for number, constraint in enumerate(self.constraints, 1):
            failure = check_constraint(constraint, call.arguments, call.work)
            if failure is not None:
                where = f"constraint {number} ({constraint.operator})"
                return Failure(failure.code, f"{where}: {failure.message}", failure.argument)
        if self.open:
            return None
        unnamed = unnamed_argument(call.arguments, self.constraints, call.work)
        if unnamed is None:
            return None
        return Failure("argument_unknown", f"argument {quoted(unnamed)} is named by no constraint", unnamed)

    @classmethod
    def from_limit(cls, value: tuple[Arguments, ...], now: float) -> tuple[Caveat, ...]:  # noqa: ARG003 - not timed
        """See :meth:`Caveat.from_limit`."""
        return value

    def json_fields(self) -> dict[str, Any]:
        """See :meth:`Caveat.json_fields`."""
        constraints = [constraint.as_json() for constraint in self.constraints]
        return {"tool": self.tool, "constraints": constraints, "open": self.open}

    @classmethod
    def from_json_fields(cls, values: Mapping[str, Any]) -> Self:
        """See :meth:`Caveat.from_json_fields`."""
        return cls(**{**values, "constraints": constraints_from_json(values["constraints"])})


def _rule_from_proto(rule: types_pb2.ArgumentRule) -> Arguments:
    constraints = []
    for item in rule.constraints:
        try:
            operand = parse_json(item.operand_json, max_bytes=MAX_OPERAND_BYTES)
        except ArgumentsError as error:
            raise CaveatError(f"operand of {item.operator[:64]!r} at {item.path[:64]!r}: {error}") from None
        constraints.append(Constraint(item.path, item.operator, operand))
    return Arguments(rule.tool, tuple(constraints), rule.open)
