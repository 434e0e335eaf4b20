"""Master keys: made, rotated, mounted as a Secret, followed, and refused."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.control.master import MasterKey, create, decode, encode, read_folder, retired_at
from tabard_sidecar.control.zones import Zones
from tabard_sidecar.health import Health
from tabard_sidecar.keys import KeyringError
from tabard_sidecar.keys.control_document import MAX_GENERATIONS, decode_zone

from tests.support.tokens import FakeClock
from tests.support.waiting import eventually


def health() -> Health:
    return Health(required=("master",))


def reason(found: Health) -> str:
    return found.snapshot().components["master"].reason


def test_the_first_is_used_at_once_and_the_next_beside_it_later(tmp_path):
    folder, clock = tmp_path / "masters", FakeClock(1000.0)
    first = create(folder, clock=clock)
    clock.advance(500)
    second = create(folder, clock=clock)
    assert (first.generation, first.active_from, first.former_until) == (1, 1000.0, None)
    assert (second.generation, second.active_from, second.former_until) == (2, 1800.0, 1800.0 + 86400)
    assert read_folder(folder) == (first, second)
    assert [retired_at(key, (first, second)) for key in (first, second)] == [1800.0 + 86400, None]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "generation-2.json").stat().st_mode & 0o777 == 0o600


def test_another_is_refused_until_the_newest_is_in_use(tmp_path):
    """Else keys could retire that nothing has replaced."""
    clock = FakeClock(1000.0)
    create(tmp_path / "m", clock=clock)
    create(tmp_path / "m", clock=clock)
    with pytest.raises(KeyringError, match="isn't in use before 1970-01-01T00:21:40"):
        create(tmp_path / "m", clock=clock)


def test_a_mounted_secret_is_read(tmp_path):
    """Links into a dated folder, wider modes."""
    made = create(tmp_path / "made")
    mounted = tmp_path / "mounted"
    dated = mounted / "..2026_01_01"
    dated.mkdir(parents=True)
    (dated / "generation-1.json").write_bytes((tmp_path / "made" / "generation-1.json").read_bytes())
    (mounted / "..data").symlink_to(dated.name)
    (mounted / "generation-1.json").symlink_to("..data/generation-1.json")
    assert read_folder(mounted) == (made,)


@given(
    st.integers(1, 10**9),
    st.floats(0, 2e9),
    st.none() | st.floats(0, 1e6),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_written_is_read(generation, begins, more, secret):
    document = json.dumps(
        {"generation": generation, "active_from": "2026-01-01T00:00:00Z", "former_until": None, "key": "x"}
    )
    with pytest.raises(KeyringError):
        decode(document.encode())
    begins = int(begins * 1000) / 1000
    key = MasterKey(
        generation, begins, None if more is None else int((begins + more) * 1000) / 1000 + 1, secret
    )
    found = decode(encode(key))
    assert (found.generation, found.secret) == (generation, secret)
    assert abs(found.active_from - key.active_from) < 0.002


GOOD = {"generation": 1, "active_from": "2026-01-01T00:00:00Z", "former_until": None, "key": "A" * 43}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": "A" * 42}, "its key must be 32 bytes in base64url"),
        ({"key": None}, "its key must be 32 bytes"),
        ({"generation": 0}, "its generation must be a positive integer"),
        ({"generation": True}, "its generation must be a positive integer"),
        ({"generation": "1"}, "its generation must be a positive integer"),
        ({"active_from": "2026-01-01"}, "its active_from must be a time"),
        ({"active_from": 5}, "its active_from must be a time"),
        ({"former_until": "2025-01-01T00:00:00Z"}, "its former_until is before its active_from"),
        ({"more": 1}, "it must be an object with exactly the fields"),
    ],
)
def test_a_file_that_is_no_master_key_is_refused(tmp_path, change, told):
    """The file is named, and nothing of its content."""
    folder = tmp_path / "m"
    folder.mkdir(mode=0o700)
    (folder / "generation-1.json").write_text(json.dumps(GOOD | change))
    with pytest.raises(KeyringError, match=told) as caught:
        read_folder(folder)
    assert "generation-1.json" in str(caught.value)
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[", b"1", b"\xff", b"[" * 5000, b'{"key": "AAAA", "key": 1}', b" " * 5000]
)
def test_broken_content_is_refused(tmp_path, content):
    folder = tmp_path / "m"
    folder.mkdir(mode=0o700)
    (folder / "generation-1.json").write_bytes(content)
    with pytest.raises(KeyringError, match=r"generation-1\.json") as caught:
        read_folder(folder)
    assert "AAAA" not in str(caught.value)


def test_folders_that_are_refused(tmp_path):
    """None, other files, generations that don't fit together, too many."""
    folder = tmp_path / "m"
    with pytest.raises(KeyringError, match="No such file"):
        read_folder(folder)
    folder.mkdir(mode=0o700)
    with pytest.raises(KeyringError, match="holds no master key; make one with: tabard control keys new"):
        read_folder(folder)
    create(folder, clock=FakeClock(0.0))
    one = folder / "generation-1.json"
    (folder / "notes.txt").write_text("x")
    with pytest.raises(KeyringError, match="isn't named generation-N"):
        read_folder(folder)
    (folder / "notes.txt").unlink()
    document = json.loads(one.read_text())
    (folder / "generation-2.json").write_text(json.dumps(document))
    with pytest.raises(KeyringError, match="is generation 1; name its file so"):
        read_folder(folder)
    (folder / "generation-2.json").write_text(json.dumps(document | {"generation": 2}))
    with pytest.raises(KeyringError, match="doesn't say until when generation 1 is accepted"):
        read_folder(folder)
    later = document | {"generation": 2, "former_until": "2026-01-01T00:00:00Z"}
    (folder / "generation-2.json").write_text(json.dumps(later))
    with pytest.raises(KeyringError, match="a copy of another"):
        read_folder(folder)
    (folder / "generation-2.json").unlink()
    for number in range(2, MAX_GENERATIONS + 2):
        text = json.dumps(later | {"generation": number, "key": "A" * 40 + f"{number:02}A"})
        (folder / f"generation-{number}.json").write_text(text)
    with pytest.raises(KeyringError, match="more than 16 master keys"):
        read_folder(folder)


