"""Strict parsing and canonical form beyond the published vectors."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard.arguments import (
    MAX_BYTES,
    ArgumentsError,
    call_digest,
    canonical,
    parse_arguments,
    parse_json,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# Between these two a double's canonical form is an integer that isn't accepted.
NUMBERS = st.integers(-(2**53), 2**53) | FLOATS.filter(lambda value: not 2**53 <= abs(value) < 1e21)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
ARGUMENTS = st.dictionaries(TEXT, VALUES, max_size=5)


def test_nothing_means_no_arguments():
    assert parse_arguments(b"") == {}


def test_too_long():
    padding = b" " * (MAX_BYTES - 2)

    assert parse_arguments(b"{}" + padding) == {}
    with pytest.raises(ArgumentsError, match="longer than 262144 bytes"):
        parse_arguments(b"{} " + padding)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 200_000,
    ],
    ids=["arrays", "objects", "open"],
)
def test_ten_thousand_deep(data):
    with pytest.raises(ArgumentsError, match="nested deeper than 64 levels"):
        parse_arguments(data)


@pytest.mark.parametrize(
    "text", ["9007199254740992", "9007199254740992.0", "9.007199254740992e15", "90071992547409920e-1"]
)
@pytest.mark.parametrize("sign", ["", "-"])
def test_the_largest_integer_is_one_number_however_it_is_written(text, sign):
    assert (
        canonical(parse_arguments(f'{{"a":{sign}{text}}}'.encode()))
        == f'{{"a":{sign}9007199254740992}}'.encode()
    )


@pytest.mark.parametrize(
    "text", ["9007199254740993", "9007199254740993.0", "9007199254740992.5", "9007199254740994.0"]
)
def test_a_number_that_would_be_rounded_to_the_largest_integer_is_refused(text):
    with pytest.raises(ArgumentsError, match="beyond"):
        parse_arguments(f'{{"a":{text}}}'.encode())


def test_many_brackets_need_not_be_deep():
    data = json.dumps({"a": [[]] * 5_000, "b": "[" * 5_000 + '\\"{'}).encode()

    assert parse_arguments(data)["a"] == [[]] * 5_000


def test_brackets_in_an_unfinished_string_are_no_nesting():
    with pytest.raises(ArgumentsError, match="not JSON"):
        parse_arguments(b'{"a":"' + b"[" * 5_000)


def test_message_never_quotes_the_arguments():
    with pytest.raises(ArgumentsError) as caught:
        parse_arguments(b'{"password":"hunter2",}')

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a": {1}}, b"a", object(), 2**53 + 1, -math.inf, "\ud800", {"\udfff": 1}]
)
def test_not_json(value):
    with pytest.raises(ArgumentsError):
        canonical(value)


def test_canonical_form_ends_with_the_allowed_depth():
    value = []
    for _ in range(63):
        value = [value]

    assert canonical(value) == b"[" * 64 + b"]" * 64
    with pytest.raises(ArgumentsError, match="nested deeper"):
        canonical([value])


@given(ARGUMENTS)
def test_canonical_form_reads_back(arguments):
    assert parse_arguments(canonical(arguments)) == arguments


@given(ARGUMENTS)
def test_canonical_form_does_not_depend_on_spelling(arguments):
    """Key order, white space and escapes don't matter."""
    reordered = dict(reversed(arguments.items()))
    spelled = json.dumps(reordered, indent=1, ensure_ascii=True).encode()

    assert canonical(parse_arguments(spelled)) == canonical(arguments)


@given(ARGUMENTS)
def test_keys_are_sorted_by_utf16_code_units(arguments):
    keys = list(parse_arguments(canonical(arguments)))

    assert keys == sorted(arguments, key=lambda key: key.encode("utf-16-be"))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_their_value(value):
    assert float(canonical(value)) == value


@pytest.mark.parametrize("text", ["9007199254740993.0", "1e16", "-1.5e20", "999999999999999934463"])
def test_integer_beyond_the_limit_spelled_as_a_float(text):
    with pytest.raises(ArgumentsError, match="beyond"):
        parse_arguments(f'{{"a":{text}}}'.encode())


@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | VALUES.map(lambda v: json.dumps(v).encode())
)
def test_nothing_but_the_one_error(data):
    try:
        parsed = parse_json(data)
    except ArgumentsError:
        return
    assert parse_json(canonical(parsed)) == parsed


CALLS = st.tuples(TEXT, TEXT, ARGUMENTS.map(canonical))


@given(CALLS, CALLS)
def test_call_digest_tells_calls_apart(call, other):
    assert (call_digest(*call) == call_digest(*other)) == (call == other)


@given(TEXT, TEXT, st.integers(0, 20))
def test_call_digest_knows_where_the_name_ends(name, server, cut):
    joined = name + server
    cut = min(cut, len(joined))
    moved = call_digest(joined[:cut], joined[cut:], b"{}")

    assert (moved == call_digest(name, server, b"{}")) == (joined[:cut] == name)


def test_call_digest_of_half_a_character():
    with pytest.raises(ArgumentsError):
        call_digest("\ud800", "", b"{}")
