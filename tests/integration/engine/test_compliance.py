"""OPA's own compliance cases, of the version that the engine holds, through both engines: the same outcome, and OPA's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from tabard_opa import Engine, EngineError, EvaluationError
from tabard_opa_cli import opa_binary

from tests.components.ports import free_port
from tests.support.components import component
from tests.support.policy import REPOSITORY
from tests.support.waiting import eventually_blocking

_RULE = re.compile(r"(data(?:\.[A-Za-z_]\w*)+) = x")
_TOPICS = 147
_CASES = 2400
_FAILED = {
    "eval_builtin_error": "builtin_error",
    "eval_type_error": "builtin_error",
    "eval_conflict_error": "conflict",
}

SKIPPED = {
    "query": 53,
    "input_term": 105,
    "no_input": 7,
    "together": 22,
    "own_builtin": 1,
    "runtime": 1,
}
"""How many cases aren't run, by reason: the query isn't one rule, which is all that the engine is asked for; the input is a
term that JSON doesn't have; it is about an input that isn't there, and a sidecar always has one; its modules call each other
in a circle of packages, and OPA's API takes modules one by one; it calls a builtin that only OPA's test program has; it asks
for what runs the policy, which is another program."""

_NO_INPUT = re.compile(
    r"every/domain undefined \(input\)|inputvalues/loopback undefined|virtualdocs/undefined: in (array|set) (literal|coprehension body)"
    r"|withkeyword/builtin-value: arity-1, input must still be defined"
)
_CIRCLE = 'data.test.foo("how do you do?", y)'
_RUNTIME = "withkeyword/builtin-builtin: arity 0"


class _Yaml12(yaml.CSafeLoader):
    """Reads ``on`` and ``no`` as texts, as OPA's reader does."""


_Yaml12.yaml_implicit_resolvers = {
    letter: [
        (tag, re.compile(r"true|false") if tag.endswith(":bool") else pattern)
        for tag, pattern in found
        if not tag.endswith(":timestamp")
    ]
    for letter, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}

Case = Mapping[str, Any]
Outcome = tuple[str, Any]


