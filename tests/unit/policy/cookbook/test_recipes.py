"""Every recipe of the cookbook is accepted without a warning, decides as its cases say, and shows its pitfalls."""

from __future__ import annotations

import re
import shutil

import pytest
from click.testing import CliRunner
from tabard_sidecar.cli.root import command
from tabard_sidecar.policy.authoring.cases import Catalogues, run_cases
from tabard_sidecar.policy.catalogue import Catalogue, load_catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.loading.sources import load_source

from tests.support.recipes import CATALOGUE, COOKBOOK, NAMES, cases, recipe

TOOLS = load_catalogue(CATALOGUE)
KNOWN = CompileOptions(offers=Offers(tools=TOOLS))


def test_there_are_recipes_for_many_needs():
    assert len(NAMES) >= 26


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_accepted_without_a_warning(engine, name):
    source = load_source(COOKBOOK / name / "policy")
    compiled = compile_policy(engine, source.modules, source.data, KNOWN, source.tests)
    compiled.close()
    assert compiled.warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_its_cases_are_decided_as_they_say(engine, name):
    report = run_cases(engine, COOKBOOK / name / "policy", KNOWN, Catalogues(Catalogue()))
    assert [(result.case.name, result.differences) for result in report.failed] == []
    assert {"allow", "deny"} <= {result.effect for result in report.results}


@pytest.mark.parametrize("name", NAMES)
def test_each_pitfall_has_a_case_or_a_test_that_shows_it(name):
    tests = "".join(path.read_text("utf-8") for path in (COOKBOOK / name / "policy").rglob("*_test.rego"))
    shown = {case.name for case in cases(name)} | set(re.findall(r"^(test_\w+) if", tests, re.MULTILINE))
    pitfalls = recipe(name)["pitfalls"]
    assert len(pitfalls) >= 3
    for pitfall in pitfalls:
        assert pitfall["cases"]
        assert set(pitfall["cases"]) <= shown


def test_the_commands_of_the_index_work(tmp_path, monkeypatch):
    """A copy of a recipe passes elsewhere, with the catalogue that the command names."""
    shutil.copytree(COOKBOOK / "refund_limits" / "policy", tmp_path / "my-policy")
    monkeypatch.chdir(tmp_path)
    for arguments in (["check", "my-policy"], ["test", "my-policy", "--catalogue", str(CATALOGUE)]):
        result = CliRunner().invoke(command, ["policy", *arguments])
        assert (result.exit_code, result.exception) == (0, None), result.output
