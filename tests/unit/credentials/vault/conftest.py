import pytest

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