@cache
def cases() -> dict[str, list[Case]]:
    """Return the cases by topic, read from the engine's Go module."""
    path = os.environ["PATH"]
    if shutil.which("go") is None:
        path = f"{component('gotoolchain.sh')}:{path}"
    module = "github.com/open-policy-agent/opa"
    engine = REPOSITORY / "engine" / "go"
    environment = {**os.environ, "PATH": path}
    subprocess.run(["go", "mod", "download", module], cwd=engine, env=environment, check=True)
    told = subprocess.check_output(
        ["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=engine, env=environment, text=True
    )
    root = Path(told.strip()) / "v1" / "test" / "cases" / "testdata" / "v1"
    return {
        topic.name: [
            case
            for file in sorted(topic.rglob("*.yaml"))
            for case in (yaml.load(file.read_text("utf-8"), Loader=_Yaml12) or {}).get("cases") or []  # noqa: S506
        ]
        for topic in sorted(root.iterdir())
    }


def why_skipped(case: Case) -> str:
    """Return the reason why a case isn't run; empty if it is."""
    if not _RULE.fullmatch(case["query"].strip()):
        return "query"
    if case.get("input_term") is not None:
        return "input_term"
    if _NO_INPUT.fullmatch(case["note"]):
        return "no_input"
    if case["note"] == _RUNTIME:
        return "runtime"
    text = "".join(case["modules"])
    if _CIRCLE in text:
        return "together"
    return "own_builtin" if "test.sleep(" in text else ""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A plain OPA server without policies; gives its URL."""
    port = free_port()
    command = [str(opa_binary()), "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, "OPA didn't start"
        try:
            return requests.get(f"{url}/health", timeout=1).ok
        except requests.RequestException:
            return False

    eventually_blocking(answers)
    yield url
    process.terminate()
    process.wait(20)


def embedded(engine: Engine, case: Case, rule: str) -> Outcome:
    """Return what the embedded engine finds."""
    modules = {f"m{number}.rego": text for number, text in enumerate(case["modules"])}
    try:
        policy = engine.compile(modules, case.get("data") or {}, entrypoints=[rule], strict=False)
    except EngineError:
        return "refused", None
    with policy:
        try:
            return "value", json.loads(policy.evaluate_blocking(rule, _input(case), deadline_seconds=10))
        except EvaluationError as error:
            return ("undefined" if error.code == "undefined" else error.code), None


def remote(session: requests.Session, url: str, case: Case, rule: str) -> Outcome:
    """Return what the server finds. Its modules and data are removed again."""
    names = [f"{url}/v1/policies/m{number}.rego" for number in range(len(case["modules"]))]
    try:
        assert session.put(f"{url}/v1/data", json=case.get("data") or {}, timeout=10).ok
        # Modules that need each other can't be put one by one in any order.
        waiting = list(zip(names, case["modules"], strict=True))
        while waiting:
            left = [one for one in waiting if not session.put(one[0], data=one[1].encode(), timeout=10).ok]
            if len(left) == len(waiting):
                return "refused", None
            waiting = left
        answer = session.post(
            f"{url}/v1/data/{rule.removeprefix('data.').replace('.', '/')}?strict-builtin-errors=true",
            data=b'{"input":' + _input(case) + b"}",
            timeout=10,
        )
    finally:
        for name in names:
            session.delete(name, timeout=10)
    found = answer.json()
    if not answer.ok:
        code = found["errors"][0]["code"]
        return _FAILED.get(code, code), None
    return ("value", found["result"]) if "result" in found else ("undefined", None)


def _input(case: Case) -> bytes:
    return json.dumps(case.get("input") if "input" in case else {}).encode()


def expected(case: Case) -> Outcome:
    """Return what the case wants, of an engine in which errors of builtins are errors."""
    if "want_error" in case or "want_error_code" in case:
        code = case.get("want_error_code", "")
        return _FAILED.get(code, "refused" if code.startswith("rego_") else "an error"), None
    results = case.get("want_result")
    return ("value", results[0]["x"]) if results else ("undefined", None)


def comparable(case: Case, outcome: Outcome) -> Outcome:
    """Sort a value whose order the case leaves open."""
    kind, value = outcome
    if case.get("sort_bindings") and isinstance(value, list):
        return kind, sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return outcome


@pytest.mark.parametrize("number", range(_TOPICS))
def test_both_engines_find_what_opa_wants(number: int, engine: Engine, server: str):
    topic = sorted(cases())[number]
    wrong = []
    with requests.Session() as session:
        for case in cases()[topic]:
            if why_skipped(case):
                continue
            rule = _RULE.fullmatch(case["query"].strip())[1]
            here = comparable(case, embedded(engine, case, rule))
            there = comparable(case, remote(session, server, case, rule))
            if here != there or not _wanted(case, here):
                wrong.append((case["note"], here, there))
    assert not wrong, "\n".join(map(str, wrong))


def _wanted(case: Case, found: Outcome) -> bool:
    """Tell whether this is what the case wants; where it counts on errors of builtins being ignored, both engines tell them."""
    wanted = comparable(case, expected(case))
    if wanted[0] == "an error":
        return found[0] not in {"value", "undefined"}
    return found == wanted or (found[0] == "builtin_error" and not case.get("strict_error"))


def test_no_case_is_left_out_without_a_reason():
    """Every case is run or counted; a new version of OPA shows here what it adds."""
    everything = [case for found in cases().values() for case in found]
    reasons = [why_skipped(case) for case in everything]
    assert len(cases()) == _TOPICS
    assert len(everything) == _CASES
    assert {reason: reasons.count(reason) for reason in SKIPPED} == SKIPPED
    assert reasons.count("") == _CASES - sum(SKIPPED.values())
