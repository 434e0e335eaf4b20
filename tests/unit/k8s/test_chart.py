"""The generated parts of the chart are in step, and its values fit their schema. Helm itself runs in tests/integration/k8s."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "k8s"
SCHEMA = json.loads((FOLDER / "chart" / "values.schema.json").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((FOLDER / "chart" / "values.yaml").read_text(encoding="utf-8"))


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_generated_is_in_step():
    for path, text in _script("generate_chart")._files().items():
        assert path.read_text(encoding="utf-8") == text, f"run make docs for {path}"


def test_the_default_values_fit_the_schema_which_knows_each_of_them():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)
    assert set(SCHEMA["properties"]) - set(VALUES) == {"global"}
    for name, section in SCHEMA["properties"].items():
        if name not in {"global", "imagePullSecrets"} and "properties" in section:
            assert set(section["properties"]) == set(VALUES[name]), name


WRONG = {
    "unknown": {"images": "x"},
    "misspelt setting of the injector": {"injector": {"config": {"sidecar": {"http_prot": 1}}}},
    "webhook, which the chart writes": {"injector": {"config": {"webhook": {}}}},
    "no replica": {"injector": {"replicas": 0}},
    "quotes in what becomes part of an expression": {"image": 'x" || true'},
    "the same in a section": {"injector": {"config": {"sidecar": {"keys_secret": 'x"'}}}},
    "and in an audience": {"injector": {"config": {"cluster": {"audience": 'x"'}}}},
    "and in a further one": {"injector": {"config": {"cluster": {"tokens": {"vault-token": 'x"'}}}}},
    "and in the file of its token": {"injector": {"config": {"cluster": {"tokens": {"../x": "x"}}}}},
    "a template": {"image": "{{ .Values }}"},
    "too short an overlap": {"injector": {"overlapSeconds": 3}},
}


@pytest.mark.parametrize("case", WRONG)
def test_values_that_cannot_be_meant_are_refused(case):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(WRONG[case], SCHEMA)
