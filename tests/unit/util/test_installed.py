"""Versions of installed packages."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distributions, version

import pytest
from tabard_sidecar.util.installed import installed_version


@pytest.mark.parametrize("package", ["grpcio", "tabard-sidecar", "tabard-opa", "pydantic-core"])
def test_versions_are_those_of_the_metadata(package):
    assert installed_version(package) == version(package)


def test_the_first_place_counts(tmp_path, monkeypatch):
    """As for imports; places that aren't folders are left out."""
    (tmp_path / "grpcio-0.9.dist-info").mkdir()
    (tmp_path / "grpcio_tools-0.8.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "none.zip"), str(tmp_path), *sys.path])
    assert installed_version("grpcio") == "0.9"
    assert installed_version("grpcio-tools") == "0.8"


def test_other_kinds_of_metadata_are_read(tmp_path, monkeypatch):
    (tmp_path / "odd_one.egg-info").mkdir()
    (tmp_path / "odd_one.egg-info" / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: odd-one\nVersion: 7.0\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "odd-one" in {one.metadata["Name"] for one in distributions(path=[str(tmp_path)])}
    assert installed_version("odd-one") == "7.0"


def test_a_package_that_is_not_installed():
    with pytest.raises(PackageNotFoundError):
        installed_version("no-such-package-anywhere")
