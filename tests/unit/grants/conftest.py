import pytest

from tests.support.grants import make_kit


@pytest.fixture
def kit(tmp_path):
    return make_kit(tmp_path / "keys")
