from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from tabard_sidecar.credentials.exchange import TokenJournal, build_exchanges
from tabard_sidecar.credentials.exchange.conf import ExchangeConfig
from tabard_sidecar.credentials.subject_tokens import KeptSubjectTokens
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity import keyset
from tabard_sidecar.identity.agent import StaticAgent
from tabard_sidecar.identity.sources import StaticKeys
from tabard_sidecar.identity.subject import Issuer, SubjectTokens
from tabard_sidecar.keys import ROOT, Keyring
from tabard_sidecar.keys.sealing import EXCHANGED_TOKENS, SUBJECT_TOKENS, DerivedSealingKeys
from tabard_sidecar.revocation import lease_targets
from tabard_sidecar.state import KeptToken, TaskRecord
from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.state.factory import create_store
from tabard_sidecar.util.ids import new_id

from testbed.world import ISSUER as TESTBED
from tests.support.credentials import PREFIX, grant_of, request_of
from tests.support.fake_idp import REVOKE, TOKEN, fake_idp
from tests.support.tokens import ISSUER

SECRET = "0123456789abcdef0123456789abcdef+/"
AUDIENCES = {
    "orders": {"scopes": ["orders:read", "orders:write"]},
    "bills": {"scopes": ["bills:read"], "resource": "https://bills.example"},
    "plain": {},
    "once": {"scopes": ["once"], "reuse": False},
}


class World:
    """An issuer in front of a fake identity provider, with a real store of subject tokens."""

    def __init__(self, idp, store, folder, *, allow_http: bool = True, **changes: Any):
        secret = folder / "client-secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        config = {
            "token_endpoint": idp.address + TOKEN,
            "revocation_endpoint": idp.address + REVOKE,
            "subject_issuer": ISSUER,
            "client_id": "side car",
            "client_secret_file": secret,
            "audiences": AUDIENCES,
            "timeout_seconds": 3,
        }
        self.config = ExchangeConfig.model_validate(
            {name: value for name, value in (config | changes).items() if value is not None}
        )
        self.idp, self.store, self.problems, self.offset = idp, store, [], 0.0
        keys = StaticKeys(keyset.parse(json.dumps({"keys": [idp.key.jwk()]}).encode()))
        issuer = Issuer(ISSUER, frozenset({"tabard"}), frozenset({"ES256"}), frozenset({"at+jwt"}), keys)
        self.subjects = SubjectTokens(
            [issuer], agent=StaticAgent(PREFIX + "orders"), clock=self.clock, skew_seconds=5
        )
        if not (folder / "keys").exists():
            Keyring.create_directory(folder / "keys").create(ROOT)
        self.kept = KeptSubjectTokens(
            store, DerivedSealingKeys(Keyring(folder / "keys"), SUBJECT_TOKENS), {ISSUER}
        )
        self.issuer = build_exchanges(
            {"main": self.config},
            self.kept,
            TokenJournal(store, DerivedSealingKeys(Keyring(folder / "keys"), EXCHANGED_TOKENS)),
            self.subjects,
            targets=lease_targets,
            clock=self.clock,
            allow_http=allow_http,
            report=self.problems.append,
        )

    def clock(self) -> float:
        return time.time() + self.offset

    async def grant(self, person: str = "alice", *, token: str | None = None, **claims: Any):
        """A grant of a task that was started with the person's token."""
        now = self.clock()
        made = grant_of(expires_at=now + 3600, root_id=new_id())
        made = replace(
            made,
            subject=replace(made.subject, id=person),
            task=replace(made.task, id=new_id(), started_at=now - 5, expires_at=now + 3600),
        )
        token = self.idp.subject_token(person, **claims) if token is None else token
        subject = replace(made.subject, expires_at=now + 700)
        sealed = self.kept.sealed(token, subject, made.root_id, until=made.expires_at)
        assert sealed is not None
        record = TaskRecord(
            made.root_id, made.task.id, ISSUER, person, made.root_holder, "p", now - 5, now + 3600
        )
        await self.store.open_task(record, labels_since=now, token=KeptToken(*sealed))
        return made

    async def request(
        self, audience="orders", scopes=("orders:read",), *, seconds=250.0, grant=None, **changes
    ):
        """A request for a credential, as the pipeline makes it now."""
        now = self.clock()
        values = {
            "credential_id": new_id(),
            "audience": audience,
            "scopes": tuple(scopes),
            "issued_at": now,
            "expires_at": now + seconds,
            "grant": grant or await self.grant(),
        }
        return request_of("exchange", **(values | changes))

    async def given(self, request):
        """Issue and commit, as for an answer that leaves."""
        issued = self.issuer.compute(request) or await self.issuer.issue(request)
        self.issuer.commit(request)
        return issued

    async def fault(self, request=None):
        """Return the code and message with which issuing fails."""
        with pytest.raises((NoDecision, Refused)) as caught:
            await self.issuer.issue(request or await self.request())
        return caught.value


@pytest.fixture
def idp():
    """A fake of an identity provider; see tests/support/fake_idp.py."""
    with fake_idp() as fake:
        yield fake


@pytest.fixture
async def store(tmp_path):
    """A state store in a file."""
    store = create_store(StateConfig(url=f"sqlite://{tmp_path}/s.db"), "zone")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def make_world(idp, store, tmp_path):
    """Make issuers in front of the fake."""
    made = []

    def make(**changes):
        made.append(World(idp, store, tmp_path, **changes))
        return made[-1]

    yield make
    for world in made:
        await world.issuer.close()


@pytest.fixture
def world(make_world):
    """An issuer in front of the fake."""
    return make_world()


def settings_of(idp, folder):
    """Return the configuration of a sidecar that exchanges tokens of the testbed's people at a fake."""
    secret = folder / "client-secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return {
        "token_endpoint": idp.address + TOKEN,
        "revocation_endpoint": idp.address + REVOKE,
        "subject_issuer": TESTBED,
        "client_id": "tabard",
        "client_secret_file": str(secret),
        "audiences": {"orders": {"scopes": ["orders:read"]}},
    }
