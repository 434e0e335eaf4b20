"""Addresses at which client and sidecar connect."""

import os

import pytest
import tabard
from tabard import address as addresses


def test_the_environment_wins(tmp_path):
    environ = {"TABARD_ADDRESS": "unix:/a", "TABARD_OPERATOR_ADDRESS": "unix:/b"}
    assert addresses.default_address("agent", environ, system_directory=tmp_path) == "unix:/a"
    assert addresses.default_address("operator", environ, system_directory=tmp_path) == "unix:/b"


def test_a_system_wide_directory_comes_next(tmp_path):
    (tmp_path / "agent").mkdir()
    expected = f"unix:{tmp_path}/agent/tabard.sock"
    assert (
        addresses.default_address("agent", {"XDG_RUNTIME_DIR": "/run/user/1"}, system_directory=tmp_path)
        == expected
    )


def test_each_surface_has_a_directory_of_its_own(tmp_path):
    environ = {"XDG_RUNTIME_DIR": "/run/user/1"}
    absent = tmp_path / "absent"
    assert addresses.default_address("agent", environ, system_directory=absent) == (
        "unix:/run/user/1/tabard/agent/tabard.sock"
    )
    assert addresses.default_address("operator", environ, system_directory=absent) == (
        "unix:/run/user/1/tabard/operator/tabard.sock"
    )


@pytest.mark.parametrize("environ", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "relative"}])
def test_the_last_resort_names_the_user(environ):
    assert str(addresses.local_directory(environ)) == f"/tmp/tabard-{os.getuid()}"  # noqa: S108


@pytest.mark.parametrize(
    "address",
    ["unix:/a", "unix:///a", "unix:relative.sock", "127.0.0.1:1", "127.1.2.3:1", "[::1]:9", "localhost:80"],
)
def test_addresses_on_this_machine_are_accepted(address):
    assert addresses.check_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unix:",
        "unix:" + "a" * 108,
        "example.com:443",
        "10.0.0.1:1",
        "0.0.0.0:1",
        "localhost",
        "localhost.example.com:1",
        "dns:///localhost:1",
        "127.0.0.1:",
        "unix-abstract:x",
        "localhost:٣",
    ],
)
def test_other_addresses_are_refused(address):
    with pytest.raises(addresses.AddressError):
        addresses.check_address(address)


def test_connect_refuses_another_machine():
    with pytest.raises(tabard.InvalidRequest, match="this machine"):
        tabard.connect("example.com:443")


def test_a_private_directory_is_trusted(tmp_path):
    directory = tmp_path / "tabard"
    directory.mkdir(mode=0o700)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert addresses.check_client(f"unix:{directory}/agent/tabard.sock", environ)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755, 0o1777])
def test_a_directory_that_others_can_reach_is_not(tmp_path, mode):
    directory = tmp_path / "tabard"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(addresses.AddressError, match="chmod 700"):
        addresses.check_client(f"unix:{directory}/agent/tabard.sock", {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_link_in_its_place_is_not(tmp_path):
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (tmp_path / "tabard").symlink_to(real)
    with pytest.raises(addresses.AddressError, match="not a directory"):
        addresses.check_client(
            f"unix:{tmp_path}/tabard/agent/tabard.sock", {"XDG_RUNTIME_DIR": str(tmp_path)}
        )
