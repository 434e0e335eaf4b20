"""No recipe allows or asks about a request that a hostile agent makes of one that is allowed."""

from __future__ import annotations

import pytest
import yaml
from tabard_sidecar.policy.authoring.cases import Catalogues, decide_cases
from tabard_sidecar.policy.catalogue import Catalogue, load_catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions

from tests.support.recipes import CATALOGUE, COOKBOOK, NAMES, cases, hostile, recipe


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    """The catalogue without its schemas: what the arguments are is for the policy alone to check."""
    tools = yaml.safe_load(CATALOGUE.read_text("utf-8"))["tools"]
    path = tmp_path_factory.mktemp("tools") / "catalogue.yaml"
    path.write_text(
        yaml.safe_dump({"tools": [{**tool, "inputSchema": {"type": "object"}} for tool in tools]})
    )
    return Catalogues(Catalogue(), for_all=load_catalogue(path))


@pytest.mark.parametrize("name", NAMES)
def test_hostile_calls_are_denied(engine, annotations, name):
    told = recipe(name)
    stated = cases(name)
    allowed = [case for case in stated if case.expect.effect == "allow" and not case.approved]
    changed = [
        one for case in allowed for one in hostile(case, told.get("texts", {}), told.get("optional", ()))
    ]
    report = decide_cases(
        engine, COOKBOOK / name / "policy", CompileOptions(), annotations, [*stated, *changed]
    )
    effects = {result.case.name: result.effect for result in report.results}
    assert [case.name for case in allowed if effects[case.name] != "allow"] == []
    assert len(changed) > 50
    assert [one.name for one in changed if effects[one.name] != "deny"] == []
