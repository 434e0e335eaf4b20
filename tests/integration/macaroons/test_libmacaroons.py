"""Grants and libmacaroons, the C implementation, understand each other both ways.

Debian's libmacaroons writes and reads version 1 of the format, Tabard version 2. Identifier, caveats and signatures are
the same in both, so a test only has to move them from one envelope to the other.
"""

import ctypes
import hashlib
import time
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_void_p

import pytest
from pymacaroons import MACAROON_V1, MACAROON_V2, Macaroon
from pymacaroons.caveat import Caveat
from tabard import macaroon
from tabard.caveats import Limits, Tools, decode_caveat, encode_caveat
from tabard.delegation import branch, narrow
from tabard_sidecar.errors import Refused

from tests.support.components import component
from tests.support.grants import BOB, make_kit

KEY = bytes(range(32))
CALLBACK = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_char), c_size_t)


class Native:
    """The few functions of libmacaroons that the tests need."""

    def __init__(self, path):
        self._lib = ctypes.CDLL(str(path))
        for name in (
            "macaroon_create",
            "macaroon_add_first_party_caveat",
            "macaroon_add_third_party_caveat",
            "macaroon_prepare_for_request",
            "macaroon_deserialize",
            "macaroon_verifier_create",
        ):
            getattr(self._lib, name).restype = c_void_p
        self._lib.macaroon_serialize_size_hint.restype = c_size_t

    def create(self, key, identifier, location=b"tabard"):
        return self._made("macaroon_create", *self._sized(location, key, identifier))

    def add(self, handle, caveat):
        return self._made("macaroon_add_first_party_caveat", c_void_p(handle), *self._sized(caveat))

    def add_third_party(self, handle, location, key, identifier):
        return self._made(
            "macaroon_add_third_party_caveat", c_void_p(handle), *self._sized(location, key, identifier)
        )

    def bind(self, root, discharge):
        return self._made("macaroon_prepare_for_request", c_void_p(root), c_void_p(discharge))

    def read(self, text):
        return self._made("macaroon_deserialize", c_char_p(text.encode()))

    def write(self, handle):
        size = self._lib.macaroon_serialize_size_hint(c_void_p(handle))
        buffer, error = ctypes.create_string_buffer(size + 1), c_int(0)
        assert self._lib.macaroon_serialize(c_void_p(handle), buffer, c_size_t(size), byref(error)) == 0
        return buffer.value.decode()

    def verify(self, handle, key, discharges=()):
        """Verify with a checker that accepts every caveat; return the result and the caveats that it saw."""
        seen = []

        @CALLBACK
        def accept(_context, data, size):
            seen.append(data[:size])
            return 0

        error = c_int(0)
        verifier = c_void_p(self._lib.macaroon_verifier_create())
        self._lib.macaroon_verifier_satisfy_general(verifier, accept, None, byref(error))
        handles = (c_void_p * max(len(discharges), 1))(*discharges)
        failed = self._lib.macaroon_verify(
            verifier,
            c_void_p(handle),
            c_char_p(key),
            c_size_t(len(key)),
            handles,
            c_size_t(len(discharges)),
            byref(error),
        )
        return failed == 0, seen

    def _made(self, name, *arguments):
        error = c_int(0)
        handle = getattr(self._lib, name)(*arguments, byref(error))
        assert handle, f"{name} failed with {error.value}"
        return handle

    @staticmethod
    def _sized(*values):
        for value in values:
            yield c_char_p(value)
            yield c_size_t(len(value))


@pytest.fixture(scope="module")
def native():
    return Native(component("macaroons.sh"))


@pytest.fixture
def kit(tmp_path):
    return make_kit(tmp_path / "keys", clock=time.time)


def moved(text, version):
    """Return the macaroon in the envelope of another version; nothing that is signed changes."""
    found = Macaroon.deserialize(text)
    caveats = [
        Caveat(raw.caveat_id_bytes, raw.verification_key_id, raw.location or None, version)
        for raw in found.caveats
    ]
    return Macaroon(
        found.location,
        found.identifier_bytes,
        caveats=caveats,
        signature=found.signature_bytes,
        version=version,
    ).serialize()


def test_their_macaroon_verifies_here(native):
    caveats = [encode_caveat(Tools(("refunds.*",))), encode_caveat(Tools(("é", "a b"))), b"anything = at all"]
    handle = native.create(KEY, b"identifier")
    for caveat in caveats:
        handle = native.add(handle, caveat)

    text = moved(native.write(handle), MACAROON_V2)
    assert text == macaroon.mint(KEY, b"identifier", caveats)
    assert [step.caveat.identifier for step in macaroon.verify(text, KEY).steps] == caveats


def test_our_macaroon_verifies_there(native):
    caveats = [encode_caveat(Tools((f"tool{number}.*",))) for number in range(40)]
    text = moved(macaroon.mint(KEY, b"identifier", caveats), MACAROON_V1)

    assert native.verify(native.read(text), KEY) == (True, caveats)
    assert not native.verify(native.read(text), bytes(32))[0]


def test_grant_verifies_there(native, kit):
    """Minted, handed on with a seal, branched and narrowed."""
    text = kit.delegate(kit.mint(), BOB, Limits(tools=("refunds.*",), max_depth=3))
    text = narrow(branch(text, "resëarcher"), Limits(read_only=True))
    grant = kit.verify(text)
    key = kit.keyring.derive(kit.keyring.active("root"), "grant")

    accepted, seen = native.verify(native.read(moved(text, MACAROON_V1)), key)
    assert accepted
    assert tuple(map(decode_caveat, seen)) == grant.caveats


def test_caveat_appended_there_counts_here(native, kit):
    """Any macaroon library may narrow a grant."""
    caveat = Tools(("orders.*",))
    handle = native.add(native.read(moved(kit.mint(), MACAROON_V1)), encode_caveat(caveat))

    assert kit.verify(moved(native.write(handle), MACAROON_V2)).caveats[-1] == caveat


def test_forgery_made_there_is_refused_here(native, kit):
    identifier = macaroon.parse(kit.mint()).identifier
    handle = native.create(hashlib.sha256(b"guess").digest(), identifier)

    with pytest.raises(Refused, match="grant_signature"):
        kit.verify(moved(native.write(handle), MACAROON_V2))


def test_third_party_caveat_and_discharge_made_here_hold_there(native):
    root = macaroon.append_third_party(macaroon.mint(KEY, b"id", [b"one"]), "approvals", KEY, b"ask")
    discharge = macaroon.bind(root, macaroon.mint(KEY, b"ask", [b"two"]))
    handles = [native.read(moved(text, MACAROON_V1)) for text in (root, discharge)]

    assert native.verify(handles[0], KEY, handles[1:])[0]
    assert not native.verify(handles[0], KEY)[0]


def test_third_party_caveat_and_discharge_made_there_hold_here(native):
    root = native.add_third_party(native.create(KEY, b"id"), b"approvals", KEY, b"ask")
    unbound = native.add(native.create(KEY, b"ask"), b"two")
    discharge = native.bind(root, unbound)
    texts = [moved(native.write(handle), MACAROON_V2) for handle in (root, discharge, unbound)]

    verified = macaroon.verify(texts[0], KEY, [texts[1]])
    assert [step.caveat.identifier for step in verified.steps] == [b"ask"]
    with pytest.raises(macaroon.MacaroonError):
        macaroon.verify(texts[0], KEY, [texts[2]])
