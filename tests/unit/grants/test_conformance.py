"""The vectors that are published for other languages hold here too."""

import base64
import hashlib
import json
import struct
from pathlib import Path

import pytest
from tabard import macaroon
from tabard.arguments import (
    ArgumentsError,
    call_digest,
    canonical,
    format_number,
    parse_arguments,
    parse_json,
)
from tabard.caveats import (
    CAVEATS,
    OPERATORS,
    CaveatError,
    caveat_from_json,
    decode_caveat,
    encode_caveat,
)
from tabard_sidecar.grants.chain import seal_holds

VECTORS = Path(__file__).parents[2] / "conformance"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("case", load("canonical")["cases"], ids=lambda case: case["name"])
def test_canonical_form(case):
    assert canonical(parse_arguments(case["input"].encode())).decode() == case["canonical"]


@pytest.mark.parametrize("case", load("canonical")["cases"], ids=lambda case: case["name"])
def test_canonical_form_is_its_own(case):
    encoded = case["canonical"].encode()

    assert canonical(parse_json(encoded)) == encoded


@pytest.mark.parametrize("case", load("numbers")["cases"], ids=lambda case: case["ieee754"])
def test_number(case):
    (value,) = struct.unpack(">d", bytes.fromhex(case["ieee754"]))

    assert format_number(value) == case["canonical"]
    assert canonical(value).decode() == case["canonical"]


@pytest.mark.parametrize("ieee754", load("numbers")["refused"])
def test_number_without_canonical_form(ieee754):
    (value,) = struct.unpack(">d", bytes.fromhex(ieee754))

    with pytest.raises(ArgumentsError, match="not finite"):
        canonical(value)


@pytest.mark.parametrize("case", load("refused")["cases"], ids=lambda case: case["name"])
def test_refused_arguments(case):
    with pytest.raises(ArgumentsError):
        parse_arguments(base64.b64decode(case["input_base64"]))


@pytest.mark.parametrize("case", load("call_digests")["cases"], ids=lambda case: case["digest"][:8])
def test_call_digest(case):
    assert hashlib.sha256(case["hashed"].encode()).hexdigest() == case["digest"]
    assert call_digest(case["name"], case["server"], case["arguments"].encode()) == case["digest"]


@pytest.mark.parametrize("case", load("caveats")["cases"], ids=lambda case: case["encoded"])
def test_caveat(case):
    caveat = caveat_from_json(case["caveat"])

    assert encode_caveat(caveat).decode() == case["encoded"]
    assert decode_caveat(case["encoded"].encode()) == caveat


def test_every_caveat_type_has_a_vector():
    """Third-party caveats have an encoding of their own."""
    assert {case["caveat"]["type"] for case in load("caveats")["cases"]} == CAVEATS.types.keys() - {
        "third_party"
    }


@pytest.mark.parametrize("text", load("caveats")["refused"])
def test_refused_caveat(text):
    with pytest.raises(CaveatError):
        decode_caveat(text.encode())


def test_grant():
    """Serialised form, signatures, link identifiers and the seal are what the vector says."""
    vector = load("grant")
    key = bytes.fromhex(vector["grant_key"])
    encoded = [step["encoded"].encode() for step in vector["steps"]]

    assert macaroon.mint(key, vector["identifier"].encode(), encoded) == vector["serialised"]
    verified = macaroon.verify(vector["serialised"], key)
    assert hashlib.sha256(verified.initial).hexdigest() == vector["root_id"]
    assert [step.after.hex() for step in verified.steps] == [step["signature"] for step in vector["steps"]]
    hop = decode_caveat(encoded[2])
    assert seal_holds(bytes.fromhex(vector["hop_key"]), verified.steps[2].before, hop.holder, hop.seal)


def test_every_caveat_and_operator_is_documented():
    page = (VECTORS.parents[1] / "docs/reference/caveats.md").read_text("utf-8")

    for name in (*CAVEATS.types, *OPERATORS):
        assert f"| `{name}` |" in page
