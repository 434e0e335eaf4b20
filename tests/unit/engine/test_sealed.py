"""Law: nothing that a policy, a schema or an input names is opened or fetched by the engine."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_opa import Engine, EngineError, EvaluationError, default_capabilities
from tabard_opa_cli import opa_binary

from tests.support.untouched import references, untouched

MODULE = """package a

matched := json.match_schema(input.document, input.schema)

verified := json.verify_schema(input.schema)
"""
DOCUMENT = {"a": {"a": [{"a": "x"}]}}
NETWORK = [{}, {"allow_net": ["127.0.0.1", "localhost"]}, {"allow_net": []}]

_property = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with untouched(tmp_path_factory.mktemp("canary")) as watched:
        yield watched


@pytest.fixture(scope="module")
def compiler():
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module", params=NETWORK, ids=["any-host", "listed-hosts", "no-host"])
def policy(request):
    capabilities = {**default_capabilities(), **request.param}
    with Engine() as engine:
        yield engine.compile(
            {"a.rego": MODULE},
            {},
            entrypoints=["data.a.matched", "data.a.verified"],
            capabilities=capabilities,
        )


@_property
@given(data=st.data(), text=st.booleans())
def test_no_schema_of_an_evaluation_leaves_the_process(policy, watched, data, text):
    schema = data.draw(references(watched))
    given_input = json.dumps(
        {"document": DOCUMENT, "schema": json.dumps(schema) if text else schema}
    ).encode()

    for entrypoint in policy.entrypoints:
        try:
            answer = policy.evaluate_blocking(entrypoint, given_input, deadline_seconds=5).decode()
        except EvaluationError as error:
            answer = str(error)
        assert "the canary" not in answer
        assert "timeout" not in answer
    assert not watched.opened
    assert not watched.reached


def test_a_trace_opens_nothing_either(policy, watched):
    given_input = {"document": DOCUMENT, "schema": {"$ref": f"file://{watched.file}"}}

    explained = policy.explain("data.a.matched", json.dumps(given_input).encode(), deadline_seconds=5)

    assert explained.error is not None
    assert "may not refer to" in explained.error.message
    assert not watched.opened


@_property
@given(data=st.data(), place=st.sampled_from(["package", "rule", "input"]))
def test_no_schema_of_a_policy_leaves_the_process(compiler, watched, data, place):
    schema = data.draw(references(watched))
    annotation = "# METADATA\n# schemas:\n# - input: " + json.dumps(schema) + "\n"
    module = "{}package a\n\n{}p if input.a.b == 1\n".format(
        *((annotation, "") if place == "package" else ("", annotation if place == "rule" else ""))
    )
    problem = ""
    try:
        compiler.compile(
            {"a.rego": module}, {}, entrypoints=["data.a.p"],
            input_schema=schema if place == "input" else {},
        ).close()  # fmt: skip
    except EngineError as error:
        problem = str(error)
    assert "the canary" not in problem
    assert not watched.opened
    assert not watched.reached


@pytest.mark.parametrize("special", ["fifo", "zero"])
def test_compiling_never_waits_for_a_file(tmp_path, special):
    target = "/dev/zero"
    if special == "fifo":
        target = str(tmp_path / "fifo")
        os.mkfifo(target)
    module = (
        f'# METADATA\n# schemas:\n# - input: {{"$ref": "file://{target}"}}\npackage a\n\np if input.a == 1\n'
    )
    found = []

    def compile_it() -> None:
        with Engine() as engine, pytest.raises(EngineError) as caught:
            engine.compile({"a.rego": module}, {}, entrypoints=["data.a.p"], input_schema={})
        found.append(caught.value.errors[0])

    thread = threading.Thread(target=compile_it, daemon=True)
    thread.start()
    thread.join(60)

    assert not thread.is_alive()
    assert "may not refer to" in found[0].message
    assert found[0].file == "a.rego"


def test_the_opa_command_opens_nothing_for_a_schema_either(tmp_path, watched):
    module = tmp_path / "a.rego"
    schema = json.dumps({"$ref": f"file://{watched.file}"})
    module.write_text(f"# METADATA\n# schemas:\n# - input: {schema}\npackage a\n\np if input.a == 1\n")
    (tmp_path / "input.json").write_text("{}")

    checked = subprocess.run(
        [opa_binary(), "check", "--schema", str(tmp_path / "input.json"), str(module)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert checked.returncode == 1
    assert "may not refer to the file" in checked.stderr
    assert not watched.opened
