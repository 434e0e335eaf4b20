"""Keys from a control service: what a sidecar takes, what it refuses, and what it then goes on with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.control.derivation import derived
from tabard_sidecar.control.master import MasterKey
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.keys import ROOT, SIGNING, KeyringError, jwks
from tabard_sidecar.keys.control import ControlKeys
from tabard_sidecar.keys.control_document import MAX_GENERATIONS, decode_zone, encode_zone, zone_document

from tests.support.tokens import FakeClock

URL = "https://control.example.org"


def generation(number: int, *, zone: str = "support", secret: int | None = None, **times: float | None):
    begins, ends = times.get("begins", 0.0), times.get("ends")
    return derived(MasterKey(number, begins, None, bytes([secret or number]) * 32), zone, ends)


def content(*generations, zone: str = "support") -> bytes:
    return encode_zone(zone_document(zone, generations))


def held(keys: ControlKeys) -> set[int]:
    return {int(key.kid.split("-")[1]) for key in keys.list(ROOT)}


@pytest.fixture
def clock():
    return FakeClock(1000.0)


@pytest.fixture
def keys(clock):
    return ControlKeys("support", URL, clock=clock)


def test_without_an_answer_there_are_no_keys_and_the_reason_is_told(keys):
    for use in (ROOT, SIGNING):
        with pytest.raises(
            NoDecision, match=r"control\.example\.org gives no keys since 1970-01-01T00:16:40"
        ) as caught:
            keys.active(use)
        assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "keys_unavailable")
    keys.failed("it can't be reached")
    assert keys.problems == (
        f"the control service {URL} gives no keys since 1970-01-01T00:16:40.000Z: it can't be reached",
    )


def test_a_key_that_is_not_held_is_foreign_only_while_the_service_answers(keys, clock):
    """Else it may be the zone's: of a sidecar that has just started, or of a generation that it hasn't heard of."""
    unheard = generation(1).root.kid
    with pytest.raises(NoDecision, match="isn't held, and may be the zone's: the control service") as caught:
        keys.find(unheard, ROOT)
    assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "keys_unavailable")
    keys.take(content(generation(1)))
    assert keys.find(unheard, ROOT).kid == unheard
    assert keys.find("other", ROOT) is None
    keys.failed("it can't be reached")
    assert keys.find(unheard, ROOT).kid == unheard
    with pytest.raises(NoDecision, match="'other' isn't held"):
        keys.find("other", ROOT)
    keys.confirmed()
    assert keys.find("other", ROOT) is None


def test_an_answer_is_used_and_its_loss_changes_nothing(keys, clock):
    """For an hour, too: since when it is lost is told, and the keys stay."""
    keys.take(content(generation(1)))
    assert keys.problems == ()
    before = keys.active(ROOT)
    clock.advance(10)
    keys.failed("it can't be reached")
    clock.advance(3600)
    keys.failed("it can't be reached")
    assert keys.active(ROOT) is before
    assert keys.get(before.kid, ROOT) is before
    assert (
        "since 1970-01-01T00:16:50.000Z: it can't be reached; generation 1 stays in use" in keys.problems[0]
    )
    keys.confirmed()
    assert keys.problems == ()


def test_a_rotation_overlaps(keys, clock):
    """The new key is accepted at once, makes new ones from its time on, and the former one retires."""
    keys.take(content(generation(1)))
    keys.take(content(generation(1, ends=1300.0), generation(2, begins=1200.0)))
    assert keys.active(SIGNING).kid.startswith("signing-1-")
    assert len(jwks(keys)["keys"]) == 2
    clock.advance(200)
    assert keys.active(SIGNING).kid.startswith("signing-2-")
    assert held(keys) == {1, 2}
    clock.advance(100)
    assert held(keys) == {2}


def test_what_is_older_than_what_is_held_is_refused(keys):
    keys.take(content(generation(1), generation(2)))
    keys.take(content(generation(2), generation(3)))
    for older in (content(generation(1)), content(generation(1), generation(2))):
        with pytest.raises(KeyringError, match="which is older than 3"):
            keys.take(older)
    assert held(keys) == {2, 3}


def test_what_was_withdrawn_does_not_come_back(keys):
    """A replica whose Secret isn't renewed still gives it."""
    keys.take(content(generation(2)))
    keys.take(content(generation(1), generation(2)))
    assert held(keys) == {2}
    keys.take(content(generation(1), generation(2), generation(3)))
    assert held(keys) == {2, 3}


