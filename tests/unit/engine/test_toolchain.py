"""The machine that the engine's wheel is built for."""

import platform

import pytest
from tabard_opa import _toolchain
from tabard_opa._library import library_path


@pytest.fixture(autouse=True)
def build_for(monkeypatch):
    def build_for(*, release="", machine="", own="x86_64"):
        monkeypatch.setenv(_toolchain.RELEASE_SWITCH, release)
        monkeypatch.setenv(_toolchain.MACHINE_SWITCH, machine)
        monkeypatch.setattr(platform, "machine", lambda: own)

    return build_for


@pytest.fixture
def ziglang(tmp_path):
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang" / "zig").touch(mode=0o755)
    return tmp_path


@pytest.mark.parametrize(("machine", "goarch"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_a_release_is_linked_for_the_machine_that_is_asked_for(build_for, ziglang, machine, goarch):
    for own in ("x86_64", "aarch64", "arm64"):
        build_for(release="1", machine=machine, own=own)
        toolchain = _toolchain.find_toolchain(ziglang)
        assert toolchain.environment["GOARCH"] == goarch
        assert toolchain.c_compiler.endswith(f" cc -target {machine}-linux-gnu.2.28")


def test_a_release_is_for_this_machine_by_default(build_for, ziglang):
    build_for(release="1", own="arm64")
    assert _toolchain.machine() == "aarch64"
    assert _toolchain.find_toolchain(ziglang).environment["GOARCH"] == "arm64"


@pytest.mark.parametrize(("release", "machine"), [("", "aarch64"), ("1", "riscv64"), ("1", "../x")])
def test_another_machine_needs_a_release_and_a_known_name(build_for, release, machine):
    build_for(release=release, machine=machine)
    with pytest.raises(_toolchain.ToolchainError, match="TABARD_OPA_MANYLINUX=1"):
        _toolchain.machine()


def test_the_library_is_found_where_it_is_built():
    """Its name stands in two modules, because serving doesn't need the one that builds it."""
    assert library_path().name == _toolchain.LIBRARY
