"""An issuer and a verifier that trusts it."""

import pytest
from tabard.testing import FakeIssuer
from tabard.verify import SqliteReplayStore, Verifier


@pytest.fixture
def issuer():
    return FakeIssuer("refunds")


@pytest.fixture
def replay(tmp_path):
    store = SqliteReplayStore(tmp_path / "replay.sqlite3")
    yield store
    store.close()


@pytest.fixture
def verifier(issuer, replay, tmp_path):
    return Verifier(
        "refunds",
        issuer=issuer.name,
        jwks=issuer.write_jwks(tmp_path / "jwks.json"),
        audience_keys=issuer.write_audience_keys(tmp_path / "audience.json"),
        replay=replay,
    )
