"""Keys of zones: deterministic, as the vectors and RFC 5869 say, and never shared."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard import base64url
from tabard_sidecar.control.derivation import accepted, derived, valid_zone
from tabard_sidecar.control.master import MasterKey
from tabard_sidecar.keys import jwk
from tabard_sidecar.keys.control_document import decode_zone, encode_zone, zone_document

VECTORS = json.loads((Path(__file__).parents[2] / "conformance" / "control_keys.json").read_text())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

secrets = st.binary(min_size=32, max_size=32)
zones = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
generations = st.integers(1, 10**6)
masters = st.builds(MasterKey, generations, st.just(0.0), st.none(), secrets)


def hkdf(secret: bytes, info: str, length: int) -> bytes:
    """RFC 5869, section 2, written out."""
    pseudorandom = hmac.digest(bytes(32), secret, hashlib.sha256)
    block, blocks, count = b"", b"", 1
    while len(blocks) < length:
        block = hmac.digest(pseudorandom, block + info.encode() + bytes([count]), hashlib.sha256)
        blocks, count = blocks + block, count + 1
    return blocks[:length]


def everything(found) -> set[bytes | str]:
    """All that two zones could share: secrets and ids."""
    scalar = found.signing.private_key.private_numbers().private_value.to_bytes(32, "big")
    return {found.root.secret, scalar, found.root.kid, found.signing.kid}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['zone']}-{vector['generation']}")
def test_a_vector(vector):
    master = MasterKey(vector["generation"], 0.0, None, base64url.decode(vector["master"]))
    found = derived(master, vector["zone"], None)
    assert found.root.kid == vector["root"]["kid"]
    assert base64url.encode(found.root.secret) == vector["root"]["key"]
    assert found.signing.kid == vector["signing"]["kid"]
    assert jwk.private_jwk(found.signing.private_key) == vector["signing"]["key"]


@given(masters, zones)
def test_keys_are_what_the_rfc_says(master, zone):
    found = derived(master, zone, None)

    def of(purpose: str, length: int) -> bytes:
        return hkdf(master.secret, f"tabard/v1/control/{purpose}/{master.generation}/{zone}", length)

    assert found.root.secret == of("root", 32)
    scalar = int.from_bytes(of("signing", 48), "big") % (ORDER - 1) + 1
    assert found.signing.private_key.private_numbers().private_value == scalar
    assert found.root.kid == f"root-{master.generation}-{of('kid/root', 8).hex()}"
    assert found.signing.kid == f"signing-{master.generation}-{of('kid/signing', 8).hex()}"


@given(masters, zones, zones)
def test_two_zones_share_nothing(master, one, other):
    shared = everything(derived(master, one, None)) & everything(derived(master, other, None))
    assert bool(shared) == (one == other)


@given(secrets, generations, generations, zones)
def test_two_generations_share_nothing(secret, one, other, zone):
    """Not even if a master key was copied."""
    first = everything(derived(MasterKey(one, 0.0, None, secret), zone, None))
    second = everything(derived(MasterKey(other, 0.0, None, secret), zone, None))
    assert bool(first & second) == (one == other)


@given(secrets, st.tuples(zones, generations), st.tuples(zones, generations))
def test_no_two_inputs_are_written_alike(secret, one, other):
    """A zone whose name ends or begins with digits isn't another one of another generation."""
    first = everything(derived(MasterKey(one[1], 0.0, None, secret), one[0], None))
    second = everything(derived(MasterKey(other[1], 0.0, None, secret), other[0], None))
    assert bool(first & second) == (one == other)


@given(st.lists(secrets, min_size=1, max_size=4, unique=True), zones, st.floats(0, 50))
def test_replicas_agree_and_a_sidecar_reads_what_they_send(found, zone, now):
    """Their documents are equal, byte for byte, whatever the order of their files."""
    keys = [MasterKey(n, 10.0 * n, 10.0 * n + 5 if n > 1 else None, s) for n, s in enumerate(found, 1)]
    one = zone_document(zone, accepted(keys, zone, now))
    other = zone_document(zone, list(reversed(accepted(keys, zone, now))))
    assert encode_zone(one) == encode_zone(other)
    read = decode_zone(encode_zone(one), zone)
    assert (read.zone, read.version) == (zone, one.version)
    assert [everything(each) for each in read.generations] == [everything(each) for each in one.generations]
    assert [each.root.retire_after for each in read.generations] == [
        each.root.retire_after for each in one.generations
    ]


@given(st.lists(secrets, min_size=2, max_size=4, unique=True), st.floats(0, 100))
def test_each_generation_retires_when_a_later_one_says_so(found, now):
    keys = [MasterKey(n, 10.0 * n, 10.0 * n + 15 if n > 1 else None, s) for n, s in enumerate(found, 1)]
    given_out = [each.number for each in accepted(keys, "support", now)]
    assert given_out == [n for n in range(1, len(keys) + 1) if n == len(keys) or now < 10.0 * (n + 1) + 15]
    assert len(keys) in given_out


@pytest.mark.parametrize(
    "name", ["", "A", "a/b", "a.b", "-a", "a-", "a" * 64, "süd", "a\n", "a b", "..", "%2e"]
)
def test_what_no_namespace_is_called_has_no_keys(name):
    assert not valid_zone(name)
    with pytest.raises(ValueError, match="namespace"):
        derived(MasterKey(1, 0.0, None, bytes(32)), name, None)


def test_no_secret_is_shown():
    master = MasterKey(1, 0.0, None, b"secret-secret-secret-secret-secr")
    found = derived(master, "support", None)
    assert "secret" not in repr(master).replace("MasterKey", "")
    assert repr(found.root.secret) not in repr(found)
