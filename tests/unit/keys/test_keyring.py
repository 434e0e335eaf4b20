"""The keyring as one process sees it: which key counts when, and what it refuses."""

import json
import os

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.keys import ROOT, SIGNING, Keyring, KeyringError, jwks

from tests.support.tokens import NOW, FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def ticks():
    return FakeClock(0.0)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def ring(directory, clock, ticks):
    Keyring.create_directory(directory)
    return Keyring(directory, clock=clock, monotonic=ticks)


def key_file(directory, key):
    return directory / f"{key.kid}.json"


def test_a_new_directory_and_its_keys_are_for_the_owner_alone(ring, directory):
    key = ring.create(ROOT)

    assert directory.stat().st_mode & 0o777 == 0o700
    assert key_file(directory, key).stat().st_mode & 0o777 == 0o600


def test_a_key_file_holds_exactly_the_documented_fields(ring, directory):
    key = ring.create(ROOT)

    document = json.loads(key_file(directory, key).read_text())

    assert {"kid", "use", "active_from", "retire_after", "key"} == set(document)
    assert (key.kid, "root", "2027-01-15T08:00:00.000Z", None) == tuple(
        document[name] for name in ("kid", "use", "active_from", "retire_after")
    )


@pytest.mark.parametrize(("use", "algorithm"), [(ROOT, "ES256"), (SIGNING, "ES256"), (SIGNING, "EdDSA")])
def test_what_is_written_is_what_another_process_reads(ring, directory, clock, use, algorithm):
    key = ring.create(use, algorithm=algorithm, retire_after=NOW + 1000)

    other = Keyring(directory, clock=clock).get(key.kid, use)

    assert (key.secret, key.algorithm, key.active_from, key.retire_after) == (
        other.secret,
        other.algorithm,
        other.active_from,
        other.retire_after,
    )
    if key.private_key is not None:
        assert key.private_key.public_key() == other.private_key.public_key()


def test_a_keyring_without_an_active_key_answers_nothing(ring):
    with pytest.raises(NoDecision, match="tabard keys new --use root") as caught:
        ring.active(ROOT)

    assert caught.value.code == "keys_unavailable"


def test_a_key_is_accepted_at_once_but_makes_nothing_before_active_from(ring, clock):
    old = ring.create(SIGNING)
    new = ring.create(SIGNING, active_from=NOW + 60)

    assert old.kid == ring.active(SIGNING).kid
    assert new.kid == ring.get(new.kid, SIGNING).kid
    clock.advance(60)
    assert new.kid == ring.active(SIGNING).kid


def test_a_key_is_refused_from_retire_after_on(ring, clock):
    key = ring.create(ROOT, retire_after=NOW + 60)
    clock.advance(59.999)
    assert ring.get(key.kid, ROOT).secret == key.secret

    clock.advance(0.001)

    assert ring.get(key.kid, ROOT) is None
    assert ring.list(ROOT) == ()
    with pytest.raises(NoDecision):
        ring.active(ROOT)


def test_a_key_counts_for_its_own_use_only(ring):
    key = ring.create(ROOT)

    assert ring.get(key.kid, SIGNING) is None
    with pytest.raises(ValueError, match="root"):
        ring.derive(ring.create(SIGNING), "grant")


def test_rotation_publishes_first_takes_over_later_and_retires_the_old_key(ring, clock):
    old = ring.create(SIGNING)
    new = ring.rotate(SIGNING, overlap_seconds=300, lead_seconds=60)

    assert {old.kid, new.kid} == {key["kid"] for key in jwks(ring)["keys"]}
    assert old.kid == ring.active(SIGNING).kid
    clock.advance(60)
    assert new.kid == ring.active(SIGNING).kid
    clock.advance(299)
    assert ring.get(old.kid, SIGNING).kid == old.kid
    clock.advance(1)
    assert ring.get(old.kid, SIGNING) is None
    assert [new.kid] == [key["kid"] for key in jwks(ring)["keys"]]


def test_the_first_rotation_of_an_empty_keyring_is_active_at_once(ring):
    assert ring.rotate(ROOT).kid == ring.active(ROOT).kid


def test_a_rotation_keeps_the_algorithm(ring):
    ring.create(SIGNING, algorithm="EdDSA")

    assert ring.rotate(SIGNING).algorithm == "EdDSA"


def test_a_second_rotation_waits_for_the_first(ring, clock):
    ring.create(ROOT)
    ring.rotate(ROOT, lead_seconds=60)

    with pytest.raises(KeyringError, match="isn't active yet"):
        ring.rotate(ROOT)

    clock.advance(60)
    ring.rotate(ROOT)


