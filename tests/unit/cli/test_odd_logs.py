"""Commands that read a decision log which any party may have written: no traceback, bounded memory, each odd line is told."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.cli import main
from tabard_sidecar.records.chain import Head
from tabard_sidecar.records.completing import completed
from tabard_sidecar.records.lines import MAX_DEPTH, MAX_LINE_BYTES, MAX_VALUES, lines_of, records_of
from tabard_sidecar.records.reading import joined
from tabard_sidecar.records.shape import _FITS, _SHAPE, _fault
from tabard_sidecar.records.verification import MAX_FINDINGS

MOST_MB = 320
"""Most megabytes that a command may take beside what it takes to start."""
GOOD = {
    "event": "outcome",
    "operation": "authorize",
    "timestamp": "2026-01-31T08:00:00.000000000Z",
    "decision_id": "good",
    "result": {"decision": "allow"},
}


def names(shape):
    """Every member that records have."""
    if isinstance(shape, dict):
        for name, inner in shape.items():
            yield name
            yield from names(inner)
    elif isinstance(shape, list):
        for inner in shape:
            yield from names(inner)


NAMES = st.sampled_from(sorted(set(names(_SHAPE))))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


def shaped(shape):
    """Records of the right form, of which any part may be something else."""
    if isinstance(shape, dict):
        right = st.fixed_dictionaries({}, optional={name: shaped(inner) for name, inner in shape.items()})
    elif isinstance(shape, list):
        right = st.lists(shaped(shape[0]) if shape else JSON, max_size=3)
    else:
        right = st.integers() if shape is int else st.text(max_size=5)
    return st.one_of(right, right, right, JSON)


@settings(max_examples=200)
@given(st.lists(shaped(_SHAPE) | st.binary(max_size=40), max_size=5))
def test_no_line_ends_a_command(tmp_path_factory, lines):
    """Whatever stands in it: `log` and `audit` print rows, JSON and inputs, and end with 0 or 1."""
    log = tmp_path_factory.mktemp("log") / "decisions.jsonl"
    head = Head.fresh()
    with log.open("wb") as stream:
        for one in lines:
            text = one if isinstance(one, bytes) else json.dumps(one).encode()
            stream.write(text + b"\n")
            if text.startswith(b"{") and text != b"{}":
                line, head = head.seal(text[:-1])
                stream.write(line)
    for command in (
        ["log", "search", str(log)],
        ["log", "search", str(log), "--json"],
        ["log", "search", str(log), "--input"],
        ["log", "search", str(log), "--tool", "x", "--since", "2026-01-01", "--code", "y", "--agent", "z"],
        ["log", "show", "good", str(log)],
        ["audit", "verify", str(log)],
    ):
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            assert main(command) in {0, 1}


@given(shaped(_SHAPE))
def test_a_record_fits_if_no_member_of_it_is_at_fault(record):
    """The quick check and the one that names the member agree, also about ``null`` and ``true``."""
    assert _FITS(record) == (not _fault(record, _SHAPE, "") and record is not None)


@given(shaped(_SHAPE))
def test_an_entry_has_its_types_whatever_a_record_has(record):
    """What should be text is text, so that a filter and a program which reads the output find no other type."""
    told = []
    lines = lines_of(io.BytesIO(json.dumps(record).encode()))
    for entry in joined(completed(records_of("log", lines, told.append))):
        shown = entry.as_json()
        for name in (
            "time",
            "operation",
            "effect",
            "task_id",
            "delegatee",
            "link",
            "agent",
            "tool",
            "server",
        ):
            assert isinstance(shown[name], str)
        assert all(isinstance(one, str) for one in shown["chain"])
        assert all(isinstance(text, str) for rule in shown["rules"] for text in rule.values())


ODD = {
    "binary": (b"\x00\xff\xfe" * 100, "isn't UTF-8 text"),
    "utf-16": ("{}".encode("utf-16"), "isn't UTF-8 text"),
    "half": (b'{"event": "outc', "isn't JSON"),
    "text": (b'"text"', "isn't a JSON object"),
    "list": (b"[1]", "isn't a JSON object"),
    "deep": (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", f"deeper than {MAX_DEPTH} levels"),
    "very deep": (b"[" * 200_000 + b"]" * 200_000, "levels"),
    "open": (b"[" * 400_000, "isn't JSON"),
    "many values": (b'{"a":[' + b"0," * MAX_VALUES + b"0]}", f"more than {MAX_VALUES} values"),
    "many objects": (b"[" + b"{}," * 2_000_000 + b"{}]", f"more than {MAX_VALUES} values"),
    "long": (b'{"a":"' + b"x" * MAX_LINE_BYTES + b'"}', f"more than {MAX_LINE_BYTES} bytes"),
    "a number": (b'{"a":' + b"9" * 1_000_000 + b"}", "isn't JSON"),
    "infinite": (b'{"a": 1e999}', "isn't JSON"),
    "nan": (b'{"a": NaN}', "isn't JSON"),
    "type": (b'{"timestamp": {"a": 1}, "event": "outcome"}', "timestamp isn't text"),
    "nested type": (b'{"result": {"reasons": [{"code": 7}]}}', "result.reasons[].code isn't text"),
    "object": (b'{"input": []}', "input isn't an object"),
}


@pytest.mark.parametrize(("line", "problem"), ODD.values(), ids=ODD)
def test_an_odd_line_is_told_with_its_place_and_the_others_are_read(capsys, tmp_path, line, problem):
    log = tmp_path / "decisions.jsonl"
    good = json.dumps(GOOD).encode()
    log.write_bytes(b"%b\n\n%b\n%b\n" % (good, line, good.replace(b'"good"', b'"after"')))
    assert main(["log", "search", str(log), "--json", "--operation", "authorize"]) == 1
    captured = capsys.readouterr()
    assert [json.loads(row)["decision_id"] for row in captured.out.splitlines()] == ["good", "after"]
    (told, step) = captured.err.splitlines()
    assert told.startswith(f"{log}:3: ")
    assert problem in told
    assert "tabard audit verify" in step
    assert main(["log", "show", "after", str(log)]) == 1
    assert "allow" in capsys.readouterr().out
    assert main(["audit", "verify", str(log)]) == 1
    assert f"{log}:3: " in capsys.readouterr().out


def test_the_records_of_a_log_are_not_odd(capsys, tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_text(f"{json.dumps(GOOD)}\n")
    assert main(["log", "search", str(log)]) == 0
    assert not capsys.readouterr().err


def test_many_odd_lines_are_counted(capsys, tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_bytes(b"x\n" * 5000)
    assert main(["log", "search", str(log)]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 22
    assert "and 4980 more odd lines" in error
    assert main(["audit", "verify", str(log), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (len(found["findings"]), found["more_findings"]) == (MAX_FINDINGS, 5000 - MAX_FINDINGS)


def repeated(stream, text, times):
    for number in range(times):
        stream.write(text.replace(b"NUMBER", b"%d" % number))


def big_line(stream):
    stream.write(b'{"event":"outcome","a":"')
    repeated(stream, b"x" * 1_000_000, 400)
    stream.write(b'"}\n')


def many_values(stream):
    stream.write(b'{"event":"outcome","input":[')
    repeated(stream, b'{"a":{}},' * 100_000, 100)
    stream.write(b"0]}\n")


def open_intents(stream):
    filler = b'{"event":"intent","decision_id":"NUMBER","input":{"x":[' + b'{"":0},' * 50_000 + b"0]}}\n"
    repeated(stream, filler, 60)  # kept, they would take 800 MB


def parts_in_parts(stream):
    """A part that each record has twice from the one before."""
    labels = b"[" + b'"%b",' % (b"x" * 1000) * 2000 + b'"x"]'
    stream.write(
        b'{"event":"outcome","hash":"0","input":{"task":{"id":"t"},"history":{"labels":%b}},'
        b'"in_full":["history.labels"]}\n' % labels
    )
    for number in range(40):
        stream.write(
            b'{"event":"outcome","hash":"%d","input":{"task":{"id":"t"},"history":{"labels":[null,null]}},'
            b'"left_out":[{"members":["history.labels"],"sequence":1,"hash":"%d",'
            b'"items":[[0,1000000],[0,1000000]]}]}\n' % (number + 1, number)
        )


def many_members(stream):
    """One large part that is asked for a hundred thousand times."""
    stream.write(
        b'{"event":"outcome","hash":"0","input":{"a":{"b":"%b"}},"in_full":["a"]}\n' % (b"x" * 4_000_000)
    )
    members = b",".join([b'"a"'] * 100_000)
    record = (
        b'{"event":"outcome","hash":"1","input":{},"in_full":[%b],'
        b'"left_out":[{"members":[%b],"hash":"0","sequence":1}]}\n' % (members, members)
    )
    repeated(stream, record, 10)


def many_chains(stream):
    for number in range(101_000):
        line, _ = Head(f"{number:x}", 0, "0" * 64).seal(b'{"event":"outcome"')
        stream.write(line)


HUGE = (big_line, many_values, open_intents, parts_in_parts, many_members, many_chains)


@pytest.mark.parametrize("made", HUGE, ids=lambda made: made.__name__)
def test_memory_is_bounded(tmp_path, made):
    log = tmp_path / "decisions.jsonl"
    with log.open("wb") as stream:
        made(stream)
    code = (
        "import resource, sys; from tabard_sidecar.cli import main; main(['log', '--help']);"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024; before = most();"
        f"first = main(['log', 'search', {str(log)!r}, '--json', '--tool', 'none']);"
        f"second = main(['audit', 'verify', {str(log)!r}]);"
        "print(first, second, most() - before, file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60
    )
    first, second, taken = map(int, run.stderr.splitlines()[-1].split())
    assert (first, second) == (1, 1)
    assert taken < MOST_MB


@pytest.mark.parametrize(
    "command",
    [
        ["policy", "eval", ".", "--input", "/dev/zero"],
        ["call", "notes.read", "--grant", "@/dev/zero"],
        ["call", "notes.read", "--token", "@/dev/zero"],
    ],
    ids=" ".join,
)
def test_a_named_file_is_read_up_to_a_bound(capsys, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.rego").write_text("package policy.p\n")
    assert main(command) == 2
    assert "has more than" in capsys.readouterr().err
