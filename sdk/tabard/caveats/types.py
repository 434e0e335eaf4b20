"""The vocabulary: every restriction that a grant can carry.

A caveat is a frozen dataclass with a stable tag. On the wire it is a canonical JSON object of its tag (``type``) and its
fields. Evolution: a field may be appended, with a default that means what its absence meant, and a default is never
written; anything else takes a new tag. A version that doesn't know a tag or a field refuses the grant.

Every constructor raises :class:`~tabard.caveats.errors.CaveatError` for a value it can't mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from tabard.caveats import checks
from tabard.caveats.constraints import Constraint
from tabard.caveats.errors import CaveatError
from tabard.caveats.globs import compile_glob

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 1000
MAX_CHILDREN = 100_000
MAX_CONSTRAINTS = 64

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")
_SEAL = re.compile(r"[A-Za-z0-9_-]{43}")
_BUDGET = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HOLDER = re.compile(r"spiffe://[a-z0-9._-]{1,255}((?:/[A-Za-z0-9._-]+)+)")
_MAX_HOLDER = 2048


class Caveat:
    """Base of all caveats; ``tag`` is the ``type`` on the wire."""

    __slots__ = ()
    tag: ClassVar[str] = ""


CAVEAT_TYPES: dict[str, type[Caveat]] = {}
"""Every caveat type by tag, in the order of definition."""

_T = TypeVar("_T", bound=type[Caveat])


def register(tag: str) -> Callable[[_T], _T]:
    """Give a caveat type its tag.

    Raises:
        RuntimeError: the tag is taken, which therefore fails at import.
    """

    def decorate(cls: _T) -> _T:
        if tag in CAVEAT_TYPES:
            raise RuntimeError(f"caveat tag {tag!r} belongs to {CAVEAT_TYPES[tag].__name__}")
        cls.tag = tag
        CAVEAT_TYPES[tag] = cls
        return cls

    return decorate


def _set(caveat: Caveat, name: str, value: object) -> None:
    object.__setattr__(caveat, name, value)


@register("expiry")
@dataclass(frozen=True, slots=True)
class Expiry(Caveat):
    """The grant can't be used from ``expires_at`` (seconds since the epoch) on."""

    expires_at: float

    def __post_init__(self) -> None:
        value = checks.number(self.expires_at, "expires_at")
        if value < 0:
            raise CaveatError("expires_at must not be negative")
        _set(self, "expires_at", float(value))


