"""The `opa` program in a package of its own, which serving doesn't need."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import tabard_opa_cli
from click.testing import CliRunner
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.root import command

from tests.support.policy import REPOSITORY, SUPPORT

QUICKSTART = REPOSITORY / "rego" / "examples" / "quickstart"
INSTALL = "pip install 'tabard[policy]'"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tabard_opa_cli", None)


@pytest.fixture
def cases_only(tmp_path):
    """A policy with decision cases and without Rego tests."""
    for file in (QUICKSTART / "policy" / "quickstart").iterdir():
        if not file.name.endswith("_test.rego"):
            shutil.copy(file, tmp_path)
    return tmp_path


def test_its_commands_are_opas():
    command = [sys.executable, "-m", "tabard_sidecar.cli", "opa", "eval", "--format", "raw", "1 + 1"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "2\n"


@pytest.mark.parametrize("arguments", [["opa", "version"], ["policy", "test", str(SUPPORT / "policy")]])
def test_where_it_is_missing_the_line_that_installs_it_is_told(not_installed, arguments):
    result = run(*arguments)
    assert result.exit_code == exit_codes.UNREACHABLE
    assert INSTALL in " ".join(result.output.split())
    assert "a sidecar serves without it" in result.output


def test_an_incomplete_installation_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(tabard_opa_cli, "__file__", str(tmp_path / "__init__.py"))
    result = run("opa", "version")
    assert result.exit_code == exit_codes.UNREACHABLE
    assert "holds no opa program" in result.output


def test_cases_need_no_program(not_installed, cases_only):
    result = run("policy", "test", cases_only, "--catalogue", QUICKSTART / "catalogue.yaml", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (exit_codes.OK, True)
    assert 0 < report["coverage"] < 100
    assert report["cases"]["passed"] == report["passed"] > 0


@pytest.mark.parametrize("rule", ["test_it", "todo_test_it"])
def test_a_test_in_a_file_of_any_name_needs_it(not_installed, cases_only, rule):
    (cases_only / "more.rego").write_text(f"package policy.more_test\n\n{rule} if true\n")
    assert run("policy", "test", cases_only).exit_code == exit_codes.UNREACHABLE


def test_nothing_to_test_is_negative_and_a_policy_that_is_broken_is_told_all_the_same(
    not_installed, tmp_path
):
    assert run("policy", "test", tmp_path).exit_code == exit_codes.POLICY
    shutil.copy(QUICKSTART / "policy" / "quickstart" / "quickstart.rego", tmp_path)
    result = run("policy", "test", tmp_path)
    assert result.exit_code == exit_codes.NEGATIVE
    assert "there are no tests and no cases" in result.output
    (tmp_path / "broken.rego").write_text("package policy.broken\n\ndeny contains {\n")
    assert run("policy", "test", tmp_path).exit_code == exit_codes.POLICY