def test_a_file_that_strangers_could_write_is_refused(tmp_path):
    create(tmp_path / "m")
    (tmp_path / "m" / "generation-1.json").chmod(0o606)
    with pytest.raises(KeyringError, match=r"generation-1\.json"):
        read_folder(tmp_path / "m")


async def test_a_new_generation_is_followed_and_a_broken_folder_changes_nothing(tmp_path):
    folder, told = tmp_path / "m", health()
    create(folder, clock=FakeClock(0.0))
    zones = Zones(folder, told.component("master"))
    before = zones.keys("support")
    assert zones.keys("support") is before
    (folder / "generation-2.json").write_text("{")
    await zones.check()
    assert "the former master keys stay in use" in reason(told)
    assert told.snapshot().components["master"].state == "degraded"
    assert zones.keys("support") == before
    (folder / "generation-2.json").unlink()
    create(folder)
    await zones.check()
    assert reason(told) == ""
    assert zones.newest == 2
    after = zones.keys("support")
    assert after.version != before.version
    assert [each.number for each in decode_zone(after.content, "support").generations] == [1, 2]


async def test_a_generation_that_is_gone_or_replaced_is_told_and_not_followed(tmp_path):
    """Sidecars have it already: what a restored backup says must not come back to them."""
    folder, told, clock = tmp_path / "m", health(), FakeClock(0.0)
    create(folder, clock=clock)
    clock.advance(1)
    create(folder, clock=clock, lead_seconds=0)
    zones = Zones(folder, told.component("master"), clock=clock)
    before = zones.keys("support")
    second = (folder / "generation-2.json").read_text()
    (folder / "generation-2.json").unlink()
    await zones.check()
    assert "generation 2 is gone" in reason(told)
    other = json.dumps(json.loads(second) | {"key": "B" * 42 + "A"})
    (folder / "generation-2.json").write_text(other)
    os.chmod(folder / "generation-2.json", 0o600)  # noqa: PTH101
    await zones.check()
    assert "generation 2 was replaced in place" in reason(told)
    assert zones.keys("support") == before
    (folder / "generation-2.json").write_text(second)
    (folder / "generation-1.json").unlink()
    await zones.check()
    assert reason(told) == ""
    assert [each.number for each in decode_zone(zones.keys("support").content, "support").generations] == [2]


def test_what_has_retired_is_given_to_nobody(tmp_path):
    folder, clock = tmp_path / "m", FakeClock(0.0)
    create(folder, clock=clock)
    clock.advance(1)
    create(folder, clock=clock, lead_seconds=10, overlap_seconds=5)
    zones = Zones(folder, health().component("master"), clock=clock)
    both = zones.keys("support")
    clock.advance(15)
    assert [each.number for each in decode_zone(both.content, "support").generations] == [1, 2]
    assert [each.number for each in decode_zone(zones.keys("support").content, "support").generations] == [2]


async def test_the_folder_is_followed_whatever_happens(tmp_path, monkeypatch):
    """An error that was not foreseen is told, and the next look works."""
    folder, told = tmp_path / "m", health()
    create(folder, clock=FakeClock(0.0))
    zones = Zones(folder, told.component("master"))
    monkeypatch.setattr("tabard_sidecar.control.zones._CHECK_SECONDS", 0.01)
    broken = True

    def read(place):
        if broken:
            raise RuntimeError("unforeseen")
        return read_folder(place)

    monkeypatch.setattr("tabard_sidecar.control.zones.read_folder", read)
    following = asyncio.create_task(zones.follow())
    try:
        await eventually(lambda: "the log has details" in reason(told))
        broken = False
        await eventually(lambda: reason(told) == "")
    finally:
        following.cancel()
