"""Macaroons: format, chain and discharges."""

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymacaroons import MACAROON_V1, Macaroon
from tabard import base64url, macaroon
from tabard.macaroon import MacaroonError, RawCaveat

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))


def sign(key, data):
    return hmac.digest(key, data, hashlib.sha256)


def test_chain_is_what_macaroons_define():
    """Computed here from HMAC alone."""
    text = macaroon.mint(KEY, b"id", [b"one", b"two"])
    initial = sign(sign(b"macaroons-key-generator", KEY), b"id")
    first = sign(initial, b"one")
    second = sign(first, b"two")

    verified = macaroon.verify(text, KEY)
    assert verified.identifier == b"id"
    assert verified.initial == initial
    assert [(step.caveat, step.before, step.after) for step in verified.steps] == [
        (RawCaveat(b"one"), initial, first),
        (RawCaveat(b"two"), first, second),
    ]
    assert macaroon.parse(text).signature == second


def test_macaroon_without_caveats():
    verified = macaroon.verify(macaroon.mint(KEY, b"id"), KEY)

    assert verified.steps == ()
    assert verified.initial == sign(sign(b"macaroons-key-generator", KEY), b"id")


def test_appending_needs_no_key():
    assert macaroon.append(macaroon.mint(KEY, b"id", [b"one"]), [b"two"]) == macaroon.mint(
        KEY, b"id", [b"one", b"two"]
    )


def test_key_must_have_its_length():
    """An empty key would make pymacaroons leave the signature out."""
    with pytest.raises(ValueError, match="32 bytes"):
        macaroon.mint(b"", b"id")


def test_wrong_key():
    with pytest.raises(MacaroonError, match="signature") as caught:
        macaroon.verify(macaroon.mint(KEY, b"id", [b"one"]), OTHER_KEY)
    assert caught.value.kind == "signature"


def test_unsigned_caveat_breaks_the_chain():
    """Left to itself, pymacaroons skips a caveat that isn't met, and the macaroon still verifies."""
    forged = Macaroon.deserialize(macaroon.mint(KEY, b"id", [b"one"]))
    forged.caveats.append(type(forged.caveats[0])(caveat_id=b"unsigned", version=2))

    with pytest.raises(MacaroonError) as caught:
        macaroon.verify(forged.serialize(), KEY)
    assert caught.value.kind == "signature"


def field(kind, payload):
    assert len(payload) < 128
    return bytes([kind, len(payload)]) + payload


HEADER = b"\x02" + field(1, b"tabard") + field(2, b"id") + b"\0"
SIGNATURE = field(6, bytes(32))


def test_hand_made_bytes_are_read():
    data = (
        HEADER
        + field(2, b"one")
        + b"\0"
        + field(1, b"loc")
        + field(2, b"3p")
        + field(4, b"vid")
        + b"\0\0"
        + SIGNATURE
    )

    assert macaroon.parse(base64url.encode(data)).caveats == (
        RawCaveat(b"one"),
        RawCaveat(b"3p", b"vid", "loc"),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02",
        b"\x01" + HEADER[1:] + b"\0" + SIGNATURE,
        HEADER,
        HEADER + b"\0",
        HEADER + b"\0" + SIGNATURE[:-1],
        HEADER + b"\0" + SIGNATURE + b"\0",
        HEADER + b"\0" + field(6, bytes(31)),
        HEADER + b"\0" + field(6, bytes(33)),
        HEADER + b"\0" + field(2, bytes(32)),
        b"\x02" + field(2, b"id") + b"\0\0" + SIGNATURE,
        b"\x02" + field(1, b"other") + field(2, b"id") + b"\0\0" + SIGNATURE,
        b"\x02" + field(1, b"tabard") + b"\0\0" + SIGNATURE,
        b"\x02" + field(2, b"id") + field(1, b"tabard") + b"\0\0" + SIGNATURE,
        b"\x02" + field(1, b"tabard") + field(2, b"id") + field(4, b"vid") + b"\0\0" + SIGNATURE,
        b"\x02" + field(1, b"tabard") + field(2, b"id") + field(2, b"id") + b"\0\0" + SIGNATURE,
        b"\x02" + field(1, b"tabard") + b"\x02\x82\x00id" + b"\0\0" + SIGNATURE,
        b"\x02" + field(1, b"tabard") + b"\x02\xff\xff\xff\xff\xff\xff\x01id" + b"\0\0" + SIGNATURE,
        HEADER + field(1, b"loc") + field(2, b"one") + b"\0\0" + SIGNATURE,
        HEADER + field(2, b"one") + field(4, b"vid") + b"\0\0" + SIGNATURE,
        HEADER + field(1, b"\xff") + field(2, b"one") + field(4, b"vid") + b"\0\0" + SIGNATURE,
        HEADER + field(1, b"loc") + b"\0\0" + SIGNATURE,
        HEADER + field(2, b"one") + field(2, b"two") + b"\0\0" + SIGNATURE,
        HEADER + field(3, b"what") + b"\0\0" + SIGNATURE,
        HEADER + b"\x02\x7fone\0\0" + SIGNATURE,
    ],
    ids=range(25),
)
def test_malformed_bytes(data):
    with pytest.raises(MacaroonError) as caught:
        macaroon.parse(base64url.encode(data))
    assert caught.value.kind == "malformed"


