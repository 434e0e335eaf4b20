import pytest
from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.state.factory import create_store

from tests.support.fake_vault import fake_vault


@pytest.fixture
def vault():
    """A fake of a vault; see tests/support/fake_vault.py."""
    with fake_vault() as fake:
        yield fake


@pytest.fixture
def secret_id(tmp_path):
    """A file with a secret id."""
    path = tmp_path / "secret-id"
    path.write_text("0123456789abcdef0123456789abcdef-secret-id")
    path.chmod(0o600)
    return path


@pytest.fixture
async def store(tmp_path):
    """A state store in a file."""
    store = create_store(StateConfig(url=f"sqlite://{tmp_path}/s.db"), "zone")
    await store.open()
    yield store
    await store.close()