def test_another_key_of_the_same_generation_is_refused(keys):
    """Replicas with different master keys, or one that was replaced in place."""
    keys.take(content(generation(1)))
    before = keys.active(ROOT)
    with pytest.raises(KeyringError, match="another key of generation 1 than before"):
        keys.take(content(generation(1, secret=9)))
    assert keys.active(ROOT) is before


@given(
    st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True), min_size=1, max_size=6),
)
def test_generations_never_go_back(documents):
    """Whatever comes in whatever order: neither the newest nor the oldest that is held ever becomes less."""
    keys = ControlKeys("support", URL)
    lowest = highest = 0
    for numbers in documents:
        try:
            keys.take(content(*map(generation, numbers)))
        except KeyringError:
            assert max(numbers) < highest
        found = held(keys)
        assert min(found) >= lowest
        assert max(found) >= highest
        lowest, highest = min(found), max(found)


GOOD = json.loads(content(generation(1), generation(2)))


def changed(path: str, value: Any) -> bytes:
    """Return the document with the value at a path replaced, or removed if it is ``...``."""
    document = json.loads(json.dumps(GOOD))
    *steps, last = path.split(".")
    holder = document
    for step in steps:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    if isinstance(holder, list):
        holder[int(last)] = value
    elif value is ...:
        del holder[last]
    else:
        holder[last] = value
    return json.dumps(document).encode()


ONE = GOOD["generations"][0]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", "can't be read"),
        (b"<html>", "can't be read"),
        (b"\xff\xfe", "can't be read"),
        (b"[" * 10_000, "can't be read"),
        (b" " * 70_000, "longer than 65536 bytes"),
        (b'{"zone": "support", "zone": "support"}', "can't be read"),
        (b"[]", "isn't a zone's keys"),
        (b"{}", "isn't a zone's keys"),
        (changed("more", 1), "isn't a zone's keys"),
        (changed("zone", "billing"), "another zone: 'billing' instead of 'support'"),
        (changed("zone", "x" * 5000), "another zone: 'xxx"),
        (changed("zone", None), "another zone: no name"),
        (changed("version", 1), "its version isn't"),
        (changed("version", 'x"\r\nX: y'), "its version isn't"),
        (changed("version", "AAAA"), "its version isn't"),
        (changed("generations", []), "its generations aren't a list"),
        (changed("generations", [ONE] * (MAX_GENERATIONS + 1)), "its generations aren't a list"),
        (changed("generations", {"a": 1}), "its generations aren't a list"),
        (changed("generations", [ONE, ONE]), "aren't in order, or one is repeated"),
        (changed("generations", GOOD["generations"][::-1]), "aren't in order"),
        (changed("generations.1.generation", 0), "isn't a positive integer"),
        (changed("generations.1.generation", value=True), "isn't a positive integer"),
        (changed("generations.1.generation", 2**31), "isn't a positive integer"),
        (changed("generations.1.generation", 10**30), "can't be read"),
        (changed("generations.1.generation", 2.0), "isn't a positive integer"),
        (changed("generations.1.keys", ONE["keys"]), "the same kid"),
        (changed("generations.1.keys", ONE["keys"][:1]), "one key of each use"),
        (changed("generations.1.keys", [ONE["keys"][0]] * 2), "one key of each use"),
        (changed("generations.1.keys", [*ONE["keys"], ONE["keys"][0]]), "one key of each use"),
        (changed("generations.1.keys", "keys"), "one key of each use"),
        (changed("generations.1.extra", 1), "isn't an object with generation and keys"),
        (changed("generations.0.keys.0.key", "AAAA"), "its key must be 32 bytes"),
        (changed("generations.0.keys.0.kid", "../../x"), "its kid must be"),
        (changed("generations.0.keys.0.use", "master"), "its use must be one of"),
        (changed("generations.0.keys.0.active_from", "now"), "its active_from must be a time"),
        (changed("generations.0.keys.1.key.d", "A" * 43), "its key can't be used"),
        (changed("generations.0.keys.1.key.x", "A" * 43), "doesn't match its private key"),
        (changed("generations.0.keys.1.retire_after", ...), "exactly the fields"),
    ],
)
def test_what_is_no_document_of_the_zone_is_refused_and_changes_nothing(keys, sent, told):
    """The text never repeats a key, and is short."""
    keys.take(content(generation(1)))
    before = keys.active(ROOT)
    with pytest.raises(KeyringError, match=told) as caught:
        keys.take(sent)
    assert keys.active(ROOT) is before
    assert len(str(caught.value)) < 300
    assert ONE["keys"][0]["key"] not in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(KeyringError):
        decode_zone(data, "support")
