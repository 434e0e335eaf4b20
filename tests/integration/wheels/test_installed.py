"""The steps of the README work from the built wheels alone."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from email import message_from_bytes

import pytest

from tests.integration.wheels.conftest import INSTALL_SECONDS, ROOT, Shell, block
from tests.support import markdown

FIRST_CALL_SECONDS = 120
DISTRIBUTIONS = ("tabard", "tabard_opa", "tabard_opa_cli", "tabard_sidecar")
MACHINES = ("tabard_opa", "tabard_opa_cli")


def test_nothing_of_the_checkout_is_used(installed: Shell):
    """Every package comes from site-packages."""
    for package in DISTRIBUTIONS:
        where = installed(f"python -c 'import {package}; print({package}.__file__)'")
        assert "/.venv/lib/" in where
        assert str(ROOT) not in where


def test_versions(installed: Shell):
    """The command is there, and so are the engine and the opa program, in one version."""
    assert "1.22." in installed("tabard version")
    assert installed("tabard opa version") == installed("tabard-opa version")
    assert f"Version: {json.loads(installed('tabard version --json'))['opa']}\n" in installed(
        "tabard opa version"
    )


def test_a_machine_that_only_serves_has_no_opa_program(installed: Shell):
    """Without its package cases are decided; Rego tests tell the line that installs it, and that line does."""
    installed("tabard init lean && pip uninstall --quiet --yes tabard-opa-cli")
    try:
        assert "opa" not in installed("ls .venv/bin .venv/lib/python3*/site-packages/tabard_opa/_lib").split()
        told = installed("cd lean && tabard policy test 2>&1 || test $? = 6")
        assert "next: Install it beside the sidecar: `pip install 'tabard[policy]'`" in told
        assert "0 failed" in installed("cd lean && rm policy/*/*_test.rego && tabard policy test")
    finally:
        installed("pip install --quiet --find-links dist 'tabard[policy]'")
    assert "1.22." in installed("tabard opa version")


def test_codes_are_explained_without_the_documentation(installed: Shell):
    """The sidecar's, the client's and a setting."""
    assert "less left than the call costs" in installed("tabard explain budget_exhausted")
    assert "outside every `with task:` block" in " ".join(installed("tabard explain no_current_task").split())
    assert "Where state is kept" in installed("tabard explain state.url")


def test_the_quickstart(installed: Shell):
    """Init, test, serve, call: the README's commands one after the other, then its Python.

    From the virtual environment to the first guarded call two minutes are promised; the builds aren't counted.
    """
    begun = time.monotonic()
    program = f"""{block("python", "tabard.guard")}
with tabard.connect() as client, client.start_task(os.environ["TOKEN"]):
    try:
        read_note("seven")
    except tabard.TabardError as error:
        print("refused:", error.code)
"""
    output = installed(
        f"trap 'kill $(jobs -p)' EXIT\n{block('sh', 'tabard serve')}\n"
        f"cat > agent.py <<'PYTHON'\n{program}\nPYTHON\n{block('sh', 'agent.py')}"
    )
    assert "note 7, read with a jwt for https://notes.internal" in output
    assert "refused: arguments_invalid" in output
    took = (INSTALL_SECONDS[0], time.monotonic() - begun)
    assert sum(took) <= FIRST_CALL_SECONDS, took


def test_the_quickstart_page_after_the_readme(installed: Shell):
    """Both as printed, in one shell, the README's sidecar still running; the page's denials don't end the script."""
    page = markdown.blocks("docs/quickstart.md")
    commands = [block("sh", "tabard serve"), *(code for _, language, code in page if language == "sh")]
    script = "\n".join(commands).replace(
        "tabard init quickstart\ncd quickstart", "tabard init again\ncd again"
    )
    output = installed(f"set +e -m\ntrap 'kill $(jobs -p); exit 0' EXIT\n{script}")
    for text in ("wrote 'buy milk' with a jwt", "note_too_long", "agent_revoked", "intact: "):
        assert text in output
    assert output.count("ALLOW notes.read") >= 4


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_packages_carry_their_licence_and_types(name: str):
    """A wheel and its source distribution are complete."""
    [wheel, *_] = (ROOT / "dist").glob(f"{name}-[0-9]*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert f"{name}/py.typed" in names
    assert any(member.endswith("licenses/LICENSE") for member in names)
    assert not [member for member in names if "__pycache__" in member]
    [source] = (ROOT / "dist").glob(f"{name}-[0-9]*.tar.gz")
    with tarfile.open(source) as archive:
        assert any(member.endswith("/LICENSE") for member in archive.getnames())


@pytest.mark.parametrize("name", MACHINES)
def test_wheels_with_machine_code_load_where_their_tags_say(name: str):
    """auditwheel finds no symbol newer than the tag's glibc, and no library that the machine may lack."""
    wheels = sorted((ROOT / "dist").glob(f"{name}-[0-9]*.whl"))
    assert any(wheel.name.endswith(f"_{platform.machine()}.whl") for wheel in wheels)
    for wheel in wheels:
        tagged = re.search(r"-manylinux_(\d+)_(\d+)_(\w+)\.whl$", wheel.name)
        assert tagged, wheel.name
        shown = subprocess.run(
            [sys.executable, "-m", "auditwheel", "show", str(wheel)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        needs = re.search(
            r'consistent\s+with\s+the\s+following\s+platform\s+tag:\s+"manylinux_(\d+)_(\d+)_(\w+)"', shown
        )
        assert needs, shown
        assert (int(needs[1]), int(needs[2])) <= (int(tagged[1]), int(tagged[2])) == (2, 28)
        assert needs[3] == tagged[3]
        assert "requires no external shared libraries" in " ".join(shown.split())


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_packages_say_what_they_are(name: str):
    """Metadata that an index shows."""
    [wheel, *_] = (ROOT / "dist").glob(f"{name}-[0-9]*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [member] = [member for member in archive.namelist() if member.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(member))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert "Programming Language :: Python :: 3.11" in metadata.get_all("Classifier", [])
