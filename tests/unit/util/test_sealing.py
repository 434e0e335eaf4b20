"""Sealed data opens with the key and the purpose that it was sealed with, and with nothing else."""

from __future__ import annotations

import pytest
from tabard_sidecar.util.sealing import SealError, seal, unseal

DATA, PURPOSE = b"a reply", b"digest of a request"


class Keys:
    """Keys by id, the newest last."""

    def __init__(self, **secrets: bytes):
        self.secrets = secrets

    def current(self):
        """Return the newest key."""
        return list(self.secrets.items())[-1]

    def by_id(self, kid):
        """Return a key's secret, if it is still there."""
        return self.secrets.get(kid)


@pytest.fixture
def keys():
    return Keys(old=b"o" * 32)


def test_what_was_sealed_opens(keys):
    assert unseal(keys, seal(keys, DATA, PURPOSE), PURPOSE) == DATA


def test_the_same_data_never_looks_the_same(keys):
    assert seal(keys, DATA, PURPOSE) != seal(keys, DATA, PURPOSE)


def test_what_an_older_key_sealed_opens_until_the_key_is_retired(keys):
    sealed = seal(keys, DATA, PURPOSE)
    assert unseal(Keys(old=b"o" * 32, new=b"n" * 32), sealed, PURPOSE) == DATA
    with pytest.raises(SealError) as caught:
        unseal(Keys(new=b"n" * 32), sealed, PURPOSE)
    assert caught.value.retired


def test_another_purpose_opens_nothing(keys):
    sealed = seal(keys, DATA, PURPOSE)
    with pytest.raises(SealError) as caught:
        unseal(keys, sealed, b"digest of another request")
    assert not caught.value.retired


def test_another_secret_of_the_same_id_opens_nothing(keys):
    sealed = seal(keys, DATA, PURPOSE)
    with pytest.raises(SealError) as caught:
        unseal(Keys(old=b"x" * 32), sealed, PURPOSE)
    assert not caught.value.retired


def test_no_bit_can_be_changed_and_no_byte_be_missing(keys):
    sealed = seal(keys, DATA, PURPOSE)
    changed = [
        sealed[:place] + bytes((sealed[place] ^ 1 << bit,)) + sealed[place + 1 :]
        for place in range(len(sealed))
        for bit in range(8)
    ]
    for bad in [*changed, *(sealed[:length] for length in range(len(sealed)))]:
        with pytest.raises(SealError):
            unseal(keys, bad, PURPOSE)
