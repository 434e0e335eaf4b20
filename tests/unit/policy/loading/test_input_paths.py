"""The parts of the input that a policy may read: every reference counts, and one that isn't understood counts as all of it."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, parse_modules
from tabard_sidecar.policy.loading.input_paths import ALL_PATHS, input_paths

from tests.support.policy import START


def paths_of(engine, rule, imports=""):
    module = f"package policy.m\n\n{imports}\n\n{rule}\n"
    return input_paths(parse_modules(engine, {"m.rego": module}).values())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("a if input.task.purpose", {("task", "purpose")}),
        ('a if input["task"]["purpose"]', {("task", "purpose")}),
        ("a if input.delegation.chain[_].holder", {("delegation", "chain")}),
        ("a if { some n; input.subject.claims[n] }", {("subject", "claims")}),
        (
            "a if input.subject.claims[input.agent.attributes.key]",
            {("subject", "claims"), ("agent", "attributes", "key")},
        ),
        ('a if { t := input.task; t["purpose"] }', {("task",)}),
        ('a if object.get(input.task, "purpose", "") == "x"', {("task",)}),
        ("a if { some part; input[part].purpose }", {()}),
        ("a if { i := input; i.task }", {()}),
        ("a if [input][0].task.purpose", {()}),
        ("a if f(input)\n\nf(x) := x.task", {()}),
        ('a := object.get(input, ["task", "id"], "")', {()}),
        ("a := [x | x := input.task.id]", {("task", "id")}),
        ("a := {input.task.id: input.agent.id}", {("task", "id"), ("agent", "id")}),
        ("a if { every x in input.history.labels { x == input.task.id } }",
         {("history", "labels"), ("task", "id")}),
        ("a := 1 if { input.x } else := input.task.id", {("x",), ("task", "id")}),
        ("a[input.task.id] := 1", {("task", "id")}),
        ("a contains input.task.id", {("task", "id")}),
        ("f(x) := input.agent.id if x", {("agent", "id")}),
        ('default a := "x"', set()),
        ("a if data.lib.x with input.task.id as 1", {("task", "id")}),
        ("a if data.lib.x with input as input.task", {(), ("task",)}),
        ('a := $"{input.task.id}"', {("task", "id")}),
    ],
)  # fmt: skip
def test_every_reference_counts(engine, rule, expected):
    assert paths_of(engine, rule) == expected


@pytest.mark.parametrize(
    ("imports", "rule", "expected"),
    [
        ("import input.task", "a if task.purpose", {("task", "purpose")}),
        ("import input.task as t", "a if t.purpose", {("task", "purpose")}),
        ("import input.task as t", "a := t", {("task",)}),
        ("import input as i", "a if i.task.purpose", {("task", "purpose")}),
        ("import input as i", "a := i", {()}),
    ],
)
def test_imports_are_followed(engine, imports, rule, expected):
    assert paths_of(engine, rule, imports) == expected


def test_a_masks_input_is_another(engine):
    """A mask reads decision records."""
    masks = 'package system.log\n\nmask contains "/input/x" if input.result.allowed\n'
    assert input_paths(parse_modules(engine, {"mask.rego": masks}).values()) == set()


def compiled(engine, rule, **options):
    module = f"package policy.m\n\n{rule}\n{START}"
    found = compile_policy(engine, {"m.rego": module}, None, CompileOptions(**options))
    found.close()
    return found.reads


def test_what_the_library_reads_counts(engine):
    """Only of the rules that the policy reaches."""
    rule = (
        'grant contains {"code": "ok"} if { input.tool.name == "t"; data.tabard.lib.chain.depth_at_most(3) }'
    )
    reads = compiled(engine, rule, remote=True)
    assert reads == {("operation",), ("tool", "name"), ("delegation", "depth")}


def test_it_is_looked_for_only_where_inputs_are_cut(engine):
    assert compiled(engine, 'grant contains {"code": "ok"} if input.tool.name == "t"') == ALL_PATHS
