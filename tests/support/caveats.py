"""Strategies that generate caveats, limits, arguments and calls."""

from __future__ import annotations

from hypothesis import strategies as st
from tabard.caveats import (
    Arguments,
    Audiences,
    Branch,
    Budget,
    Call,
    Constraint,
    Expiry,
    Hop,
    Limits,
    MaxChildren,
    MaxDepth,
    Purposes,
    ReadOnly,
    Scopes,
    Tools,
    Uses,
)

NAMES = st.sampled_from(["refunds.create", "refunds.get", "orders.get", "mail.send", "é"])
GLOBS = st.sampled_from(["*", "refunds.*", "*.get", "refunds.create", "nothing", "r*s.*e*"])
WORDS = st.sampled_from(["read", "write", "erp", "crm", "refunds", "support", "a b", "ü"])
KEYS = st.sampled_from(["amount", "note", "customer", "id", "to"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 120)
    | st.sampled_from(["", "c-1", "EUR", "/srv/data/a", "10.0.0.1"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
CALL_ARGUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.sampled_from(["amount", "note", "customer", "customer.id", "to.*", "to.*.id", "customer.id.id"])
BOUNDS = st.integers(-10, 120)
CONSTRAINTS = st.one_of(
    st.builds(Constraint, PATHS, st.just("eq"), VALUES),
    st.builds(Constraint, PATHS, st.just("one_of"), st.lists(VALUES, min_size=1, max_size=3)),
    st.builds(Constraint, PATHS, st.just("prefix"), st.sampled_from(["c-", ["E", "/"]])),
    st.builds(Constraint, PATHS, st.just("glob"), st.sampled_from(["*", "c-*", ["EUR", "*1"]])),
    st.builds(
        Constraint,
        PATHS,
        st.just("range"),
        st.fixed_dictionaries({"min": BOUNDS}) | st.fixed_dictionaries({"max": BOUNDS}),
    ),
    st.builds(Constraint, PATHS, st.just("cidr"), st.sampled_from(["10.0.0.0/8", "::/0"])),
    st.builds(Constraint, PATHS, st.just("max_length"), st.integers(0, 5)),
    st.builds(Constraint, PATHS, st.just("path_under"), st.sampled_from(["/srv", "/srv/data"])),
    st.builds(Constraint, PATHS, st.just("url_host"), st.sampled_from(["example.com", "*.example.com:8443"])),
)
RULES = st.builds(Arguments, GLOBS, st.lists(CONSTRAINTS, max_size=3).map(tuple), st.booleans())


def lists(words: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """Return a strategy for tuples without repetition."""
    return st.lists(words, max_size=4, unique=True).map(tuple)


TIMES = st.integers(1_799_999_000, 1_800_010_000).map(float) | st.floats(0, 2.0**53, allow_nan=False)
NARROWING = st.one_of(
    st.builds(Expiry, TIMES),
    st.builds(Tools, lists(GLOBS)),
    RULES,
    st.builds(Audiences, lists(WORDS)),
    st.builds(Scopes, lists(WORDS)),
    st.builds(Purposes, lists(WORDS)),
    st.builds(MaxDepth, st.integers(0, 8)),
    st.builds(MaxChildren, st.integers(0, 8)),
    st.just(ReadOnly()),
    st.builds(Call, st.text("0123456789abcdef", min_size=64, max_size=64)),
)
"""Caveats that a holder can append offline and that this version enforces."""
ANY_CAVEAT = st.one_of(
    NARROWING,
    st.builds(Budget, st.sampled_from(["usd", "api_calls"]), st.integers(0, 2**53)),
    st.builds(Uses, st.integers(1, 5)),
    st.builds(
        Hop,
        st.sampled_from(["spiffe://example.org/a", "spiffe://x.y-z_1/ns/a/sa/b.c"]),
        st.text("aZ09-_", min_size=43, max_size=43),
    ),
    st.builds(Branch, WORDS, st.text("aZ09-_", min_size=22, max_size=22)),
)
LIMITS = st.builds(
    Limits,
    tools=st.none() | lists(GLOBS),
    audiences=st.none() | lists(WORDS),
    scopes=st.none() | lists(WORDS),
    purposes=st.none() | lists(WORDS),
    arguments=st.lists(RULES, max_size=2).map(tuple),
    max_depth=st.none() | st.integers(0, 1000),
    max_children=st.none() | st.integers(0, 100_000),
    ttl_seconds=st.none() | st.integers(1, 10**9).map(lambda value: value / 1000),
    read_only=st.booleans(),
)
