"""The tool catalogue."""

from __future__ import annotations

import json

import pytest
from tabard_sidecar.policy.catalogue import catalogue_of, load_catalogue
from tabard_sidecar.policy.catalogue_source import create_catalogue
from tabard_sidecar.policy.conf import CatalogueConfig
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import REPOSITORY, SUPPORT

PAY = {
    "name": "pay",
    "inputSchema": {
        "type": "object",
        "properties": {"amount": {"type": "integer", "minimum": 1}, "to": {"type": "string"}},
        "required": ["amount"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": False},
}


def codes(document):
    with pytest.raises(PolicyBrokenError) as caught:
        catalogue_of(document, "c.json")
    return [problem.code for problem in caught.value.problems]


@pytest.mark.parametrize(
    "document", [{"tools": [PAY]}, [PAY], {"jsonrpc": "2.0", "id": 1, "result": {"tools": [PAY]}}]
)
def test_every_form_of_tools_list_is_read(document):
    assert catalogue_of(document, "c.json").lookup("pay", "").annotations == {"readOnlyHint": False}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"amount": 3}, None),
        ({"amount": 3, "to": "x"}, None),
        ({"amount": None}, "argument 'amount' must be of type integer"),
        ({"amount": True}, "argument 'amount' must be of type integer"),
        ({"amount": 0}, "argument 'amount' must be at least 1"),
        ({}, "argument 'amount' is missing"),
        ({"amount": 3, "too": "x"}, "argument 'too' is not a known name"),
    ],
)
def test_arguments_are_checked_and_the_place_is_named(arguments, fault):
    found = catalogue_of([PAY], "c.json").lookup("pay", "").validate(arguments)
    assert (found.message if found is not None else None) == fault


def test_a_tool_of_a_server_comes_before_one_of_any():
    catalogue = catalogue_of(
        [{"name": "x"}, {"name": "x", "server": "s", "annotations": {"readOnlyHint": True}}], "c"
    )
    assert catalogue.lookup("x", "s").read_only
    assert not catalogue.lookup("x", "other").read_only
    assert not catalogue.lookup("x", "").read_only
    assert catalogue.lookup("y", "") is None


def test_a_tool_of_one_server_is_unknown_elsewhere():
    catalogue = catalogue_of([{"name": "x", "server": "s"}], "c")
    assert catalogue.lookup("x", "") is None


@pytest.mark.parametrize("hint", [False, True])
def test_only_true_is_read_only(hint):
    catalogue = catalogue_of([{"name": "x", "annotations": {"readOnlyHint": hint}}], "c")
    assert catalogue.lookup("x", "").read_only is hint


@pytest.mark.parametrize("hint", [None, "true", 1])
def test_a_hint_is_true_or_false(hint):
    with pytest.raises(PolicyBrokenError, match="must be true or false"):
        catalogue_of([{"name": "x", "annotations": {"readOnlyHint": hint}}], "c")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (3, "catalogue"),
        ({}, "catalogue"),
        ({"tools": {}}, "catalogue"),
        ({"tools": [], "nextCursor": "2"}, "incomplete"),
        ([3], "tool_name"),
        ([{"name": ""}], "tool_name"),
        ([{"name": "x" * 257}], "tool_name"),
        ([{"name": "x", "inputShema": {}}], "tool_key"),
        ([{"name": "x", "server": 3}], "tool_form"),
        ([{"name": "x", "annotations": []}], "tool_form"),
        ([{"name": "x"}, {"name": "x"}], "tool_twice"),
        ([{"name": "x", "inputSchema": {"type": "text"}}], "tool_schema"),
        ([{"name": "x", "inputSchema": 3}], "tool_schema"),
        ([{"name": "x", "inputSchema": {"properties": 3}}], "tool_schema"),
        ([{"name": "x", "inputSchema": {"properties": {"a": {"pattern": "(?=a)"}}}}], "tool_schema"),
        ([{"name": "x", "inputSchema": {"properties": {"a": {"maximun": 3}}}}], "tool_schema"),
    ],
)
def test_what_is_wrong_is_told(document, code):
    assert codes(document) == [code]


def test_everything_wrong_is_told_at_once():
    assert codes([{"name": ""}, {"name": "x", "typo": 1}, {"name": "y", "server": 1}]) == [
        "tool_form", "tool_key", "tool_name",
    ]  # fmt: skip


def test_every_keyword_of_2020_12_is_checked():
    schema = {"type": "object", "properties": {"n": {"multipleOf": 0.5}}, "unevaluatedProperties": False}
    spec = catalogue_of([{"name": "x", "inputSchema": schema}], "c").lookup("x", "")
    assert spec.validate({"n": 1.5}) is None
    assert spec.validate({"n": 0.3}).message == "argument 'n' must be a multiple of 0.5"
    assert spec.validate({"m": 1}).message == "argument 'm' is not a known name"


