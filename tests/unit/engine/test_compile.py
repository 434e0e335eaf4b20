from __future__ import annotations

import pytest
from tabard_opa import Engine, EngineError, EvaluationError, default_capabilities


def _problems(engine, modules, data=None, **options):
    with pytest.raises(EngineError) as caught:
        engine.compile(modules, data or {}, entrypoints=options.pop("entrypoints", []), **options)
    return caught.value.errors


def test_parse_errors_of_all_files_come_at_once_with_their_places(engine):
    problems = _problems(engine, {"a.rego": "package a\n\np := ", "b.rego": "package b\n\nq if if\n"})

    assert {problem.file for problem in problems} == {"a.rego", "b.rego"}
    assert all(problem.code == "rego_parse_error" and problem.row == 3 for problem in problems)


def test_compile_errors_name_file_row_column_code_and_opas_message(engine):
    problems = _problems(engine, {"a.rego": "package a\n\np if x > 1\n\nq if y > 1\n"})

    assert [(p.file, p.row, p.column, p.code) for p in problems] == [
        ("a.rego", 3, 6, "rego_unsafe_var_error"),
        ("a.rego", 5, 6, "rego_unsafe_var_error"),
    ]
    assert problems[0].message == "var x is unsafe"
    assert str(problems[0]) == "a.rego:3:6: rego_unsafe_var_error: var x is unsafe"


def test_more_than_ten_errors_are_all_reported(engine):
    """OPA stops at ten by default."""
    rules = "\n".join(f"p{n} if x{n} > 1" for n in range(25))

    assert len(_problems(engine, {"a.rego": f"package a\n\n{rules}\n"})) == 25


def test_strict_mode_refuses_an_unused_variable(engine):
    module = {"a.rego": "package a\n\np if {\n\tx := 1\n\tinput.y\n}\n"}

    assert _problems(engine, module)[0].message == "assigned var x unused"
    engine.compile(module, {}, entrypoints=["data.a.p"], strict=False).close()


def test_rego_v0_is_refused(engine):
    assert _problems(engine, {"a.rego": "package a\n\np { input.x }\n"})[0].code == "rego_parse_error"


def test_empty_module_is_an_error_with_a_place(engine):
    problem = _problems(engine, {"a.rego": "# nothing\n"})[0]

    assert (problem.file, problem.code) == ("a.rego", "rego_parse_error")


@pytest.mark.parametrize(
    "name", ["data.a.q", "data.nope", "input.x", "data.a[x]", "data", "1 = 1", "data.a.p; true"]
)
def test_wrong_entrypoint_is_refused_when_compiling(engine, name):
    problems = _problems(engine, {"a.rego": "package a\n\np := 1\n"}, entrypoints=["data.a.p", name])

    assert [problem.code for problem in problems] == ["entrypoint_error"]
    assert name in problems[0].message


def test_rule_and_base_document_at_one_path_conflict(engine):
    problems = _problems(engine, {"a.rego": "package a\n\np := 1\n"}, {"a": {"p": 2}})

    assert "conflicting rule" in problems[0].message
    assert problems[0].row == 3


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": object()}, b"[", b"[1]", b'{"a": NaN}'])
def test_data_that_is_no_json_object_is_refused(engine, data):
    with pytest.raises(EngineError) as caught:
        engine.compile({"a.rego": "package a\n\np := 1\n"}, data, entrypoints=[])

    assert caught.value.errors[0].code == "data_error"


SCHEMA = {
    "type": "object",
    "properties": {
        "tool": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}
    },
    "additionalProperties": False,
}


def test_input_schema_finds_a_misspelt_field(engine):
    problems = _problems(
        engine, {"a.rego": 'package a\n\ndeny if input.tool.nmae == "x"\n'}, input_schema=SCHEMA
    )

    assert [(p.file, p.row, p.code) for p in problems] == [("a.rego", 3, "rego_type_error")]
    assert "input.tool.nmae" in problems[0].message


def test_input_schema_lets_correct_policy_pass(engine):
    module = {"a.rego": 'package a\n\ndeny if input.tool.name == "x"\n'}

    engine.compile(module, {}, entrypoints=["data.a.deny"], input_schema=SCHEMA).close()


