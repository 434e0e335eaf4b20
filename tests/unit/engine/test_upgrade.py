"""Properties of OPA that an upgrade must not change, and one version of it everywhere."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_opa import Engine, opa_version
from tabard_opa_cli import opa_binary

ROOT = Path(__file__).resolve().parents[3]
# 1.21.0 to 1.22.0 drop rules silently, and versions before skip the signatures of bundles.
OLDEST = (1, 22, 4)


def test_library_command_and_components_have_one_version_and_none_that_drops_rules():
    version = opa_version()
    assert tuple(map(int, version.split("."))) >= OLDEST
    printed = subprocess.run([opa_binary(), "version"], capture_output=True, text=True, check=True).stdout
    assert f"Version: {version}\n" in printed
    for file, pattern in (
        ("engine/go/go.mod", r"open-policy-agent/opa v(\S+)"),
        ("engine/README.md", r"\(https://www.openpolicyagent.org\) (\S+) as a library"),
        ("tests/components/opa.sh", r"VERSION=(\S+)"),
        ("tests/components/opa/go.mod", r"open-policy-agent/opa v(\S+)"),
        ("tests/support/containers.py", r"openpolicyagent/opa:([0-9.]+)"),
    ):
        assert re.findall(pattern, (ROOT / file).read_text()) == [version], file


_FIELDS = ("a", "b", "c")
_VALUES = st.sampled_from(["x", "y", "x.y", 1, 2, True, None])
_CONDITION = st.one_of(
    st.tuples(st.just("=="), st.sampled_from(_FIELDS), _VALUES),
    st.tuples(st.just("!="), st.sampled_from(_FIELDS), _VALUES),
    st.tuples(st.just("in"), st.sampled_from(_FIELDS), st.lists(_VALUES, min_size=1, max_size=3)),
    st.tuples(st.just("glob"), st.sampled_from(_FIELDS), st.sampled_from(["x", "x.*", "*"])),
    st.tuples(st.just("not"), st.sampled_from(_FIELDS), _VALUES),
)


def _rego(condition) -> str:
    kind, field, value = condition
    match kind:
        case "in":
            return f"input.{field} in {json.dumps(value)}"
        case "glob":
            return f'glob.match({json.dumps(value)}, ["."], sprintf("%v", [input.{field}]))'
        case "not":
            return f"not input.{field} == {json.dumps(value)}"
    return f"input.{field} {kind} {json.dumps(value)}"


def _same(left, right) -> bool:
    return type(left) is type(right) and left == right


def _holds(condition, document) -> bool:
    kind, field, value = condition
    if kind == "not":
        return not (field in document and _same(document[field], value))
    if field not in document:
        return False
    found = document[field]
    match kind:
        case "==":
            return _same(found, value)
        case "!=":
            return not _same(found, value)
        case "in":
            return any(_same(found, one) for one in value)
    text = (
        {True: "true", None: "null"}.get(found, str(found))
        if not isinstance(found, int) or found is True
        else str(found)
    )
    pattern = {"x": "x", "x.*": r"x\.[^.]*", "*": r"[^.]*"}[value]
    return re.fullmatch(pattern, text) is not None


@settings(deadline=None, max_examples=150)
@given(
    rules=st.lists(st.lists(_CONDITION, max_size=4), min_size=1, max_size=25),
    documents=st.lists(st.dictionaries(st.sampled_from(_FIELDS), _VALUES), min_size=1, max_size=6),
    files=st.integers(1, 4),
)
def test_no_rule_is_dropped(rules, documents, files):
    """Rules of one set, in some files of one package, with conditions of the kinds that OPA indexes."""
    sources = [f"package a\n\ndeny contains -1 if input.never.{n}\n\n" for n in "pqrs"[:files]]
    for number, conditions in enumerate(rules):
        body = "\n\t".join(["true", *map(_rego, conditions)])
        sources[number % files] += f"deny contains {number} if {{\n\t{body}\n}}\n\n"
    modules = {f"{number}.rego": source for number, source in enumerate(sources)}
    with Engine() as engine, engine.compile(modules, {}, entrypoints=["data.a.deny"]) as policy:
        for document in documents:
            found = policy.evaluate_blocking(
                "data.a.deny", json.dumps(document).encode(), deadline_seconds=20
            )
            wanted = [
                n for n, conditions in enumerate(rules) if all(_holds(one, document) for one in conditions)
            ]
            assert json.loads(found) == wanted
