"""Changes of files that count are seen, and an editor's own files are none."""

from __future__ import annotations

import os

import pytest
from tabard_sidecar.developing.watched import changed, look, settled


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "desk.rego").write_text("package policy.desk\n")
    (tmp_path / "desk" / "desk_cases.yaml").write_text("cases: []\n")
    (tmp_path / "data.json").write_text("{}")
    return tmp_path


def test_every_kind_of_change_is_seen(folder):
    seen = look([folder], [])
    assert {path.rpartition("/")[2] for path in seen} == {"desk.rego", "desk_cases.yaml", "data.json"}
    (folder / "desk" / "desk.rego").write_text("package policy.desk\n\n")
    (folder / "desk" / "desk_cases.yaml").unlink()
    (folder / "new.rego").write_text("")
    other = folder / "other"
    other.write_text("[]")
    os.replace(other, folder / "data.json")  # noqa: PTH105 - as editors do
    after = look([folder], [])
    assert changed(seen, after) == sorted(
        str(folder / name) for name in ("data.json", "desk/desk.rego", "desk/desk_cases.yaml", "new.rego")
    )
    assert changed(after, look([folder], [])) == []


@pytest.mark.parametrize(
    "name",
    [".desk.rego.swp", ".#desk.rego", "#desk.rego#", "desk.rego~", "4913", "desk.rego.tmp", ".git/x.rego"],
)
def test_what_editors_leave_is_no_change(folder, name):
    seen = look([folder], [])
    file = folder / "desk" / name
    file.parent.mkdir(exist_ok=True)
    if name == ".#desk.rego":
        file.symlink_to("author@machine.1234")
    else:
        file.write_text("package policy.desk\n")
    assert look([folder], []) == seen


def test_a_folder_that_vanishes_has_no_files(folder):
    assert look([folder / "gone"], [folder / "none.yaml"]) == {}


def test_other_files_count_whatever_they_are_called(folder):
    file = folder / "tabard.conf"
    file.write_text("a")
    seen = look([], [file])
    file.write_text("ab")
    assert changed(seen, look([], [file])) == [str(file)]


class Clock:
    """Looks that differ for some time."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.slept = 0.0

    def sleep(self, seconds):
        self.slept += seconds

    def look(self):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def test_several_writes_are_one_change():
    one, two, three = {"a": (1,)}, {"a": (2,)}, {"a": (3,)}
    clock = Clock(one, two, two, three, three)
    assert settled(one, clock.look, clock.sleep, quiet=0.2, most=3) == three
    assert clock.slept == pytest.approx(0.6)


def test_a_file_that_never_stops_changing_is_taken_as_it_is():
    clock = Clock(*({"a": (number,)} for number in range(100)))
    assert settled({}, clock.look, clock.sleep, quiet=0.2, most=3)["a"][0] < 40
    assert clock.slept == pytest.approx(3.0)