def test_only_the_canonical_text_is_accepted():
    """Otherwise one grant would have several digests and several places in a cache."""
    text = macaroon.mint(KEY, b"id")
    data = base64url.decode(text)
    assert len(data) % 3 == 1
    last = text[-1]
    sloppy = text[:-1] + chr(ord(last) + 1)

    for other in (f"{text}==", f" {text}", f"{text}\n", sloppy, text + "A", text[:40] + "\u0660" + text[41:]):
        with pytest.raises(MacaroonError):
            macaroon.parse(other)


def test_version_1_is_refused():
    with pytest.raises(MacaroonError):
        macaroon.parse(Macaroon("tabard", "id", KEY, version=MACAROON_V1).serialize())


def test_too_long():
    with pytest.raises(MacaroonError, match="longer than 65536"):
        macaroon.parse("A" * 100_000)
    with pytest.raises(MacaroonError, match="longer than 65536"):
        macaroon.mint(KEY, b"id" * 50_000)


def test_too_many_caveats():
    full = macaroon.mint(KEY, b"id", [b"c"] * 512)

    assert len(macaroon.verify(full, KEY).steps) == 512
    with pytest.raises(MacaroonError, match="more than 512 caveats"):
        macaroon.append(full, [b"c"])


def test_thousand_caveats_are_refused_before_any_cryptography():
    data = HEADER + (field(2, b"c") + b"\0") * 1000 + b"\0" + SIGNATURE

    with pytest.raises(MacaroonError, match="more than 512 caveats"):
        macaroon.verify(base64url.encode(data), KEY)


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_nothing_but_the_one_error(data, headed):
    text = base64url.encode(HEADER + data if headed else data)
    with pytest.raises(MacaroonError):
        macaroon.verify(text, KEY)


@given(st.text(max_size=100))
def test_random_text_raises_nothing_but_the_one_error(text):
    with pytest.raises(MacaroonError):
        macaroon.verify(text, KEY, [text])


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at, change):
    data = bytearray(base64url.decode(macaroon.mint(KEY, b"identifier", [b"one", b"two", b"three"])))
    data[at % len(data)] ^= change

    with pytest.raises(MacaroonError):
        macaroon.verify(base64url.encode(bytes(data)), KEY)


class Discharged:
    """A macaroon with one third-party caveat and its discharge."""

    def __init__(self, identifier=b"ask", key=OTHER_KEY):
        self.root = macaroon.append_third_party(
            macaroon.mint(KEY, b"id", [b"one"]), "elsewhere", key, identifier
        )
        self.unbound = macaroon.mint(key, identifier, [b"in discharge"])
        self.bound = macaroon.bind(self.root, self.unbound)


