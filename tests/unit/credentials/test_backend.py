"""``tabard.verify`` accepts the credentials that a sidecar issues, with the keys as they are published."""

import json

import pytest
from click.testing import CliRunner
from tabard import macaroon
from tabard.arguments import call_digest, canonical
from tabard.caveats import Expiry, Scopes, encode_caveat
from tabard.verify import Rejected, SqliteReplayStore, Verifier
from tabard_sidecar.cli.keys import keys
from tabard_sidecar.credentials import CredentialsConfig, build_issuers
from tabard_sidecar.keys import ROOT, SIGNING, Keyring, jwks
from tabard_sidecar.model import ToolCall

from tests.support.credentials import AUDIENCE, PREFIX, request_of
from tests.support.tokens import NOW, FakeClock

ARGUMENTS = {"amount": 5, "note": "ü"}
DIGEST = call_digest("refunds.create", "billing", canonical(ARGUMENTS))
CALL = ToolCall("refunds.create", "billing", ARGUMENTS, canonical(ARGUMENTS), DIGEST)
both_kinds = pytest.mark.parametrize("kind", ["jwt", "macaroon"])


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["ES256", "EdDSA"])
def keyring(request, tmp_path, clock):
    ring = Keyring.create_directory(tmp_path / "keys", clock=clock)
    ring.create(ROOT)
    ring.create(SIGNING, algorithm=request.param)
    return ring


@pytest.fixture
def issuers(keyring, clock):
    return build_issuers(CredentialsConfig(), zone="support", keyring=keyring, clock=clock)


@pytest.fixture
def verifier(keyring, tmp_path, clock):
    (tmp_path / "jwks.json").write_text(json.dumps(jwks(keyring)))
    exported = CliRunner().invoke(
        keys, ["export", "--audience", AUDIENCE, "--directory", str(keyring.directory)]
    )
    audience_keys = tmp_path / "audience.json"
    audience_keys.write_text(exported.stdout)
    audience_keys.chmod(0o600)
    replay = SqliteReplayStore(tmp_path / "replay.sqlite3")
    yield Verifier(
        AUDIENCE,
        issuer="urn:tabard:zone:support",
        jwks=tmp_path / "jwks.json",
        audience_keys=audience_keys,
        replay=replay,
        clock=clock,
    )
    replay.close()


async def issue(issuers, kind, **changes):
    return (await issuers.get(kind).issue(request_of(kind, **({"call": CALL} | changes)))).value


@both_kinds
async def test_a_backend_accepts_it_for_exactly_this_call(issuers, verifier, kind):
    value = await issue(issuers, kind)

    found = verifier.verify(value, "refunds.create", ARGUMENTS, "billing")

    assert (found.subject.id, found.subject.issuer, found.agent, found.task_id) == (
        "alice",
        "https://login.example.org",
        PREFIX + "orders",
        "task-1",
    )
    assert set(found.scopes) == {"orders:read", "refunds:write"}
    with pytest.raises(Rejected):
        verifier.verify(value, "refunds.create", ARGUMENTS | {"amount": 6}, "billing")
    with pytest.raises(Rejected):
        verifier.verify(value, "refunds.create", ARGUMENTS)


@both_kinds
async def test_a_backend_accepts_a_single_use_once(issuers, verifier, kind):
    value = await issue(issuers, kind, uses=1)
    verifier.verify(value, "refunds.create", ARGUMENTS, "billing")

    with pytest.raises(Rejected):
        verifier.verify(value, "refunds.create", ARGUMENTS, "billing")


@both_kinds
async def test_a_backend_refuses_what_is_for_others_or_expired(issuers, verifier, clock, kind):
    value = await issue(issuers, kind)
    other = await issue(issuers, kind, audience="https://other.example.org")
    with pytest.raises(Rejected):
        verifier.verify(other, "refunds.create", ARGUMENTS, "billing")

    clock.advance(120)

    with pytest.raises(Rejected):
        verifier.verify(value, "refunds.create", ARGUMENTS, "billing")


async def test_sidecar_and_backend_agree_on_a_narrowed_macaroon(issuers, verifier):
    caveats = [encode_caveat(caveat) for caveat in (Expiry(NOW + 10), Scopes(("orders:read",)))]
    narrowed = macaroon.append(await issue(issuers, "macaroon"), caveats)

    found = verifier.verify(narrowed, "refunds.create", ARGUMENTS, "billing")

    inspected = issuers.inspect(narrowed)
    assert (found.scopes, found.expires_at) == (inspected.scopes, inspected.expires_at)
    assert found.scopes == ("orders:read",)