def test_malformed_schema_is_a_problem(engine):
    problems = _problems(
        engine, {"a.rego": "package a\n\np if input.x\n"}, input_schema={"type": "object", "properties": 7}
    )

    assert problems


def test_builtins_outside_the_capabilities_are_refused_with_a_place(engine):
    capabilities = default_capabilities()
    capabilities["builtins"] = [b for b in capabilities["builtins"] if b["name"] != "http.send"]
    module = {"a.rego": 'package a\n\np := http.send({"method": "get", "url": "http://127.0.0.1:1"})\n'}

    problem = _problems(engine, module, capabilities=capabilities)[0]

    assert (problem.file, problem.row) == ("a.rego", 3)
    assert "http.send" in problem.message


@pytest.mark.parametrize("document", [False, True], ids=["of-all", "of-a-document"])
def test_a_withheld_builtin_is_refused_with_a_place(engine, document):
    capabilities = default_capabilities() if document else None
    module = {"a.rego": 'package a\n\np := http.send({"method": "get", "url": "http://127.0.0.1:1"})\n'}

    problem = _problems(engine, module, capabilities=capabilities, withheld={"http.send", "walk"})[0]

    assert (problem.file, problem.row) == ("a.rego", 3)
    assert "http.send" in problem.message


def test_a_builtin_is_withheld_from_one_policy_only(engine):
    module = {"a.rego": "package a\n\np := time.now_ns()\n"}
    assert _problems(engine, module, withheld={"time.now_ns"})

    engine.compile(module, {}, entrypoints=["data.a.p"]).close()


def test_what_is_no_builtin_is_not_withheld_unnoticed(engine):
    problems = _problems(engine, {"a.rego": "package a\n\np := 1\n"}, withheld={"http.sent"})

    assert problems[0].code == "capabilities_error"
    assert "http.sent" in problems[0].message


@pytest.mark.parametrize("hosts", [(), ("example.com",)])
def test_no_other_host_is_reached_than_the_allowed_ones(engine, hosts):
    module = {"a.rego": 'package a\n\np := http.send({"method": "get", "url": "http://127.0.0.1:1"})\n'}
    with (
        engine.compile(module, {}, entrypoints=["data.a.p"], allow_net=hosts) as policy,
        pytest.raises(EvaluationError, match=r"disallowed host: 127\.0\.0\.1"),
    ):
        policy.evaluate_blocking("data.a.p", b"{}", deadline_seconds=5)


def test_malformed_capabilities_are_a_problem(engine):
    problems = _problems(engine, {"a.rego": "package a\n\np := 1\n"}, capabilities={"builtins": 1})

    assert problems[0].code == "capabilities_error"


def test_parse_returns_the_tree_with_places_and_annotations(engine):
    tree = engine.parse(
        "a.rego",
        'package policy.a\n\nimport data.lib\n\n# METADATA\n# title: T\ngrant contains {"code": "x"} if lib.ok\n',
    )

    rule = tree["rules"][0]
    assert [term["value"] for term in tree["package"]["path"]] == ["data", "policy", "a"]
    assert rule["head"]["name"] == "grant"
    assert "key" in rule["head"]
    assert rule["location"] == {"file": "a.rego", "row": 7, "col": 1}
    assert tree["annotations"][0]["title"] == "T"
    assert tree["imports"][0]["path"]["value"][1]["value"] == "lib"


def test_parse_reports_syntax_errors(engine):
    with pytest.raises(EngineError) as caught:
        engine.parse("a.rego", "package a\n\np := \n")

    assert caught.value.errors[0].file == "a.rego"


def test_deeply_nested_source_is_an_error_and_no_crash(engine):
    assert _problems(engine, {"a.rego": "package a\n\np := " + "[" * 100_000})[0].code == "rego_parse_error"


@pytest.mark.parametrize(
    "options",
    [
        {"max_in_flight": 0},
        {"max_input_bytes": 0},
        {"memory_limit_bytes": 0},
        {"hold_seconds": 0.01},
        {"hold_seconds": -1},
    ],
)
def test_engine_refuses_senseless_limits(options):
    with pytest.raises(ValueError, match="positive"):
        Engine(**options)