def test_a_rotation_never_lengthens_the_life_of_a_key(ring):
    old = ring.create(ROOT, retire_after=NOW + 10)

    ring.rotate(ROOT, overlap_seconds=1000)

    assert ring.get(old.kid, ROOT).retire_after == NOW + 10


def test_a_running_process_sees_what_another_one_does(directory, ring, clock, ticks):
    ring.create(ROOT)
    other = Keyring(directory, clock=clock)
    new = other.create(ROOT)
    assert ring.get(new.kid, ROOT) is None

    ticks.advance(1)

    assert new.kid == ring.get(new.kid, ROOT).kid
    key_file(directory, new).unlink()
    ticks.advance(1)
    assert ring.get(new.kid, ROOT) is None


def test_a_file_changed_in_place_is_read_again_within_five_seconds(directory, ring, clock, ticks):
    key = ring.create(ROOT)
    path = key_file(directory, key)
    document = json.loads(path.read_text()) | {"retire_after": "2027-01-15T08:00:01Z"}
    path.write_text(json.dumps(document))
    clock.advance(1)

    ticks.advance(5)

    assert ring.get(key.kid, ROOT) is None


def test_accessors_look_at_the_disk_at_most_once_a_second(ring, ticks, monkeypatch):
    key = ring.create(ROOT)
    looks = []
    monkeypatch.setattr(ring, "_check", lambda: looks.append(1))
    for _ in range(100):
        ring.active(ROOT)
        ring.get(key.kid, ROOT)
    assert looks == []

    ticks.advance(1)
    ring.active(ROOT)

    assert looks == [1]


def test_a_file_that_becomes_readable_to_others_is_dropped_alone(directory, ring, ticks):
    good, bad = ring.create(ROOT), ring.create(ROOT)
    key_file(directory, bad).chmod(0o644)

    ticks.advance(1)

    assert ring.get(bad.kid, ROOT) is None
    assert good.kid == ring.active(ROOT).kid
    assert f"chmod 600 {key_file(directory, bad)}" in ring.problems[0]
    key_file(directory, bad).chmod(0o600)
    ticks.advance(1)
    assert bad.kid == ring.get(bad.kid, ROOT).kid
    assert ring.problems == ()


def test_a_directory_that_vanished_is_survived_for_a_bounded_time(directory, ring, ticks):
    key = ring.create(ROOT)
    directory.rename(directory.with_name("moved"))
    ticks.advance(60)
    assert key.kid == ring.active(ROOT).kid
    assert "tabard keys new" in ring.problems[0]

    ticks.advance(2)

    for _ in range(2):
        with pytest.raises(NoDecision, match="unreadable for too long"):
            ring.active(ROOT)
        with pytest.raises(NoDecision):
            ring.get(key.kid, ROOT)
    directory.with_name("moved").rename(directory)
    ticks.advance(1)
    assert key.kid == ring.active(ROOT).kid


def test_a_process_that_was_idle_for_long_looks_before_it_answers(ring, ticks):
    key = ring.create(ROOT)

    ticks.advance(100_000)

    assert key.kid == ring.active(ROOT).kid


def test_derived_keys_differ_by_key_and_info_and_never_change(ring):
    one, two = ring.create(ROOT), ring.create(ROOT)

    derived = {ring.derive(key, info) for key in (one, two) for info in ("grant", "hop", "credential:a")}

    assert len(derived) == 6
    assert {32} == set(map(len, derived))
    assert ring.derive(one, "grant") in derived


def test_derivation_is_the_documented_hkdf(directory, ring):
    """HKDF-SHA256 without salt, written out (RFC 5869)."""
    import hmac  # noqa: PLC0415

    key = ring.create(ROOT)
    extracted = hmac.digest(bytes(32), key.secret, "sha256")

    assert hmac.digest(extracted, b"tabard/v1/grant\x01", "sha256") == ring.derive(key, "grant")


def test_an_export_holds_the_audiences_keys_those_not_active_yet_included(ring):
    ring.create(ROOT)
    new = ring.rotate(ROOT)

    exported = ring.export("https://api.example.org")

    assert len(exported) == 2
    assert new.kid == exported[0].kid
    assert ring.derive(new, "credential:https://api.example.org") == exported[0].secret


def test_nothing_secret_shows_when_keys_are_printed(ring):
    root, signing = ring.create(ROOT), ring.create(SIGNING)

    shown = repr((root, signing, ring.export("a"), ring))

    assert root.secret.hex() not in shown
    assert repr(root.secret) not in shown
    assert "secret" not in shown
    assert "private_key" not in shown


def refuse(directory, match):
    with pytest.raises(KeyringError, match=match) as caught:
        Keyring(directory)
    return str(caught.value)


