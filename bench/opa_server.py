"""Starts an OPA server with a policy, for comparisons."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from tabard_opa_cli import opa_binary

LIBRARY = Path(__file__).resolve().parent.parent / "rego" / "tabard"


@contextmanager
def opa_server(policy: Path) -> Iterator[str]:
    """Start an OPA server over TCP with a policy and Tabard's own modules; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder) / "policy"
        ignore = shutil.ignore_patterns("*_test.rego", "*_cases.yaml")
        shutil.copytree(LIBRARY, served / "tabard", ignore=ignore)
        shutil.copytree(policy, served / "own", ignore=ignore)
        data = served / "own" / "data.json"
        data.rename(served / "data.json")
        process = subprocess.Popen(
            [
                opa_binary(),
                "run",
                "--server",
                "--disable-telemetry",
                "--addr",
                "127.0.0.1:0",
                "--log-format",
                "json",
                str(served / "tabard"),
                str(served / "own"),
                str(served / "data.json"),
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield _address(process)
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    """Return the address where the server listens, and drain its log so that the pipe doesn't fill."""
    port = None
    deadline = time.monotonic() + 20
    while port is None and time.monotonic() < deadline:
        found = subprocess.run(["ss", "-tlnp"], capture_output=True, text=True, check=True).stdout
        for line in found.splitlines():
            if f"pid={process.pid}," in line:
                port = line.split()[3].rpartition(":")[2]
        time.sleep(0.05)
    if port is None:
        raise RuntimeError("the OPA server doesn't listen")
    threading.Thread(target=process.stderr.read, daemon=True).start()
    url = f"http://127.0.0.1:{port}"
    while requests.get(f"{url}/health", timeout=5).status_code != 200:
        time.sleep(0.05)
    return url
