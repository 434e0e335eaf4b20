"""The way to the keys counts as the key directory does."""

from __future__ import annotations

import pytest
from tabard_sidecar.keys.files import check_directory
from tabard_sidecar.keys.model import KeyringError


def test_a_folder_above_the_keys_that_every_user_can_write_is_refused(tmp_path):
    keys = tmp_path / "a" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    keys.parent.chmod(0o700)
    check_directory(keys)
    keys.parent.chmod(0o777)
    with pytest.raises(KeyringError, match="every user can write"):
        check_directory(keys)
