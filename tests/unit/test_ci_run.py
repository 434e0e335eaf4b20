"""Runs .ci/run with steps that pass, fail or test nothing, in a folder whose Makefile has a few."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = """\
good other:
\t@echo $@ runs
bad:
\t@echo it is broken; exit 3
# Each waits for the other one.
here:
\t@touch here; until [ -e there ]; do sleep 0.01; done; echo here ends
there:
\t@touch there; until [ -e here ]; do sleep 0.01; done; echo there ends
test:
\t@echo '===== 3 passed in 1.00s ====='
test-frameworks:
\t@echo '== 3 passed, 1 skipped in 1.00s =='
agentdojo:
\t@echo nothing
test-integration:
\t@cat streams
"""
STREAMS = """\
cluster  | ===== 2 passed in 1.00s =====
services | ===== 3 passed in 1.00s =====

cluster: 2 passed in 1.00s
services: {services} in 1.00s
"""


@pytest.fixture
def run(tmp_path):
    """Runs steps there; return the exit code, what was printed and what was said of errors."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "streams").write_text(STREAMS.format(services="3 passed"))

    def run(*steps):
        done = subprocess.run(
            [tmp_path / ".ci" / "run", *steps], capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    return run


def ended(printed):
    """Return what is told of the steps at the end."""
    return re.findall(r"^  (\S+) +\d+ s  (\w+)$", printed, re.MULTILINE)


def test_steps_run_in_their_order(run):
    code, printed, _ = run("good", "other")
    assert (code, ended(printed)) == (0, [("good", "passed"), ("other", "passed")])
    assert printed.index("good runs") < printed.index("other runs")


def test_nothing_runs_after_a_step_that_failed(run):
    code, printed, errors = run("good", "bad", "other")
    assert (code, ended(printed)) == (1, [("good", "passed"), ("bad", "FAILED")])
    assert "it is broken" in printed
    assert "`make bad` failed (status 2)" in errors


def test_steps_on_both_sides_of_a_bar_run_side_by_side(run):
    code, printed, _ = run("here | there")
    assert (code, sorted(ended(printed))) == (0, [("here", "passed"), ("there", "passed")])
    assert printed.index("here ends") < printed.index("there ends")


@pytest.mark.parametrize("steps", ["bad | here", "here | bad"])
def test_a_failure_on_either_side_ends_both_after_their_steps(run, tmp_path, steps):
    (tmp_path / "there").touch()
    code, printed, errors = run(f"{steps} other", "good")
    assert code == 1
    assert ("bad", "FAILED") in ended(printed)
    assert ("good", "passed") not in ended(printed)
    assert "it is broken" in printed
    assert "`make bad` failed (status 2)" in errors


def test_summaries_are_told(run):
    code, printed, _ = run("test", "test-integration")
    assert code == 0
    assert printed.splitlines()[-3:] == [
        "test               3 passed in 1.00s",
        "test-integration   cluster: 2 passed in 1.00s",
        "test-integration   services: 3 passed in 1.00s",
    ]


@pytest.mark.parametrize("step", ["test-frameworks", "agentdojo"])
def test_a_tier_that_skipped_or_tested_nothing_has_failed(run, step):
    code, _, errors = run("test", step)
    assert code == 1
    assert f"make {step} ran no tests, or skipped some" in errors


@pytest.mark.parametrize("services", ["no tests ran", "2 passed, 1 skipped", "1 failed, 2 passed"])
def test_so_has_a_stream(run, tmp_path, services):
    (tmp_path / "streams").write_text(STREAMS.format(services=services))
    code, _, errors = run("test-integration")
    assert code == 1
    assert services in errors
