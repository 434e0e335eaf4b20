"""Files that a verifier trusts: no other user can change them, and none keeps it waiting."""

import json
import os
import socket

import pytest
from tabard.testing import FakeIssuer
from tabard.verify import Rejected, ReplayUnavailable, SqliteReplayStore, Verifier


def pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def a_socket(path):
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def device(path):
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


CHANGES = {
    "pipe": pipe,
    "socket": a_socket,
    "device": device,
    "folder": folder,
    "all write": lambda path: path.chmod(0o602),
    "folder of all": lambda path: path.parent.chmod(0o777),
    "absent": lambda path: path.unlink(missing_ok=True),
}


@pytest.fixture(params=CHANGES)
def spoil(request):
    return CHANGES[request.param]


@pytest.fixture
def place(tmp_path):
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def test_a_jwks_file_that_others_could_change_is_refused(place, spoil):
    issuer = FakeIssuer("refunds")
    path = issuer.write_jwks(place / "jwks.json")
    token = issuer.jwt("t")
    verifier = Verifier("refunds", issuer=issuer.name, jwks=path)
    spoil(path)
    with pytest.raises(Rejected, match="keys_unavailable"):
        verifier.verify(token, "t", {})


def test_audience_keys_that_others_could_change_are_refused(place, spoil):
    issuer = FakeIssuer("refunds")
    path = issuer.write_audience_keys(place / "keys.json")
    Verifier("refunds", issuer=issuer.name, audience_keys=path)
    spoil(path)
    with pytest.raises(ValueError, match=r"keys\.json|mine|zero"):
        Verifier("refunds", issuer=issuer.name, audience_keys=path)


@pytest.mark.parametrize("change", sorted(set(CHANGES) - {"absent"}))
def test_a_replay_store_that_others_could_change_is_refused(place, change):
    path = place / "replay.sqlite3"
    path.touch(0o600)
    CHANGES[change](path)
    with pytest.raises(ReplayUnavailable, match=r"replay|mine|zero"):
        SqliteReplayStore(path).accept("issuer", "id", 1.0)


def test_links_are_followed_as_mounted_volumes_need(place):
    issuer = FakeIssuer("refunds")
    (place / "..data").mkdir()
    issuer.write_jwks(place / "..data" / "jwks.json")
    (place / "jwks.json").symlink_to("..data/jwks.json")
    verifier = Verifier("refunds", issuer=issuer.name, jwks=place / "jwks.json")
    assert verifier.verify(issuer.jwt("t"), "t", {})


def test_a_key_set_that_two_readers_could_understand_differently_is_refused(place):
    issuer = FakeIssuer("refunds")
    path = issuer.write_jwks(place / "jwks.json")
    keys = json.loads(path.read_text())["keys"]
    for text in (
        f'{{"keys": [], "keys": {json.dumps(keys)}}}',
        json.dumps({"keys": keys}).replace('"kid"', '"kid": "other", "kid"', 1),
        "[" * 50_000,
    ):
        path.write_text(text)
        with pytest.raises(Rejected, match="keys_unavailable"):
            Verifier("refunds", issuer=issuer.name, jwks=path).verify(issuer.jwt("t"), "t", {})
