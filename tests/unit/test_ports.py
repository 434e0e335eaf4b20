"""Ports for servers of tests: free, each given once, and none of those that outgoing connections take."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.components import ports
from tests.components.ports import free_ports


@pytest.fixture(autouse=True)
def counter(tmp_path, monkeypatch):
    """The file that counts: not the one of the tests that run."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"tabard-test-ports.{os.getuid()}"


def test_processes_are_given_different_ports(tmp_path):
    def asked(_):
        command = [sys.executable, ports.__file__, "5"]
        printed = subprocess.check_output(command, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
        return [int(port) for port in printed.split()]

    with ThreadPoolExecutor(4) as several:
        given = [port for found in several.map(asked, range(12)) for port in found]
    assert len(set(given)) == len(given) == 60
    begin = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(20_000 <= port < max(begin, 32_768) for port in given)
    # The one after each is given to no other server.
    assert not {port + 1 for port in given} & set(given)


def test_a_port_that_is_taken_is_left_out(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not ports._is_free(taken.getsockname()[1])
    monkeypatch.setattr(ports, "_is_free", lambda port: port not in {20_000, 20_004})
    assert free_ports(2) == [20_002, 20_006]


@pytest.mark.parametrize("kept", [b"", b"nonsense", b"7" * 15])
def test_any_counter_will_do(counter, kept):
    counter.write_bytes(kept)
    assert len(set(free_ports(3))) == 3
    assert counter.read_bytes().isdigit()


def test_when_all_are_taken_it_says_so(monkeypatch):
    monkeypatch.setattr(ports, "_is_free", lambda _: False)
    with pytest.raises(OSError, match="only 0 are free"):
        free_ports(2)
