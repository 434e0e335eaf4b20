"""The interpreters that `make test-other` finds on a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = "{}.{}".format(*sys.version_info)


def found(*arguments, **environment):
    told = subprocess.run(
        [ROOT / ".ci" / "pythons", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()


def version(python):
    code = 'import sys; print("%d.%d" % sys.version_info[:2])'
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_each_version_once_and_without_the_own_one():
    every = found()
    versions = [version(python) for python in every]
    assert versions == sorted(set(versions), reverse=True)
    assert set(versions) <= {"3.11", "3.12", "3.13", "3.14"}
    assert found(OWN) == [python for python in every if version(python) != OWN]


def test_what_does_not_run_or_is_another_version_is_passed_over(tmp_path):
    """As pyenv's shims of versions that no setting chose, and a program with a false name."""
    before = found()
    for name in ("python3.11", "python3.12"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "python3.13").symlink_to("/bin/true")
    (tmp_path / "python3.14").symlink_to(sys.executable)
    after = found(PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert {version(python) for python in after} <= {version(python) for python in before}
    assert not any(python.startswith(str(tmp_path)) for python in after if version(python) != "3.14")


def test_a_machine_may_have_none(tmp_path):
    """Only those at fixed places are found where PATH and home are empty."""
    fixed = found(PATH="/usr/bin:/bin", HOME=str(tmp_path))
    assert all(Path(python).exists() for python in fixed)
