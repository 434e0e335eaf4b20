"""A scalar that is accepted without quotes means the same to readers of YAML 1.1 and of YAML 1.2."""

from __future__ import annotations

import json
import math
import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tabard_sidecar.policy.loading.documents import DocumentError, parse_json, parse_yaml
from tabard_sidecar.util.yaml_scalars import AmbiguousError, resolve
from tabard_sidecar.util.yaml_source import parse_value

CORE = (
    (re.compile(r"|~|null|Null|NULL"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)
"""The core schema as YAML 1.2.2 writes it in chapter 10.3.2."""

AMBIGUOUS = [
    "NO", "no", "No", "yes", "YES", "on", "On", "off", "y", "n", "Y", "N", "~", "1e3", "1.0e3", "1E3", "-1e-3", "1.e+3",
    "010", "0o10", "08", "00", "0b11", "0x1F", "-0x1f", "1_000", "1_0.5", "0x_1F", "12:30:00", "190:20", "1:30.5", ".inf",
    "-.Inf", ".NaN", ".nan", "+.5", ".5", "5.", "2001-12-14", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43",
    "<<", "=", "01.5", "1.2345678901234567890", "1.0e+999", "0.1e-400", "+.INF", "1.5e400", "1__0",
]  # fmt: skip
ACCEPTED = [
    ("", None), ("null", None), ("true", True), ("False", False), ("0", 0), ("-17", -17), ("+3", 3), ("1.5", 1.5),
    ("-0.25", -0.25), ("1.0e+3", 1000.0), ("12345678901234567890123", 12345678901234567890123), ("Norway", "Norway"),
    ("10.0.0.1", "10.0.0.1"), ("1.2.3", "1.2.3"), ("yes please", "yes please"), ("e5", "e5"), ("-", "-"), (".", "."),
    ("2001-12", "2001-12"), ("a:b", "a:b"), ("8080:80", "8080:80"), ("١٢", "١٢"), ("_1", "_1"), ("10%", "10%"),
]  # fmt: skip


def core(text: str) -> object:
    for pattern, convert in CORE:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def old(text: str) -> object:
    """Read a scalar with PyYAML, which implements YAML 1.1."""
    return yaml.safe_load(f"[{text}]")[0] if text else None


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


scalars = st.one_of(
    st.text("0123456789.eE+-_:xobXOB", max_size=12),
    st.text("nNoOyYeEsStTrRuUaAfFlL~<=.iI", max_size=6),
    st.from_regex(r"\A[0-9]{1,4}[-:][0-9]{1,2}[-:][0-9]{1,2}([Tt ][0-9:.Z+-]{1,12})?\Z"),
    st.from_regex(r"\A[-+]?[0-9]{0,5}\.?[0-9]{0,25}([eE][-+]?[0-9]{1,4})?\Z"),
    st.sampled_from([*AMBIGUOUS, *(text for text, _ in ACCEPTED)]),
)


@given(scalars)
@example("-.5")
@example("0.")
def test_what_is_accepted_means_the_same_to_both(text):
    text = text.strip()
    try:
        value = resolve(text)
    except AmbiguousError:
        return
    assert same(core(text), value)
    try:
        read = old(text)
    except (yaml.YAMLError, ValueError):
        return  # not a plain scalar: the parser refuses it before its value is resolved
    if not isinstance(read, dict | list):
        assert same(read, value)


@given(scalars)
def test_what_reaches_a_policy_means_the_same_to_opas_own_reader(engine_yaml, text):
    """The same file may be read by an OPA server, which reads YAML with Go's library."""
    document = f"- {text.strip()}\n"
    try:
        (value,) = parse_yaml(document.encode())
    except (DocumentError, TypeError, ValueError):
        return
    (other,) = engine_yaml(document)
    if isinstance(value, int) and abs(value) >= 2**63:
        assert float(other) == float(value)  # it keeps no more digits; bundles with such numbers are refused
    else:
        assert isinstance(value, bool) == isinstance(other, bool)
        assert value == other


@pytest.fixture(scope="module")
def engine_yaml():
    """Reads YAML with OPA."""
    from tabard_opa import Engine  # noqa: PLC0415

    module = "package t\n\nvalue := yaml.unmarshal(input.text)\n"
    policy = Engine().compile({"t.rego": module}, {}, entrypoints=["data.t.value"])

    def read(text: str) -> object:
        given_text = json.dumps({"text": text}).encode()
        return json.loads(policy.evaluate_blocking("data.t.value", given_text, deadline_seconds=5))

    return read


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_ambiguous_scalars_are_refused_with_the_way_to_write_them(text):
    with pytest.raises(AmbiguousError, match="without quotes is read differently") as caught:
        resolve(text)
    assert "in quotes" in caught.value.next_step


@pytest.mark.parametrize(("text", "value"), ACCEPTED)
def test_plain_scalars_are_read(text, value):
    assert same(resolve(text), value)


@pytest.mark.parametrize("text", AMBIGUOUS)
@pytest.mark.parametrize(
    "form", ["a: {0}\n", "a: [x, {0}]\n", "a:\n  - b: {0}\n", "{0}: 1\n", "a: {{{0}: 1}}\n"]
)
def test_they_are_refused_anywhere_in_data_with_their_line(text, form):
    with pytest.raises(DocumentError) as caught:
        parse_yaml(f"# comment\n{form.format(text)}".encode())
    assert caught.value.row in {2, 3}
    assert caught.value.next_step


@pytest.mark.parametrize("text", AMBIGUOUS)
@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", "|-\n  {}", ">-\n  {}"])
def test_quoted_they_are_text(text, quoted):
    assert parse_yaml(f"a: {quoted.format(text)}\n".encode()) == {"a": text}


@pytest.mark.parametrize("key", ["1", "null", "true", "1.5", ""])
def test_a_key_that_is_not_text_is_refused(key):
    with pytest.raises(DocumentError, match="key"):
        parse_yaml(f"{key}: 1\n".encode())


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_line_breaks_of_one_version_only_are_refused(character):
    with pytest.raises(DocumentError, match="ends a line in YAML") as caught:
        parse_yaml(f'a: 1\nb: "x{character}y"\n'.encode())
    assert caught.value.row == 2


@pytest.mark.parametrize(
    "text", ["%YAML 1.1\n---\na: 1\n", "%TAG ! x\n---\na: 1\n", "---\na: 1\n---\nb: 1\n"]
)
def test_directives_and_further_documents_are_refused(text):
    with pytest.raises(DocumentError):
        parse_yaml(text.encode())


def test_settings_of_the_environment_are_read_alike():
    assert parse_value("1.5") == 1.5
    with pytest.raises(ValueError, match="read differently"):
        parse_value("NO")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_json_is_read_exactly(value):
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "1e400", "1.2345678901234567890", "1e-400", "[0.1, 12345678901234567.5]", '{"a": 1, "a": 1}', '"\\ud800"',
        '{"\\udc00": 1}', "NaN", '{"a": {"b": 1, "b": 2}}', "[1,]", "01",
    ],
)  # fmt: skip
def test_json_that_readers_read_differently_is_refused(text):
    with pytest.raises(DocumentError):
        parse_json(text.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "latin-1"])
def test_json_is_utf8(encoding):
    with pytest.raises(DocumentError):
        parse_json('{"ä": 1}'.encode(encoding))


def test_big_integers_keep_their_digits():
    assert parse_json(b"123456789012345678901234567890") == 123456789012345678901234567890
    assert parse_yaml(b"big: 123456789012345678901234567890\n") == {"big": 123456789012345678901234567890}
