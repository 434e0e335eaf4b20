"""Identifiers of root grants, malformed in every field but signed with the zone's own key."""

import json

import pytest
from tabard import macaroon
from tabard_sidecar.errors import Refused

MALFORMED = {
    "v": [2, "1", True, None],
    "type": ["Grant", "", None, 1],
    "zone": [1, None],
    "task": [1, None, {}],
    "subject": [
        None,
        "u-1",
        {},
        {"id": "u-1", "issuer": "i"},
        {"id": 1, "issuer": "i", "claims": {}},
        {"id": "u-1", "issuer": "i", "claims": []},
        {"id": "u-1", "issuer": "i", "claims": {}, "authenticated_at": "now"},
        {"id": "u-1", "issuer": "i", "claims": {}, "admin": True},
    ],
    "purpose": [None, 1],
    "statement": [None, []],
    "intent_source": ["told", None],
    "holder": [None, 1],
    "issued_at": ["now", None, True],
    "expires_at": ["never", None, False],
    "kid": [1, None],
    "admin": [True],
}


@pytest.fixture
def refused(kit):
    """Sign an identifier with the grant key; return the code and message it is refused with."""
    key = kit.keyring.derive(kit.keyring.active("root"), "grant")

    def refuse(identifier):
        with pytest.raises(Refused) as caught:
            kit.verify(macaroon.mint(key, identifier))
        return caught.value.code

    return refuse


@pytest.fixture
def good(kit):
    return json.loads(macaroon.parse(kit.mint()).identifier)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field}-{number}")
        for field, values in MALFORMED.items()
        for number, value in enumerate(values)
    ],
)
def test_malformed_field(refused, good, field, value):
    assert refused(json.dumps(good | {field: value}).encode()) == "grant_malformed"


@pytest.mark.parametrize("field", [field for field in MALFORMED if field != "admin"])
def test_missing_field(refused, good, field):
    del good[field]

    assert refused(json.dumps(good).encode()) == "grant_malformed"


@pytest.mark.parametrize("identifier", [b"", b"id", b"[]", b"null", b"\xff", b'{"a":1,"a":1}', b"[" * 5000])
def test_no_object(refused, identifier):
    assert refused(identifier) == "grant_malformed"


def test_person_whose_sign_in_time_is_unknown(kit, good):
    del good["subject"]["authenticated_at"]
    key = kit.keyring.derive(kit.keyring.active("root"), "grant")

    assert kit.verify(macaroon.mint(key, json.dumps(good).encode())).subject.authenticated_at is None
