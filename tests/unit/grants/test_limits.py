"""Limits, their JSON and message forms, and caveats as policies see them."""

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard.authz.v1 import types_pb2
from tabard.caveats import (
    CAVEATS,
    Arguments,
    Audiences,
    Branch,
    Budget,
    Caveat,
    CaveatError,
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
    caveat_json,
    decode_caveat,
    encode_caveat,
    glob_matches,
    limits_from_json,
    limits_json,
)
from tabard.caveats.wire import limits_from_proto, limits_to_proto

from tests.support.caveats import ANY_CAVEAT, LIMITS

RULE = Arguments("refunds.create", (Constraint("amount", "range", {"max": 100}),))
FULL = Limits(
    tools=("refunds.*",),
    audiences=("erp",),
    scopes=("write",),
    purposes=("refunds",),
    arguments=(RULE,),
    max_depth=3,
    max_children=4,
    ttl_seconds=90.5,
    read_only=True,
)


def test_limits_become_caveats():
    assert set(FULL.caveats(1000.0)) == {
        Expiry(1090.5),
        Tools(("refunds.*",)),
        RULE,
        Audiences(("erp",)),
        Scopes(("write",)),
        Purposes(("refunds",)),
        MaxDepth(3),
        MaxChildren(4),
        ReadOnly(),
    }


def test_no_limits_are_no_caveats():
    assert Limits().caveats(0) == ()


def test_empty_list_takes_everything_away():
    assert Limits(tools=(), scopes=()).caveats(0) == (Tools(()), Scopes(()))


def test_budgets_become_caveats():
    assert Limits(budgets={"usd": 5, "eur": 7}).caveats(0) == (Budget("eur", 7), Budget("usd", 5))


@settings(max_examples=50)
@given(LIMITS)
def test_limits_round_trip(limits):
    assert limits_from_proto(limits_to_proto(limits)) == limits
    assert limits_from_json(limits_json(limits)) == limits


@pytest.mark.parametrize(
    "values",
    [
        {"tools": "refunds.*"},
        {"tools": [""]},
        {"tools": ["a", "a"]},
        {"tools": ["a" * 513]},
        {"tools": [str(number) for number in range(257)]},
        {"scopes": ["a\nb"]},
        {"scopes": ["\ud800"]},
        {"max_depth": -1},
        {"max_depth": 1001},
        {"max_depth": True},
        {"max_children": 1.0},
        {"ttl_seconds": 0},
        {"ttl_seconds": -1},
        {"ttl_seconds": float("nan")},
        {"ttl_seconds": float("inf")},
        {"ttl_seconds": True},
        {"read_only": 1},
        {"read_only": None},
        {"tools": None},
        {"budgets": {"USD": 1}},
        {"budgets": {"usd": -1}},
        {"budgets": []},
        {"arguments": {}},
        {"arguments": ["a"]},
        {"arguments": [{"tool": "a"}]},
        {"arguments": [{"tool": "a", "constraints": [{"path": "a"}]}]},
        {"arguments": [{"tool": "a", "constraints": [], "opn": True}]},
        {"arguments": [{"tool": "a", "constraints": [], "open": "yes"}]},
        {"maxdepth": 1},
    ],
    ids=str,
)
def test_malformed_limits(values):
    with pytest.raises(CaveatError):
        limits_from_json(values)


@pytest.mark.parametrize("value", [None, [], "tools", 1])
def test_limits_must_be_an_object(value):
    with pytest.raises(CaveatError, match="must be an object"):
        limits_from_json(value)


def test_message_with_an_unknown_field_is_refused():
    """A newer client's limit that is dropped on the way would widen what it asked for."""
    message = types_pb2.Limits()
    message.MergeFromString(b"\xa2\x06\x01x")  # field 100

    with pytest.raises(CaveatError, match="unknown field") as caught:
        limits_from_proto(message)
    assert caught.value.unknown


def test_message_with_an_unknown_field_in_a_list_is_refused():
    message = types_pb2.Limits()
    message.tools.MergeFromString(b"\xa2\x06\x01x")

    with pytest.raises(CaveatError, match="unknown field"):
        limits_from_proto(message)


