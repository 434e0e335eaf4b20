"""The tests of the Go packages, which reach what Python cannot."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.support.components import component
from tests.support.policy import REPOSITORY


def test_the_go_packages_pass_their_own_tests():
    """``go vet`` and ``go test`` of every package; a Go out of PyPI where this machine has none."""
    path = os.environ["PATH"]
    if shutil.which("go") is None:
        path = f"{component('gotoolchain.sh')}:{path}"
    for command in (["go", "vet", "./..."], ["go", "test", "./..."]):
        run = subprocess.run(
            command,
            cwd=REPOSITORY / "engine" / "go",
            env={**os.environ, "PATH": path, "CGO_ENABLED": "1", "GOFLAGS": "-mod=readonly"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