@register("tools")
@dataclass(frozen=True, slots=True)
class Tools(Caveat):
    """Only tools whose name matches one of the globs may be called; none at all if the list is empty."""

    tools: tuple[str, ...]
    matchers: tuple[Callable[[str], bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _set(self, "tools", checks.texts(self.tools, "tools"))
        _set(self, "matchers", tuple(map(compile_glob, self.tools)))


@register("arguments")
@dataclass(frozen=True, slots=True)
class Arguments(Caveat):
    """Restricts the arguments of the tools whose name matches the glob ``tool``.

    All constraints have to hold, and the argument that each is about has to be there. Unless ``open``, an argument that
    no constraint names is refused, at any depth: a constraint on ``customer.id`` names neither ``customer.role`` nor
    ``note``. Calls of other tools aren't affected.
    """

    tool: str
    constraints: tuple[Constraint, ...]
    open: bool = False
    matcher: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.constraints, list | tuple) or len(self.constraints) > MAX_CONSTRAINTS:
            raise CaveatError(f"constraints must be a list of at most {MAX_CONSTRAINTS}")
        if not all(type(constraint) is Constraint for constraint in self.constraints):
            raise CaveatError("each of constraints must be a Constraint")
        _set(self, "matcher", compile_glob(checks.text(self.tool, "tool")))
        _set(self, "constraints", tuple(self.constraints))
        checks.boolean(self.open, "open")


@register("audiences")
@dataclass(frozen=True, slots=True)
class Audiences(Caveat):
    """Credentials may only be issued for these audiences."""

    audiences: tuple[str, ...]

    def __post_init__(self) -> None:
        _set(self, "audiences", checks.texts(self.audiences, "audiences"))


@register("scopes")
@dataclass(frozen=True, slots=True)
class Scopes(Caveat):
    """Credentials may only carry these scopes."""

    scopes: tuple[str, ...]

    def __post_init__(self) -> None:
        _set(self, "scopes", checks.texts(self.scopes, "scopes"))


@register("purposes")
@dataclass(frozen=True, slots=True)
class Purposes(Caveat):
    """The grant may only be used if the task's purpose is one of these."""

    purposes: tuple[str, ...]

    def __post_init__(self) -> None:
        _set(self, "purposes", checks.texts(self.purposes, "purposes"))


@register("max_depth")
@dataclass(frozen=True, slots=True)
class MaxDepth(Caveat):
    """The whole chain, counted from the root grant, may hold at most so many hops and branches."""

    max_depth: int

    def __post_init__(self) -> None:
        checks.integer(self.max_depth, "max_depth", maximum=MAX_DEPTH)


@register("max_children")
@dataclass(frozen=True, slots=True)
class MaxChildren(Caveat):
    """From here on, every holder may have at most so many children (hops and branches)."""

    max_children: int

    def __post_init__(self) -> None:
        checks.integer(self.max_children, "max_children", maximum=MAX_CHILDREN)


@register("budget")
@dataclass(frozen=True, slots=True)
class Budget(Caveat):
    """Charges named ``name`` under this point of the chain may sum up to at most ``limit``."""

    name: str
    limit: int

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _BUDGET.fullmatch(self.name):
            raise CaveatError("name of a budget must be lower_snake_case of at most 64 characters")
        checks.integer(self.limit, "limit of a budget")


@register("read_only")
@dataclass(frozen=True, slots=True)
class ReadOnly(Caveat):
    """Only tools that the catalogue marks as read-only may be called."""


@register("hop")
@dataclass(frozen=True, slots=True)
class Hop(Caveat):
    """Hands the grant to the workload ``holder``, a SPIFFE ID.

    ``seal`` proves that a sidecar of the zone appended it: 32 bytes in base64url, see :func:`hop_bytes` in
    :mod:`tabard.caveats.codec`.
    """

    holder: str
    seal: str

    def __post_init__(self) -> None:
        holder(self.holder)
        if not isinstance(self.seal, str) or not _SEAL.fullmatch(self.seal):
            raise CaveatError("seal of a hop must be 32 bytes in base64url")


@register("branch")
@dataclass(frozen=True, slots=True)
class Branch(Caveat):
    """Hands the grant to a named part of the same workload; ``nonce`` (16 bytes, base64url) makes it unique."""

    sub_agent: str
    nonce: str

    def __post_init__(self) -> None:
        checks.text(self.sub_agent, "sub_agent", maximum=128)
        if not isinstance(self.nonce, str) or not _NONCE.fullmatch(self.nonce):
            raise CaveatError("nonce of a branch must be 16 bytes in base64url")


@register("call")
@dataclass(frozen=True, slots=True)
class Call(Caveat):
    """Only the one call with this digest may be made; see :func:`tabard.arguments.call_digest`."""

    digest: str

    def __post_init__(self) -> None:
        if not isinstance(self.digest, str) or not _DIGEST.fullmatch(self.digest):
            raise CaveatError("digest of a call must be 64 lower-case hex digits")


@register("uses")
@dataclass(frozen=True, slots=True)
class Uses(Caveat):
    """May be used so many times; only discharges carry it."""

    uses: int

    def __post_init__(self) -> None:
        checks.integer(self.uses, "uses", minimum=1)


@register("third_party")
@dataclass(frozen=True, slots=True)
class ThirdParty(Caveat):
    """Somebody else has to vouch with a discharge.

    It has an encoding of its own in macaroons, so it is never written as a first-party caveat. ``location`` is a hint
    that no signature covers; ``id`` is the identifier in base64url.
    """

    location: str
    id: str


def holder(value: object) -> str:
    """Return ``value`` if it is a SPIFFE ID.

    Raises:
        CaveatError: it isn't.
    """
    parsed = _HOLDER.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_HOLDER else None
    if parsed is None or any(segment in {".", ".."} for segment in parsed[1].split("/")):
        raise CaveatError("holder must be a SPIFFE ID such as spiffe://example.org/ns/default/sa/agent")
    return str(value)
