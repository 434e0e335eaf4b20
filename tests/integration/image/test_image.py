"""The image is small, for one user, the same from every build, and listed part by part."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from k8s.image.archive import configuration_of, layers_of
from tests.integration.image.conftest import ROOT

MOST_COMPRESSED = 150_000_000
CONTEXT = ROOT / "dist/image"
PACKAGES = "opt/tabard/lib/python3.13/site-packages"


@pytest.fixture(scope="module")
def files(image: dict[str, Any]) -> dict[str, Any]:
    """Every file of the image, by its path."""
    return {
        member.name.removeprefix("./"): member
        for layer in layers_of(ROOT / image["archive"])
        for member in layer
        if not member.isdir()
    }


@pytest.fixture(scope="module")
def bom(image: dict[str, Any]) -> dict[str, Any]:
    """The image's bill of materials."""
    return json.loads((ROOT / image["bill"]).read_text())


def test_it_is_small(image: dict[str, Any]):
    """What a node fetches."""
    assert image["compressed_bytes"] <= MOST_COMPRESSED


def test_it_says_what_it_is(image: dict[str, Any]):
    """The labels of the OCI image specification, the user, the program."""
    found = configuration_of(ROOT / image["archive"])
    labels = {
        name.removeprefix("org.opencontainers.image."): text
        for name, text in found["config"]["Labels"].items()
    }
    assert set(labels) == {
        "title", "description", "licenses", "version", "revision", "created", "base.name",
    }  # fmt: skip
    assert all(labels.values())
    assert labels["created"] == found["created"]
    assert found["config"]["User"] == "65532:65532"
    assert found["config"]["Entrypoint"] == ["/usr/local/bin/tabard"]
    assert (found["os"], found["architecture"]) == ("linux", "amd64")


def test_nothing_is_in_it_that_serving_does_not_need(files: dict[str, Any]):
    """No shell, no package manager, no opa program, and nothing that changes its user."""
    names = {PurePosixPath(path).name for path in files}
    assert not names & {
        "sh",
        "bash",
        "dash",
        "busybox",
        "apt",
        "apt-get",
        "dpkg",
        "pip",
        "uv",
        "opa",
        "perl",
        "openssl",
    }
    assert not any("tabard_opa_cli" in path for path in files)
    assert [path for path, member in files.items() if member.mode & 0o6000] == []


def test_nobody_can_change_what_is_in_it(files: dict[str, Any]):
    """Every file that the build added is root's and writable for root alone."""
    own = {path: member for path, member in files.items() if path.startswith(("opt/", "usr/local/"))}
    assert own
    for path, member in own.items():
        assert (member.uid, member.gid) == (0, 0), path
        assert member.issym() or member.mode & 0o022 == 0, path


@pytest.mark.parametrize("name", ["tabard", "tabard_sidecar", "tabard_opa"])
def test_our_packages_are_those_that_were_just_built(image: dict[str, Any], name: str):
    """Not another wheel of the same version from a cache."""
    del image
    [wheel] = [
        path for path in (ROOT / "dist").glob(f"{name}-[0-9]*.whl") if not path.stem.endswith("_aarch64")
    ]
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.startswith(f"{name}/") and not member.endswith("/"):
                assert (CONTEXT / "amd64" / PACKAGES / member).read_bytes() == archive.read(member), member


def test_every_module_comes_with_its_bytecode(files: dict[str, Any]):
    """The root file system of a sidecar is read-only: what isn't compiled is compiled at every start."""
    modules = {path for path in files if path.startswith(PACKAGES) and path.endswith(".py")}
    assert len(modules) > 1000
    compiled = {
        f"{PurePosixPath(path).parent.parent}/{PurePosixPath(path).name.removesuffix('.cpython-313.pyc')}.py"
        for path in files
        if path.endswith(".cpython-313.pyc")
    }
    assert modules <= compiled
    assert "usr/lib/python3.13/json/decoder.py" in compiled


def test_two_builds_are_one_image(image: dict[str, Any], built_again: dict[str, Any]):
    """Whatever the time, umask, time zone and hashes: the same digest."""
    assert image["digest"] == built_again["digest"]
    assert image["id"] == built_again["id"]


def test_the_tree_of_another_platform_is_for_that_platform(built_again: dict[str, Any]):
    """Cross-built: every library is for aarch64, as many as for x86-64, the policy engine among them."""
    del built_again
    kinds = {}
    for architecture in ("amd64", "arm64"):
        libraries = sorted((CONTEXT / architecture).rglob("*.so*"))
        told = subprocess.run(
            ["file", "--brief", *libraries], capture_output=True, text=True, check=True
        ).stdout
        kinds[architecture] = {line.split(", ")[1] for line in told.splitlines()}
        assert any(path.name == "libtabard_opa.so" for path in libraries)
        assert len(libraries) > 20
    assert kinds == {"amd64": {"x86-64"}, "arm64": {"ARM aarch64"}}
    # What is installed is the same otherwise.
    installed = [
        {path.name for path in (CONTEXT / name / PACKAGES).glob("*.dist-info")} for name in ("amd64", "arm64")
    ]
    assert installed[0] == installed[1]


def test_the_bill_of_materials_is_valid(bom: dict[str, Any]):
    """CycloneDX's own schema, strictly."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom)) is None


def test_the_bill_of_materials_names_every_package(
    bom: dict[str, Any], files: dict[str, Any], image: dict[str, Any]
):
    """Python's packages with versions as locked, Debian's, and the modules linked into the engine."""
    listed = {(part["purl"].split("/")[0], part["name"], part["version"]) for part in bom["components"]}
    installed = {
        tuple(PurePosixPath(path).parent.name.removesuffix(".dist-info").rsplit("-", 1))
        for path in files
        if path.startswith(PACKAGES) and path.endswith(".dist-info/METADATA")
    }
    python = {
        (name.lower().replace("-", "_"), version) for kind, name, version in listed if kind == "pkg:pypi"
    }
    assert {(name.lower(), version) for name, version in installed} == python
    assert ("pkg:pypi", "tabard-sidecar", image["image"].rpartition(":")[2]) in listed
    debian = {name for kind, name, _ in listed if kind == "pkg:deb"}
    assert {"libc6", "libssl3t64", "python3.13-minimal", "ca-certificates"} <= debian
    go = {name: version for kind, name, version in listed if kind == "pkg:golang"}
    required = (ROOT / "engine/go/go.mod").read_text()
    assert f"github.com/open-policy-agent/opa {go['github.com/open-policy-agent/opa']}" in required
    assert go["stdlib"].startswith("1.")


def test_the_context_holds_nothing_else(built_again: dict[str, Any]):
    """One folder for each platform, which the Dockerfile copies."""
    del built_again
    assert {path.name for path in CONTEXT.iterdir()} == {"amd64", "arm64"}
    assert {path.name for path in Path(CONTEXT / "arm64/opt/tabard").iterdir()} == {
        "bin",
        "lib",
        "pyvenv.cfg",
    }
