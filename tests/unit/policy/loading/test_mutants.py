"""A name in an example policy that is misspelt is refused, wherever it stands."""

from __future__ import annotations

import os
import re
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.policy.catalogue import load_catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import REPOSITORY

EXAMPLES = REPOSITORY / "rego" / "examples"
CLAIMS = frozenset({"groups"})
ROLES = frozenset({"account_holder", "desk_lead", "requester"})

# docs/policy-guide.md lists these kinds under "What can't be seen": codes and texts, names that are stated once and
# used throughout, words of a request, values of claims, names of workloads, and names that are computed.
UNSEEN = re.compile(
    r'"(code|message|reason)": (sprintf\()?"[^"]*$'
    r'|contains \{"code": "[^"]*$'
    r'|_ask\("[^"]*$|_ask\("[a-z_]+", "[^"]*$'
    r'|^_(purpose|backend|audience) := "[^"]*$'
    r'|intent\.mentions\("[^"]*$'
    r'|has_claim\("groups", "[^"]*$'
    r'|"audiences": \[_audience, "[^"]*$'
    r'|startswith\(input\.request\.holder, "[^"]*$'
)


def options(name):
    catalogue = next(iter((EXAMPLES / name).glob("catalogue.*")), None)
    tools = None if catalogue is None else load_catalogue(catalogue)
    return CompileOptions(offers=Offers(claims=CLAIMS, roles=ROLES, tools=tools))


def literals(node):
    """Yield (row, column, text) of every text and name below a node of the syntax tree."""
    if isinstance(node, list):
        for child in node:
            yield from literals(child)
    elif isinstance(node, dict):
        if node.get("type") == "string" and "location" in node:
            yield node["location"]["row"], node["location"]["col"], node["value"]
        for key, child in node.items():
            if key not in {"annotations", "comments", "imports", "location", "package"}:
                yield from literals(child)


def exchanged(text):
    """Return the text with the first two different letters that stand together exchanged."""
    return re.sub(r"([a-z])(?!\1)([a-z])", r"\2\1", text, count=1)


def dropped(text):
    return re.sub(r"([a-z])[a-z]", r"\1", text, count=1)


def doubled(text):
    return re.sub(r"([a-z])([a-z])", r"\1\2\2", text, count=1)


def replaced(text):
    return re.sub(r"([a-z])[a-z]", r"\1q", text, count=1)


def capitalized(text):
    return re.sub(r"[a-z]", lambda found: found[0].upper(), text, count=1)


def plural(text):
    if re.fullmatch(r".*[a-z]s", text):
        return text[:-1]
    return f"{text}s" if re.fullmatch(r".*[a-z]", text) else text


def dashed(text):
    return text.replace("_", "-") if "_" in text else text.replace("-", "_")


MISSPELT = (exchanged, dropped, doubled, replaced, capitalized, plural, dashed)


@cache
def mutants():
    """Return (example, file, row, mutated source) for every literal of the examples that can be seen."""
    found = []
    with Engine() as engine:
        for example in sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()):
            for file, text in load_source(EXAMPLES / example / "policy").modules.items():
                lines = text.split("\n")
                for row, column, value in sorted(set(literals(engine.parse(file, text)))):
                    line = lines[row - 1]
                    start = column - 1 + (line[column - 1 : column] == '"')
                    if not line.startswith(value, start) or UNSEEN.search(line[:start]):
                        continue
                    for wrong in sorted({misspell(value) for misspell in MISSPELT} - {value}):
                        changed = line[:start] + wrong + line[start + len(value) :]
                        source = "\n".join([*lines[: row - 1], changed, *lines[row:]])
                        found.append((example, file, f"{row}: {changed.strip()}", source))
    return found


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_the_examples_themselves_are_accepted(engine, example):
    source = load_source(EXAMPLES / example / "policy")
    compile_policy(engine, source.modules, source.data, options(example), source.tests).close()


@settings(
    max_examples=int(os.environ.get("TABARD_MUTANTS", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_a_misspelt_name_is_refused(engine, data):
    example, file, place, text = data.draw(st.sampled_from(mutants()))
    source = load_source(EXAMPLES / example / "policy")
    try:
        compile_policy(engine, {**source.modules, file: text}, source.data, options(example)).close()
    except PolicyBrokenError:
        return
    pytest.fail(f"{example}: nothing refuses line {place}")


def test_most_names_of_the_examples_can_be_seen():
    """The list of what can't be seen doesn't hide the test's subject."""
    assert len(mutants()) > 3000


@pytest.mark.parametrize(
    ("example", "path"),
    [
        ("support", ("support", "agents")),
        ("support", ("support", "customers")),
        ("bank", ("bank", "blocked")),
        ("bank", ("bank", "roles")),
        ("agentdojo_banking", ("bank", "payees")),
        ("agentdojo_slack", ("workspace", "links")),
    ],
)
def test_data_that_is_gone_is_refused(engine, example, path):
    source = load_source(EXAMPLES / example / "policy")
    head, key = path
    data = {**source.data, head: {name: value for name, value in source.data[head].items() if name != key}}
    with pytest.raises(PolicyBrokenError, match=rf"data\.{head}\.{key} isn't in any data file"):
        compile_policy(engine, source.modules, data, options(example)).close()


@pytest.mark.parametrize("line", ["tabrad: {labels: [x]}", "Tabard: {labels: [x]}", "tabard: {lables: [x]}"])
def test_misspelt_metadata_is_refused(engine, line):
    source = load_source(EXAMPLES / "quickstart" / "policy")
    modules = {file: f"# METADATA\n# custom:\n#   {line}\n{text}" for file, text in source.modules.items()}
    with pytest.raises(PolicyBrokenError, match=r"custom\."):
        compile_policy(engine, modules, source.data, options("quickstart"))


@pytest.mark.parametrize("misspell", MISSPELT)
@pytest.mark.parametrize(
    ("example", "path"), [("support", ("support", "agents")), ("bank", ("bank", "roles"))]
)
def test_a_misspelt_key_of_the_data_is_refused(engine, example, path, misspell):
    source = load_source(EXAMPLES / example / "policy")
    head, key = path
    wrong = misspell(key)
    if wrong == key:
        wrong = f"{key}_"
    data = {
        **source.data,
        head: {wrong if name == key else name: item for name, item in source.data[head].items()},
    }
    with pytest.raises(PolicyBrokenError, match=rf"data\.{head}\.{key} isn't in any data file"):
        compile_policy(engine, source.modules, data, options(example)).close()
