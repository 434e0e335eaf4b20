"""gRPC's polling strategy is chosen before the import, and only where it was tested."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from tabard_sidecar.server import polling


def test_the_locked_grpc_is_one_that_was_tried():
    """A new version of grpcio has to be measured, and its flags looked at, before it is named in polling.py."""
    assert version("grpcio").startswith(polling._TRIED)


def test_ones_own_choice_stays():
    """What the environment says already isn't touched."""
    environment = {"GRPC_EXPERIMENTS": "mine"}
    assert not polling.poll_in_place(environment)
    assert environment == {"GRPC_EXPERIMENTS": "mine"}


def test_an_untried_version_keeps_its_own_way(monkeypatch):
    """Flags that may not exist aren't set."""
    monkeypatch.setattr(polling, "installed_version", lambda _name: "9.9.9")
    environment: dict[str, str] = {}
    assert not polling.poll_in_place(environment)
    assert not environment


@pytest.mark.parametrize("first", ["polling.poll_in_place()", "pass"])
def test_grpc_knows_the_flags(first):
    """gRPC says on standard error when it doesn't know a flag; with ours it stays silent and listens."""
    code = (
        f"from tabard_sidecar.server import polling\n{first}\n"
        "import grpc\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "server = grpc.server(ThreadPoolExecutor(1))\n"
        "print(server.add_insecure_port('127.0.0.1:0') > 0)\nserver.start()\nserver.stop(None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")
