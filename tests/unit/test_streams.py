"""The integration tests run side by side as two processes, each file in exactly one of them."""

from __future__ import annotations

import io
import signal
import subprocess
import sys

import pytest

from tests.support.streams import (
    ROOT,
    STREAMS,
    TESTS,
    commands,
    divided,
    files,
    run,
    selected,
    stream_of,
    worst,
)


def printing(text, code=0):
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"]


def test_every_file_is_in_exactly_one_stream():
    """Files that are written later, too: one that no stream names fails here, and the whole run."""
    wanted = divided([])
    assert sorted(one for tests in wanted.values() for one in tests) == [
        str(file.relative_to(ROOT)) for file in files()
    ]
    assert wanted.keys() == STREAMS.keys()
    assert all((TESTS / name).exists() for names in STREAMS.values() for name in names)


def test_a_file_that_no_stream_names_is_refused():
    with pytest.raises(LookupError, match=r"new/test_it\.py is in no stream"):
        stream_of(TESTS / "new" / "test_it.py")


def test_a_file_that_two_streams_name_is_refused_unless_one_names_it_closer():
    file = TESTS / "vault" / "test_it.py"
    with pytest.raises(LookupError, match="in 2 streams"):
        stream_of(file, {"one": ("vault",), "two": ("vault",)})
    assert stream_of(file, {"one": ("vault",), "two": ("vault/test_it.py",)}) == "two"


def test_paths_choose_what_runs_and_all_else_is_pytests():
    arguments = ["-k", "tests", "tests/integration/vault", "tests/unit", "--durations=5"]
    assert selected(arguments) == (
        ["tests/integration/vault"],
        ["-k", "tests", "tests/unit", "--durations=5"],
    )


def test_streams_without_a_chosen_test_do_not_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    one = "tests/integration/engine/test_go.py::test_it"
    (command,) = commands([one, "--junitxml={stream}.xml"]).values()
    stream = stream_of(TESTS / "engine" / "test_go.py")
    assert command[-2:] == [f"--junitxml={stream}.xml", one]


def test_lines_have_their_streams_name_and_failures_and_summaries_come_last():
    text = "at work\nFAILED test_a.py::test_x - no\n===== 1 failed, 2 passed in 3.00s ====="
    to = io.StringIO()
    assert run({"cluster": printing(text, 1), "services": printing("== 4 passed in 5s ==")}, to) == 1
    lines, _, last = to.getvalue().partition("\n\n")
    assert {"cluster  | at work", "services | == 4 passed in 5s =="} <= set(lines.splitlines())
    assert last.splitlines() == [
        "cluster: FAILED test_a.py::test_x - no",
        "cluster: 1 failed, 2 passed in 3.00s",
        "services: 4 passed in 5s",
    ]


@pytest.mark.parametrize(
    ("codes", "whole"),
    [([0, 0], 0), ([0, 1], 1), ([2, 0], 2), ([0, -9], 9), ([5, 0], 0), ([5, 5], 5), ([5, 1], 1)],
)
def test_the_whole_fails_if_any_stream_does(codes, whole):
    """Exit code 5 of pytest, no test: so it is for one stream if options choose tests of the other."""
    assert worst(codes) == whole


SLEEPING = """
import pathlib, sys, time
try:
    print("begun", flush=True)
    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).touch()
    time.sleep(60)
except KeyboardInterrupt:
    print("1 passed, and ended what it started")
    sys.exit(2)
"""
FAILING = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
sys.exit("1 failed")
"""


def test_a_stream_that_fails_ends_the_other_with_exitfirst(tmp_path):
    to = io.StringIO()
    begun = str(tmp_path / "begun")
    wanted = {name: [sys.executable, "-c", code, begun] for name, code in (("a", SLEEPING), ("b", FAILING))}
    assert run(wanted, to, first_failure=True) == 2
    assert to.getvalue().splitlines()[-2:] == ["a: 1 passed, and ended what it started", "b: 1 failed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_both(number):
    """As Ctrl-C does, once for each: a second one would keep pytest from ending what tests started."""
    program = (
        "import sys; from tests.support.streams import run\n"
        f"command = [sys.executable, '-c', {SLEEPING!r}]\n"
        "sys.exit(run({'a': command, 'b': command}, sys.stdout))"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        begun = [process.stdout.readline() for _ in range(2)]
        process.send_signal(number)
        rest = process.communicate(timeout=60)[0]
    assert sorted(begun) == ["a        | begun\n", "b        | begun\n"]
    assert process.returncode == 2
    assert [line for line in rest.splitlines() if " | " not in line and line] == [
        "a: 1 passed, and ended what it started",
        "b: 1 passed, and ended what it started",
    ]
