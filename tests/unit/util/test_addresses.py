"""Addresses have one of two forms, and one that has neither is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from tabard_sidecar.util.addresses import (
    MAX_SOCKET_PATH_BYTES,
    anchored,
    check_address,
    check_unix_address,
    host_and_port,
    is_local,
)

LONGEST = "unix:/" + "a" * (MAX_SOCKET_PATH_BYTES - 1)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_host_and_port_are_told_apart(address, parts):
    assert host_and_port(address) == parts
    assert check_address(address) == address


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("localhost", "neither host:port nor unix:/path"),
        ("localhost:", "neither host:port nor unix:/path"),
        ("localhost:65536", "neither host:port nor unix:/path"),
        ("localhost:٣", "neither host:port nor unix:/path"),
        ("localhost:-1", "neither host:port nor unix:/path"),
        ("::1:80", r'put the IPv6 address in brackets: "\[::1\]:80"'),
        (":80", "names no host; use 0.0.0.0"),
        ("unix://tmp/s", "write unix:/tmp/s"),
        ("unix:/a\0b", "NUL"),
        (LONGEST + "a", f"is {MAX_SOCKET_PATH_BYTES + 1} bytes long"),
    ],
)
def test_an_address_of_another_form_is_refused_with_the_reason(address, reason):
    with pytest.raises(ValueError, match=reason):
        check_address(address)


def test_unix_addresses_are_written_in_one_way():
    assert check_unix_address("unix:///run/tabard.sock") == "unix:/run/tabard.sock"
    assert check_unix_address(LONGEST) == LONGEST
    with pytest.raises(ValueError, match="not a unix socket"):
        check_unix_address("127.0.0.1:80")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("unix:/run/tabard.sock", True),
        ("127.0.0.9:80", True),
        ("[::1]:80", True),
        ("localhost:80", True),
        ("0.0.0.0:80", False),
        ("[::]:80", False),
        ("192.0.2.1:80", False),
        ("tabard.example:80", False),
    ],
)
def test_local_is_what_only_this_machine_can_reach(address, local):
    assert is_local(address) == local


def test_relative_paths_are_counted_from_a_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    base = Path("/etc/tabard")
    assert anchored(Path("keys"), base) == Path("/etc/tabard/keys")
    assert anchored(Path("/keys"), base) == Path("/keys")
    assert anchored(Path("~/keys"), base) == Path("/home/ada/keys")
