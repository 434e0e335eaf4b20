"""The options of ``tabard doctor --kubernetes``; what it finds is shown in tests/integration/k8s/test_doctor.py."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*options: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    program = f"import sys; {before}; from tabard_sidecar.cli.root import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "doctor", *options]
    return subprocess.run(command, env={"PATH": "/nonexistent"}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kubernetes", "--set", "zone=a"), "leave out --config, --set and --try"),
        (("--kubernetes", "--try", "orders"), "leave out --config, --set and --try"),
        (("--context", "a"), "are for --kubernetes"),
        (("--namespace", "a"), "are for --kubernetes"),
        (("--kubernetes", "--kubeconfig", "/proc/missing"), "/proc/missing"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_options_that_do_not_go_together(options: tuple[str, ...], said: str):
    ran = run(*options)
    assert ran.returncode == 2
    assert said in ran.stderr


def test_without_kubectl_it_says_so():
    ran = run("--kubernetes")
    assert ran.returncode == 6
    assert "kubectl can't be started" in ran.stderr