def test_what_is_wrong_with_a_schema_names_tool_and_place():
    tool = {"name": "x", "inputSchema": {"properties": {"a": {"maximun": 3}}}}
    with pytest.raises(PolicyBrokenError, match=r"tool 'x': inputSchema: properties\.a\.maximun .*'maximum'"):
        catalogue_of([tool], "c")


def test_a_missing_or_malformed_file_is_told(tmp_path):
    with pytest.raises(PolicyBrokenError, match="catalogue\\.path"):
        load_catalogue(tmp_path / "absent.yaml")
    (tmp_path / "c.yaml").write_text("tools: [\n")
    with pytest.raises(PolicyBrokenError, match="YAML"):
        load_catalogue(tmp_path / "c.yaml")


def test_no_catalogue_is_an_empty_one():
    catalogue = create_catalogue(CatalogueConfig(required=True))
    assert (catalogue.required, list(catalogue)) == (True, [])


@pytest.mark.parametrize("name", ["support", "quickstart", "bank"])
def test_the_examples_catalogues_load(name):
    assert list(load_catalogue(REPOSITORY / "rego" / "examples" / name / "catalogue.yaml"))


def test_json_is_read_as_well(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps([PAY]))
    assert create_catalogue(CatalogueConfig(path=tmp_path / "c.json")).lookup("pay", "").arguments == {
        "amount",
        "to",
    }
    assert load_catalogue(SUPPORT / "catalogue.yaml").lookup("tickets.read", "").read_only


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"destructivHint": True}, "did you mean 'destructiveHint'"),
        ({"readonlyhint": True}, "did you mean 'readOnlyHint'"),
        ({"readOnlyHint": "true"}, "must be true or false"),
        ({"openWorldHint": 1}, "must be true or false"),
        ({"title": 3}, "must be text"),
    ],
)
def test_a_hint_that_policies_would_look_for_in_vain_is_refused(annotations, expected):
    with pytest.raises(PolicyBrokenError, match=expected):
        catalogue_of([{"name": "t", "annotations": annotations}], "c.yaml")


def test_further_annotations_are_handed_to_policies():
    (spec,) = catalogue_of(
        [{"name": "t", "annotations": {"team": "payments", "readOnlyHint": True}}], "c.yaml"
    )
    assert spec.annotations["team"] == "payments"


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"tools": [], "_meta": [0] * 100_001}),
        json.dumps({"tools": [{"name": "a", "description": "x" * 5_000_000}]}),
        "tools:\n" + "- a\n" * 100_001,
    ],
)
@pytest.mark.parametrize("name", ["c.json", "c.yaml"])
def test_a_catalogue_that_takes_too_long_to_parse_is_refused(tmp_path, name, content):
    """It is read again while calls are decided."""
    (tmp_path / name).write_text(content)
    with pytest.raises(PolicyBrokenError):
        load_catalogue(tmp_path / name)


@pytest.mark.parametrize(
    "document",
    [
        {"tools": [PAY], "required": True},
        {"tools": [], "toosl": [PAY]},
        {"tools": [PAY], "lables": {}},
        {"jsonrpc": "2.0", "id": 1, "reslut": 1, "result": {"tools": [PAY]}},
        {"result": {"tools": [PAY], "labels": {}}},
    ],
)
def test_an_unknown_key_beside_the_tools_is_refused(document):
    assert codes(document) == ["catalogue_key"]


@pytest.mark.parametrize(
    "key", ["read_only", "readonly", "Destructive", "labels", "lables", "open-world-hint"]
)
def test_an_annotation_that_means_nothing_there_is_refused(key):
    assert codes([{"name": "a", "annotations": {key: True}}]) == ["tool_form"]


@pytest.mark.parametrize("pattern", [r"\Aa\z", r"^a\Z", r"\Qa.b\E", r"^\h+$", r"\Ga"])
def test_an_escape_that_ecmascript_reads_as_a_letter_is_refused(pattern):
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    assert codes([{"name": "a", "inputSchema": schema}]) == ["tool_schema"]


@pytest.mark.parametrize("content", ["a: NO\n" * 200_000, "tools:\n" + "- {name: a, x: 1}\n" * 20_000])
def test_after_a_hundred_problems_reading_stops(tmp_path, content):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(PolicyBrokenError) as caught:
        load_catalogue(tmp_path / "c.yaml")
    assert 0 < len(caught.value.problems) <= 100