@pytest.mark.parametrize("operand", [b"", b"{", b'{"max":1,"max":2}', b"\xff", b"NaN", b"1" * 9000])
def test_message_with_a_malformed_operand(operand):
    constraint = types_pb2.ArgumentConstraint(path="amount", operator="range", operand_json=operand)
    message = types_pb2.Limits(arguments=[types_pb2.ArgumentRule(tool="*", constraints=[constraint])])

    with pytest.raises(CaveatError, match="operand of 'range' at 'amount'"):
        limits_from_proto(message)


def test_message_with_an_unknown_operator():
    constraint = types_pb2.ArgumentConstraint(path="a", operator="regex", operand_json=b'".*"')
    message = types_pb2.Limits(arguments=[types_pb2.ArgumentRule(tool="*", constraints=[constraint])])

    with pytest.raises(CaveatError, match="unknown operator"):
        limits_from_proto(message)


def test_budgets_travel_in_messages():
    limits = Limits(budgets={"usd": 1, "calls": 0})
    assert limits_from_proto(limits_to_proto(limits)) == limits
    with pytest.raises(CaveatError, match="limit of a budget"):
        limits_from_proto(types_pb2.Limits(budgets={"usd": -1}))


@settings(max_examples=50)
@given(ANY_CAVEAT)
def test_codec_round_trips(caveat):
    encoded = encode_caveat(caveat)

    assert decode_caveat(encoded) == caveat
    assert encode_caveat(decode_caveat(encoded)) == encoded


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_decoding_raises_nothing_but_the_one_error(data):
    try:
        decode_caveat(data)
    except CaveatError:
        return
    raise AssertionError("random bytes are no caveat")


@settings(max_examples=50)
@given(ANY_CAVEAT, st.integers(0, 400), st.integers(0, 255))
def test_changed_byte_is_another_caveat_or_none(caveat, at, byte):
    encoded = bytearray(encode_caveat(caveat))
    at %= len(encoded)
    if encoded[at] == byte:
        return
    encoded[at] = byte
    try:
        assert decode_caveat(bytes(encoded)) != caveat
    except CaveatError:
        return


def test_duplicate_tag_fails():
    class Second(Caveat):
        tag = "tools"

    with pytest.raises(RuntimeError, match="'tools' of Second is empty or taken"):
        CAVEATS.extended(Second)


def test_limits_have_a_field_for_each_type_that_can_be_asked_for():
    """In the class and in the message; a message's field that no limit reads would be dropped."""
    assert {item.name for item in fields(Limits)} == CAVEATS.limits.keys()
    assert {field.message_field for _, field in CAVEATS.limits.values()} == set(
        types_pb2.Limits.DESCRIPTOR.fields_by_name
    )


def test_policies_see_every_field_but_no_secret():
    assert caveat_json(Arguments("a", (Constraint("b", "eq", [1]),))) == {
        "type": "arguments",
        "tool": "a",
        "constraints": [{"path": "b", "operator": "eq", "operand": [1]}],
        "open": False,
    }
    assert caveat_json(Hop("spiffe://example.org/a", "A" * 43)) == {
        "type": "hop",
        "holder": "spiffe://example.org/a",
    }
    assert caveat_json(Branch("x", "A" * 22)) == {"type": "branch", "sub_agent": "x"}
    assert caveat_json(Expiry(1_800_000_000.25)) == {
        "type": "expiry",
        "expires_at": "2027-01-15T08:00:00.250000Z",
    }
    assert caveat_json(Expiry(2.0**53))["expires_at"].startswith("9999-")


@settings(max_examples=50)
@given(ANY_CAVEAT)
def test_policies_see_json(caveat):
    shown = caveat_json(caveat)

    assert shown["type"] == caveat.tag


@given(st.text("ab*.", max_size=8), st.text("ab.", max_size=8))
def test_glob_agrees_with_its_definition(pattern, text):
    """Against the plain recursive reading of what an asterisk means."""

    def matches(rest, of):
        if not rest:
            return not of
        if rest[0] == "*":
            return any(matches(rest[1:], of[skip:]) for skip in range(len(of) + 1))
        return bool(of) and of[0] == rest[0] and matches(rest[1:], of[1:])

    assert glob_matches(pattern, text) == matches(pattern, text)