def refused(root, *discharges):
    with pytest.raises(MacaroonError) as caught:
        macaroon.verify(root, KEY, discharges)
    return caught.value.kind


def test_discharge():
    """Its caveats never enter the chain."""
    pair = Discharged()
    root = macaroon.append(pair.root, [b"after"])

    verified = macaroon.verify(root, KEY, [macaroon.bind(root, pair.unbound)])
    assert [step.caveat.identifier for step in verified.steps] == [b"one", b"ask", b"after"]
    assert verified.steps[-1].after == macaroon.parse(root).signature


def test_equal_caveats_in_root_and_discharge_are_kept_apart():
    root = macaroon.append_third_party(macaroon.mint(KEY, b"id", [b"same"]), "elsewhere", OTHER_KEY, b"ask")
    discharge = macaroon.bind(root, macaroon.mint(OTHER_KEY, b"ask", [b"same", b"same"]))

    assert len(macaroon.verify(root, KEY, [discharge]).steps) == 2


def test_missing_discharge():
    assert refused(Discharged().root) == "discharge"


def test_unbound_discharge():
    pair = Discharged()

    assert refused(pair.root, pair.unbound) == "discharge"


def test_discharge_bound_to_another_macaroon():
    """Also to the same one before a caveat was appended."""
    pair = Discharged()

    assert refused(macaroon.append(pair.root, [b"more"]), pair.bound) == "discharge"


def test_discharge_made_with_another_key():
    pair = Discharged()

    assert refused(pair.root, macaroon.bind(pair.root, macaroon.mint(KEY, b"ask"))) == "discharge"


def test_discharge_presented_twice():
    pair = Discharged()

    assert refused(pair.root, pair.bound, pair.bound) == "discharge"


def test_discharge_that_answers_nothing():
    pair = Discharged()
    other = macaroon.bind(pair.root, macaroon.mint(OTHER_KEY, b"other"))

    assert refused(pair.root, pair.bound, other) == "discharge"
    assert refused(macaroon.mint(KEY, b"id"), macaroon.mint(KEY, b"id")) == "discharge"


def test_one_discharge_does_not_answer_two_caveats():
    pair = Discharged()
    root = macaroon.append_third_party(pair.root, "elsewhere", OTHER_KEY, b"ask")

    assert refused(root, macaroon.bind(root, pair.unbound)) == "discharge"


def test_discharge_that_needs_itself():
    """pymacaroons follows it until Python's stack ends."""
    pair = Discharged()
    loop = macaroon.append_third_party(pair.unbound, "elsewhere", OTHER_KEY, b"ask")

    assert refused(pair.root, macaroon.bind(pair.root, loop)) == "discharge"


def test_discharges_that_need_each_other():
    root = macaroon.append_third_party(macaroon.mint(KEY, b"id"), "elsewhere", OTHER_KEY, b"a")
    first = macaroon.append_third_party(macaroon.mint(OTHER_KEY, b"a"), "elsewhere", OTHER_KEY, b"b")
    second = macaroon.append_third_party(macaroon.mint(OTHER_KEY, b"b"), "elsewhere", OTHER_KEY, b"a")

    assert refused(root, macaroon.bind(root, first), macaroon.bind(root, second)) == "discharge"


def test_too_many_discharges():
    assert (
        refused(Discharged().root, *[macaroon.mint(KEY, b"%d" % number) for number in range(17)])
        == "discharge"
    )


def test_malformed_discharge():
    assert refused(Discharged().root, "nonsense") == "discharge"


def test_forged_verification_id():
    """Someone without the root key appends a third-party caveat that only he can discharge."""
    plain = macaroon.parse(macaroon.mint(KEY, b"id"))
    data = (
        HEADER + field(1, b"x") + field(2, b"ask") + field(4, b"v" * 72) + b"\0\0" + field(6, plain.signature)
    )

    assert refused(base64url.encode(data), macaroon.mint(OTHER_KEY, b"ask")) == "discharge"
