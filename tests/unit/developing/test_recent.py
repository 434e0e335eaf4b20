"""The last decisions of a log, whatever its length, and also while it is being written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tabard_sidecar.developing import recent
from tabard_sidecar.developing.recent import last_decisions

from tests.support.policy import policy_input, tool


def record(number: int) -> bytes:
    document = {
        "decision_id": f"00000000-0000-0000-0000-{number:012}",
        "timestamp": f"2026-01-05T12:00:{number % 60:02}.000000000Z",
        "path": "tabard/decision",
        "input": policy_input(tool=tool("read", number=number)),
        "result": {"decision": "allow", "reasons": [{"module": "policy.desk", "code": "ok"}]},
        "bundles": {"policy": {"revision": "r"}},
    }
    return json.dumps(document).encode() + b"\n"


def numbers(files: list[Path], most: int) -> list[int]:
    found = last_decisions(files, most, iter, pytest.fail)
    return [int(one.decision_id[-12:]) for one in found]


def test_the_last_ones_in_their_order(tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_bytes(b"".join(map(record, range(20))))
    assert numbers([log], 5) == [15, 16, 17, 18, 19]
    assert numbers([log], 100) == list(range(20))


def test_closed_files_are_read_before_and_compressed_ones_too(tmp_path):
    log, older = tmp_path / "decisions.jsonl", tmp_path / "older.jsonl.gz"
    older.write_bytes(gzip.compress(b"".join(map(record, range(4)))))
    log.write_bytes(record(4) + record(5))
    assert numbers([older, log], 4) == [2, 3, 4, 5]


def test_of_a_long_log_only_the_end_is_read(tmp_path, monkeypatch):
    log, older = tmp_path / "decisions.jsonl", tmp_path / "older.jsonl"
    older.write_bytes(b"".join(map(record, range(4))))
    log.write_bytes(b"".join(map(record, range(4, 40))))
    monkeypatch.setattr(recent, "MOST_BYTES", len(record(10)) * 10 + 5)
    assert numbers([older, log], 1000) == list(range(30, 40))


def test_a_line_that_is_still_being_written_is_no_odd_line(tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_bytes(record(1) + record(2)[:-20])
    assert numbers([log], 5) == [1]


def test_what_is_odd_is_told_and_left_out(tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_bytes(b"nothing\n" + record(3))
    told = []
    assert len(last_decisions([log], 5, iter, told.append)) == 1
    assert [one.line for one in told] == [1]


def test_a_log_without_decisions_has_none(tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_bytes(b"")
    assert numbers([log], 5) == []
