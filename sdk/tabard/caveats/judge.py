"""Judging one caveat against one question.

A caveat objects or it doesn't; it never allows anything. :func:`judge` never raises: what it doesn't know, it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tabard.caveats import types
from tabard.caveats.types import Caveat

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabard.caveats.constraints import Constraint

FailureCode = Literal[
    "argument_missing",
    "argument_not_granted",
    "argument_unknown",
    "audience_not_granted",
    "call_mismatch",
    "caveat_not_enforced",
    "caveat_unknown",
    "depth_exceeded",
    "grant_expired",
    "internal",
    "purpose_not_granted",
    "read_only",
    "scope_not_granted",
    "tool_not_granted",
]
"""Reason code with which a caveat objects; each has a page under docs/reference/errors/."""

MAX_WORK = 20_000
"""Most that judging one call may cost, over all caveats; a unit is about one value compared with one short operand."""
_WORK_CHARACTERS = 256


class TooMuchWorkError(Exception):
    """Judging would take too long: whoever wrote the caveats, the arguments or both wants it to."""


class Work:
    """What is left of the work that one call may cause."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, units: int) -> None:
        """Take ``units`` off.

        Raises:
            TooMuchWorkError: nothing is left.
        """
        self.left -= units
        if self.left < 0:
            raise TooMuchWorkError


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a tool call; make a new one for each call that is judged, since ``work`` is used up.

    ``read_only`` says that the catalogue marks the tool so. ``arguments`` and ``digest`` are ``None`` while only the
    tool is known, when it is asked which tools could be used at all.
    """

    tool: str
    arguments: Mapping[str, Any] | None
    digest: str | None
    read_only: bool = False
    work: Work = field(default_factory=Work, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """The credential that is to be issued."""

    audience: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What a caveat is asked about.

    ``now`` is in seconds since the epoch; ``depth`` counts the hops and branches of the whole chain, the one about to
    be added included. Only the parts that the operation has are set.
    """

    now: float
    purpose: str
    depth: int
    call: CallFacts | None = None
    credential: CredentialFacts | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a caveat objects: a reason code and what exactly isn't met."""

    code: FailureCode
    message: str


def judge(caveat: Caveat, question: Question) -> Failure | None:
    """Return why ``caveat`` objects to ``question``, or ``None``. Never raises."""
    rule = _RULES.get(type(caveat))
    if rule is None:
        return Failure("caveat_unknown", f"{type(caveat).__name__} is no known caveat")
    try:
        return rule(caveat, question)
    except TooMuchWorkError:
        return Failure(
            "argument_not_granted", "the arguments are too large to be checked against the constraints"
        )
    except Exception as error:  # noqa: BLE001 - a caveat that can't be judged is a caveat that isn't met
        return Failure("internal", f"a {caveat.tag} caveat could not be judged: {type(error).__name__}")


def _expiry(caveat: types.Expiry, question: Question) -> Failure | None:
    if question.now < caveat.expires_at:
        return None
    return Failure("grant_expired", f"expired at {caveat.expires_at:.3f}, now is {question.now:.3f}")


def _tools(caveat: types.Tools, question: Question) -> Failure | None:
    if question.call is None:
        return None
    tool = question.call.tool
    for matches in caveat.matchers:
        if matches(tool):
            return None
    return Failure("tool_not_granted", f"tool {_name(tool)} matches none of {_names(caveat.tools)}")


def _arguments(caveat: types.Arguments, question: Question) -> Failure | None:
    call = question.call
    if call is None or call.arguments is None or not caveat.matcher(call.tool):
        return None
    for number, constraint in enumerate(caveat.constraints, 1):
        failure = _constraint(constraint, call.arguments, call.work)
        if failure is not None:
            where = f"constraint {number} ({constraint.operator})"
            return Failure(failure.code, f"{where}: {failure.message}")
    if caveat.open:
        return None
    paths = [item.segments for item in caveat.constraints]
    unknown = _unnamed(call.arguments, paths, "", call.work)
    if unknown is None:
        return None
    return Failure("argument_unknown", f"argument {_name(unknown)} is named by no constraint")


