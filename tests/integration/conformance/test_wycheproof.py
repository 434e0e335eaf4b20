"""Project Wycheproof's vectors for JSON Web Signatures and Keys, ECDSA and Ed25519, against both of our verifiers.

A vector's payload is any text, and ours are claims, so a test replaces the last step, which reads them. All that comes before
is ours: taking the token apart, its header, the choice of key and algorithm, and the signature.
"""

import json
from collections import Counter
from pathlib import Path

import jwt
import pytest
from tabard import jwk
from tabard.verify import Rejected, jwt_credential
from tabard.verify.keys import FILE_FRESHNESS, KeysError, KeySet
from tabard_sidecar.identity import jose, keyset

from tests.support.components import component

PRIVATE = {"d", "p", "q", "dp", "dq", "qi"}
ROCA = "rejectsKeyWithRocaVulnerability"
"""A weakness of RSA keys that one maker's chips generated until 2017. Issuers of subject tokens are trusted to have none."""


@pytest.fixture(scope="module")
def vectors():
    folder = Path(component("vectors.sh", "wycheproof"), "testvectors_v1")
    return lambda name: json.loads((folder / f"{name}_test.json").read_text("utf-8"))["testGroups"]


@pytest.fixture
def backend(monkeypatch):
    """Verifies as a backend does; returns whether the signature holds."""

    def signature_only(token, key, algorithms, options):
        return jwt.api_jws.decode(token, key, algorithms=algorithms)

    monkeypatch.setattr(jwt_credential, "TYPE", None)
    monkeypatch.setattr(jwt_credential.jwt, "decode", signature_only)

    def holds(document, token):
        try:
            return jwt_credential.read_jwt(token, KeySet(lambda: document, FILE_FRESHNESS)) is not None
        except Rejected:
            return False

    return holds


@pytest.fixture
def sidecar(monkeypatch):
    """Verifies as a sidecar does subject tokens; returns whether the signature holds."""
    strict = jose._object
    monkeypatch.setattr(
        jose,
        "_object",
        lambda segment, what: strict(segment, what) if what == "header" else jose._decode(segment, what),
    )

    def holds(document, token):
        try:
            parsed = jose.parse(token)
            key = keyset.parse(document).find(parsed.key_id, parsed.algorithm)
            if key is None:
                return False
            jose.verify_signature(parsed, key)
        except (jose.TokenError, ValueError):
            return False
        return True

    return holds


def published(group):
    """Return the JWK Set that an issuer with the group's keys would publish, and whether it has a symmetric key."""
    found = group.get("public") or group["private"]
    keys = [
        {name: value for name, value in key.items() if name not in PRIVATE}
        for key in found.get("keys", [found])
    ]
    return json.dumps({"keys": keys}).encode(), any("k" in key for key in keys)


def tokens(group):
    """Yield the vectors in compact serialisation; no other is accepted."""
    for case in group["tests"]:
        if isinstance(case["jws"], str):
            yield case


@pytest.mark.parametrize("name", ["json_web_signature", "json_web_key"])
def test_no_invalid_signature_is_accepted(vectors, backend, sidecar, name):
    tried = 0
    for group in vectors(name):
        document, _ = published(group)
        for case in tokens(group):
            if case["result"] != "valid":
                tried += 1
                assert not backend(document, case["jws"]), case
                assert not sidecar(document, case["jws"]) or case["comment"] == ROCA, case
    assert tried > (300 if name == "json_web_signature" else 10)


def test_valid_signatures_of_supported_algorithms_are_accepted(vectors, backend, sidecar):
    accepted, refused = Counter(), Counter()
    for group in vectors("json_web_signature"):
        document, symmetric = published(group)
        for case in tokens(group):
            if case["result"] != "valid":
                continue
            holds = {"sidecar": sidecar(document, case["jws"]), "backend": backend(document, case["jws"])}
            if symmetric:
                assert not any(holds.values()), case
                continue
            algorithm = json.loads(jose._decode(case["jws"].partition(".")[0], "header"))["alg"]
            for verifier, held in holds.items():
                (accepted if held else refused)[verifier, algorithm] += 1
    assert accepted["backend", "ES256"] == 2
    assert refused["backend", "ES256"] == 0
    assert {algorithm for verifier, algorithm in accepted if verifier == "backend"} == {"ES256"}
    for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256"):
        assert accepted["sidecar", algorithm] > 0, refused


def test_a_set_that_holds_a_secret_key_is_refused(vectors):
    for group in vectors("json_web_key"):
        document = json.dumps({"keys": (group.get("private") or group["public"])["keys"]}).encode()
        if b'"d"' in document or b'"k"' in document:
            with pytest.raises((KeysError, Rejected)):
                KeySet(lambda document=document: document, FILE_FRESHNESS).get("kid-ec-sign")


@pytest.mark.parametrize(
    ("name", "algorithm", "least"),
    [
        ("ecdsa_secp256r1_sha256_p1363", "ES256", 250),
        ("ecdsa_secp384r1_sha384_p1363", "ES384", 250),
        ("ecdsa_secp521r1_sha512_p1363", "ES512", 250),
        ("ed25519", "EdDSA", 140),
    ],
)
def test_signatures_over_any_message(vectors, name, algorithm, least):
    """With the key as we read it from a JWK, and the algorithm as PyJWT gives it to both verifiers."""
    verify = jwt.get_algorithm_by_name(algorithm).verify
    tried = 0
    for group in vectors(name):
        entry = group.get("publicKeyJwk")
        if entry is None:
            continue
        key = jwk.read({name: value for name, value in entry.items() if name != "alg"})
        assert key.fits(algorithm)
        for case in group["tests"]:
            held = verify(bytes.fromhex(case["msg"]), key.public_key, bytes.fromhex(case["sig"]))
            assert held == (case["result"] == "valid"), case
            tried += 1
    assert tried >= least
