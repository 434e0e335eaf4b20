"""Every Rego block of the policy guide does what the guide says."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from tabard_opa_cli import opa_binary
from tabard_sidecar.config import Settings
from tabard_sidecar.policy.authoring.cases import Catalogues, run_cases
from tabard_sidecar.policy.authoring.testing import run_tests
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.markdown import blocks
from tests.support.policy import GUIDE, REPOSITORY, START

LIBRARY = REPOSITORY / "rego" / "tabard" / "lib"
BLOCKS = re.findall(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
DATA = next(json.loads(text) for language, kind, text in BLOCKS if (language, kind) == ("json", "data"))
REGO = [(kind, text) for language, kind, text in BLOCKS if language == "rego"]
BEGIN = f"package policy.beginning\n{START}"  # most blocks show one rule only
TITLES = [f"{number} {kind or text.splitlines()[0]}" for number, (kind, text) in enumerate(REGO)]


@pytest.mark.parametrize(("kind", "text"), REGO, ids=TITLES)
def test_a_block_compiles_or_is_refused_as_it_says(engine, kind, text):
    if kind == "test":
        return
    if not kind:
        compiled = compile_policy(engine, {"guide.rego": text, "start.rego": BEGIN}, DATA, CompileOptions())
        compiled.close()
        assert compiled.warnings == ()
        return
    begin = {} if kind == "refused:no_start" else {"start.rego": BEGIN}
    with pytest.raises(PolicyBrokenError) as caught:
        compile_policy(engine, {"guide.rego": text, **begin}, DATA, CompileOptions())
    assert {problem.code for problem in caught.value.problems} == {kind.removeprefix("refused:")}


def test_the_tests_of_the_guide_pass(tmp_path):
    for number, (kind, text) in enumerate(REGO):
        if kind in {"", "test"}:
            (tmp_path / f"m{number}{'_test' if kind else ''}.rego").write_text(text)
    (tmp_path / "data.json").write_text(json.dumps(DATA))
    report = run_tests(opa_binary(), [tmp_path], coverage=False)
    assert (report.failed, report.passed) == ((), 21)


def test_the_cases_of_the_guide_fit(engine, tmp_path):
    cases, _, matrix = [text for language, kind, text in BLOCKS if (language, kind) == ("yaml", "cases")]
    (module,) = [text for kind, text in REGO if not kind and text.startswith("package policy.invoices\n")]
    (tmp_path / "invoices.rego").write_text(module)
    (tmp_path / "invoices_cases.yaml").write_text(cases)
    (tmp_path / "hostile_cases.yaml").write_text(matrix)
    (tmp_path / "data.json").write_text(json.dumps(DATA))
    report = run_cases(engine, tmp_path, CompileOptions(), Catalogues(Catalogue()))
    assert (report.failed, report.passed) == ((), 4 + 6)


def test_the_sequence_of_the_guide_fits(engine, tmp_path):
    _, cases, _ = [text for language, kind, text in BLOCKS if (language, kind) == ("yaml", "cases")]
    (tmp_path / "tickets_cases.yaml").write_text(cases)
    (tmp_path / "tickets.rego").write_text("""\
package policy.tickets

start contains {"code": "start", "limits": {"budgets": {"tickets": 2}}} if input.task.purpose == "tickets"

grant contains {"code": "buy", "charges": {"tickets": input.tool.arguments.count}} if {
	input.tool.name == "tickets.buy"
	input.task.purpose == "tickets"
}
""")
    report = run_cases(engine, tmp_path, CompileOptions(), Catalogues(Catalogue()))
    assert (report.failed, report.passed) == ((), 3)


def test_the_settings_of_the_pages_exist():
    pages = ("docs/policy-shipping.md", "docs/shadow.md", "docs/cookbook/staged-rollout.md")
    settings = [
        yaml.safe_load(text) for page in pages for _, language, text in blocks(page) if language == "yaml"
    ]
    found = [one for one in settings if {"policy", "insecure"} & set(one)]
    assert len(found) >= 6
    for one in found:
        Settings.model_validate(one)


def test_every_library_function_that_the_guide_names_exists():
    named = re.findall(r"`data\.tabard\.lib\.(\w+)` \| (.*?) \|", GUIDE)
    assert {name for name, _ in named} == {folder.name for folder in LIBRARY.iterdir()}
    for name, examples in named:
        source = (LIBRARY / name / f"{name}.rego").read_text()
        for function in re.findall(r"`(\w+)", examples):
            assert re.search(rf"^{function}\b", source, re.MULTILINE), f"{name}.{function}"
