"""A policy that OPA's compiler would take hours or all memory for takes neither from the process that serves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tabard_opa import EngineError

_DOUBLED = "".join(f"x{n} := [x{n - 1}, x{n - 1}]\n\n" for n in range(1, 60))
HOSTILE = f"package a\n\nx0 := 1\n\n{_DOUBLED}"


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_hostile_policy_is_refused_in_time(engine):
    before, begun = _resident(), time.monotonic()

    with pytest.raises(EngineError) as caught:
        engine.compile({"a.rego": HOSTILE}, {}, entrypoints=["data.a.x59"], apart=True, deadline_seconds=1)

    # A machine that gave the process no time can't know more than that it came to no end.
    assert caught.value.errors[0].code in {"limit", "unfinished"}
    assert time.monotonic() - begun < 10
    assert _resident() - before < 50 * 2**20


def test_without_a_process_of_its_own_the_deadline_holds_too(engine):
    module = "package a\n\nx0 := 1\n\n" + "".join(f"x{n} := [x{n - 1}, x{n - 1}]\n\n" for n in range(1, 27))

    with pytest.raises(EngineError, match="takes too long"):
        engine.compile({"a.rego": module}, {}, entrypoints=["data.a.x26"], deadline_seconds=0.2)


def test_a_good_policy_and_its_problems_are_the_same_apart(engine):
    good, bad = {"a.rego": "package a\n\np := data.n + 1\n"}, {"a.rego": "package a\n\np if x > 1\n"}
    data = {"n": 1, "rows": [{"id": n, "text": "x" * 20} for n in range(50_000)]}

    with engine.compile(good, data, entrypoints=["data.a.p"], apart=True) as policy:
        assert json.loads(policy.evaluate_blocking("data.a.p", b"{}", deadline_seconds=5)) == 2
    found = []
    for apart in (False, True):
        with pytest.raises(EngineError) as caught:
            engine.compile(bad, data, entrypoints=["data.a.p"], apart=apart)
        found.append(caught.value.errors)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "condition",
    [
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))",
        "import tempfile; tempfile.tempdir = '/does/not/exist'",
    ],
    ids=["less memory may be reserved", "no temporary folder"],
)
def test_a_policy_is_compiled_apart_under_a_tighter_condition(condition):
    program = (
        f"from tabard_opa import Engine\n{condition}\n"
        "Engine().compile({'a.rego': 'package a\\n\\np := 1\\n'}, {}, entrypoints=['data.a.p'], apart=True)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