def test_an_absent_directory_is_refused(tmp_path):
    refuse(tmp_path / "absent", "tabard keys new")


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_directory_that_others_can_enter_is_refused(ring, directory, mode):
    directory.chmod(mode)

    assert f"chmod 700 {directory}" in refuse(directory, f"{mode:04o}")


def test_a_link_to_a_directory_is_refused(ring, directory, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(directory)

    refuse(link, "symbolic link")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_open_is_refused(ring, directory, mode):
    path = key_file(directory, ring.create(ROOT))
    path.chmod(mode)

    assert f"chmod 600 {path}" in refuse(directory, f"{mode:04o}")


def test_a_link_to_a_key_file_is_refused(ring, directory, tmp_path):
    path = key_file(directory, ring.create(ROOT))
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")

    refuse(directory, "symbolic link")


def test_a_pipe_in_the_directory_is_refused_without_waiting_for_it(ring, directory):
    os.mkfifo(directory / "root-1.json", 0o600)

    refuse(directory, "not a regular file")


def test_all_refused_files_are_told_at_once(ring, directory):
    paths = [key_file(directory, ring.create(ROOT)) for _ in range(3)]
    for path in paths:
        path.chmod(0o644)

    told = refuse(directory, "chmod")

    assert all(str(path) in told for path in paths)


ROOT_KEY = "A" * 43
EC_KEY = {"kty": "EC", "crv": "P-256"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kid": "../x"}, "kid must be"),
        ({"kid": "other"}, "differs from the file's name"),
        ({"kid": 1}, "kid must be"),
        ({"use": "grant"}, "use must be"),
        ({"use": None}, "use must be"),
        ({"active_from": 5}, "active_from must be a time"),
        ({"active_from": "2027-01-15T08:00:00"}, "active_from must be a time"),
        ({"retire_after": "never"}, "retire_after must be a time"),
        ({"retire_after": "2001-01-01T00:00:00Z"}, "before its active_from"),
        ({"key": "AAAA"}, "32 bytes"),
        ({"key": "?" * 43}, "32 bytes"),
        ({"key": None}, "32 bytes"),
        ({"use": "signing"}, "must be a JWK"),
        ({"use": "signing", "key": EC_KEY | {"d": "AAAA"}}, "member d"),
        ({"use": "signing", "key": EC_KEY | {"d": "A" * 43}}, "scalar of P-256"),
        ({"use": "signing", "key": {"kty": "RSA", "d": ROOT_KEY}}, "EC key on P-256"),
        ({"more": 1}, "exactly the fields"),
    ],
)
def test_a_malformed_key_is_refused_without_quoting_it(ring, directory, change, match):
    document = {
        "kid": "k1",
        "use": "root",
        "active_from": "2027-01-15T08:00:00Z",
        "retire_after": None,
        "key": ROOT_KEY,
    } | change
    path = directory / "k1.json"
    path.write_text(json.dumps(document))
    path.chmod(0o600)

    told = refuse(directory, match)

    assert str(path) in told
    assert ROOT_KEY not in told


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"[" * 5000, b'{"kid":"a","kid":"b"}', b"x" * 20000]
)
def test_a_file_that_is_no_json_object_is_refused(ring, directory, content):
    path = directory / "k1.json"
    path.write_bytes(content)
    path.chmod(0o600)

    assert str(path) in refuse(directory, "key file")


def test_a_mismatched_public_half_is_refused(ring, directory):
    one, two = (key_file(directory, ring.create(SIGNING)) for _ in range(2))
    document, other = json.loads(one.read_text()), json.loads(two.read_text())
    document["key"]["x"] = other["key"]["x"]
    one.write_text(json.dumps(document))

    refuse(directory, "doesn't match its private key")


def test_a_file_that_is_no_key_is_refused(ring, directory):
    (directory / "root-1.json.bak").touch(mode=0o600)

    refuse(directory, "may hold only keys")


def test_too_many_files_are_refused(ring, directory):
    for number in range(300):
        (directory / f"k{number}.json").touch(mode=0o600)

    refuse(directory, "more than 256")


def test_unknown_uses_and_algorithms_are_refused(ring):
    with pytest.raises(KeyringError, match="one of root, signing"):
        ring.create("grant")
    with pytest.raises(KeyringError, match="ES256, EdDSA"):
        ring.create(SIGNING, algorithm="HS256")


def test_a_crashed_writers_leftover_is_ignored_and_removed_by_the_next(ring, directory):
    leftover = directory / ".new-1234"
    leftover.write_text("half a k")

    Keyring(directory)
    ring.create(ROOT)

    assert not leftover.exists()