def _constraint(constraint: Constraint, arguments: Mapping[str, Any], work: Work) -> Failure | None:
    """Apply one constraint to every value its path leads to."""
    pending: list[tuple[Any, int, str]] = [(arguments, 0, "")]
    segments = constraint.segments
    while pending:
        value, at, where = pending.pop()
        if at == len(segments):
            length = len(value) if isinstance(value, str) else 0
            work.spend(constraint.weight * (1 + length // _WORK_CHARACTERS))
            problem = constraint.check(value)
            if problem is not None:
                return Failure("argument_not_granted", f"argument {_name(where)} {problem}")
        elif segments[at] == "*":
            if not isinstance(value, list):
                return Failure("argument_not_granted", f"argument {_name(where)} is not an array")
            work.spend(len(value))
            pending.extend((item, at + 1, f"{where}[{index}]") for index, item in enumerate(value))
        else:
            name = segments[at]
            path = f"{where}.{name}" if where else name
            if not isinstance(value, Mapping):
                return Failure("argument_not_granted", f"argument {_name(where)} is not an object")
            if name not in value:
                return Failure("argument_missing", f"argument {_name(path)} is missing")
            pending.append((value[name], at + 1, path))
    return None


def _unnamed(value: object, paths: list[tuple[str, ...]], where: str, work: Work) -> str | None:
    """Return the first argument under ``value`` that none of ``paths`` leads to; recursion ends with the paths."""
    if not all(paths):
        return None  # a constraint ends here and speaks of all that is below
    if isinstance(value, list | Mapping):
        work.spend(len(value) * (1 + len(paths)))
    if isinstance(value, list):
        below = [path[1:] for path in paths if path[0] == "*"]
        items = [(f"{where}[{index}]", item, below) for index, item in enumerate(value)]
    elif isinstance(value, Mapping):
        items = [
            (f"{where}.{key}" if where else key, item, [path[1:] for path in paths if path[0] == key])
            for key, item in value.items()
        ]
    else:
        return where or "arguments"
    for path, item, remaining in items:
        unknown = path if not remaining else _unnamed(item, remaining, path, work)
        if unknown is not None:
            return unknown
    return None


def _audiences(caveat: types.Audiences, question: Question) -> Failure | None:
    if question.credential is None or question.credential.audience in caveat.audiences:
        return None
    asked = _name(question.credential.audience)
    return Failure("audience_not_granted", f"audience {asked} is none of {_names(caveat.audiences)}")


def _scopes(caveat: types.Scopes, question: Question) -> Failure | None:
    if question.credential is None:
        return None
    for scope in question.credential.scopes:
        if scope not in caveat.scopes:
            return Failure("scope_not_granted", f"scope {_name(scope)} is none of {_names(caveat.scopes)}")
    return None


def _purposes(caveat: types.Purposes, question: Question) -> Failure | None:
    if question.purpose in caveat.purposes:
        return None
    asked = _name(question.purpose)
    return Failure("purpose_not_granted", f"purpose {asked} is none of {_names(caveat.purposes)}")


def _max_depth(caveat: types.MaxDepth, question: Question) -> Failure | None:
    if question.depth <= caveat.max_depth:
        return None
    return Failure(
        "depth_exceeded", f"the chain has {question.depth} hops and branches, {caveat.max_depth} are allowed"
    )


def _read_only(_caveat: types.ReadOnly, question: Question) -> Failure | None:
    if question.call is None or question.call.read_only:
        return None
    tool = _name(question.call.tool)
    return Failure("read_only", f"tool {tool} is not marked as read-only in the catalogue")


def _call(caveat: types.Call, question: Question) -> Failure | None:
    if question.call is None or question.call.digest is None or question.call.digest == caveat.digest:
        return None
    return Failure("call_mismatch", f"the call's digest is not {caveat.digest}")


def _not_enforced(caveat: Caveat, _question: Question) -> Failure | None:
    return Failure("caveat_not_enforced", f"a {caveat.tag} caveat can't be enforced by this version")


def _no_objection(_caveat: Caveat, _question: Question) -> Failure | None:
    """Somebody else judges: the signatures (hop, branch, third party), the state store (max_children, budget)."""
    return None


_RULES: Mapping[type[Caveat], Callable[[Any, Question], Failure | None]] = {
    types.Expiry: _expiry,
    types.Tools: _tools,
    types.Arguments: _arguments,
    types.Audiences: _audiences,
    types.Scopes: _scopes,
    types.Purposes: _purposes,
    types.MaxDepth: _max_depth,
    types.MaxChildren: _no_objection,
    types.Budget: _no_objection,
    types.ReadOnly: _read_only,
    types.Hop: _no_objection,
    types.Branch: _no_objection,
    types.Call: _call,
    types.Uses: _not_enforced,
    types.ThirdParty: _no_objection,
}


def _name(value: str, limit: int = 128) -> str:
    """Quote a caller's word so that a message stays one short line."""
    return ascii(value) if len(value) <= limit else f"{value[:limit]!a}…"


def _names(values: tuple[str, ...], limit: int = 8) -> str:
    shown = ", ".join(map(_name, values[:limit]))
    more = len(values) - limit
    return f"[{shown}, {more} more]" if more > 0 else f"[{shown}]"
