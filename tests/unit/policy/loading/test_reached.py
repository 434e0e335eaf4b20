"""A policy is compiled with the rules of the library that it reaches, and with no other."""

from __future__ import annotations

import json
from functools import cache

import pytest
from tabard_sidecar.policy.loading import compiling
from tabard_sidecar.policy.loading.ast import DataRef, aliases, package_path, place, refs, rules
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.reached import reached
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.resources import library, rego_root

WHOLE_INTENT = {"exclusions", "intent", "sets", "states", "verbs"}
ALL = {file.split("/")[-1].removesuffix(".rego") for file in library()} - {"decision"}
START = """
package policy.p

{imports}

start contains {{"code": "s", "limits": {{"ttl_seconds": 60}}}}

grant contains {{"code": "g"}} if {{
	{body}
}}
"""


@pytest.fixture
def compiled_with(engine, monkeypatch):
    """Return a function that compiles a policy and returns the library's modules that it was compiled with."""

    def compiled(imports, body, *, helper=""):
        jobs = []
        compile_job = compiling._compile
        monkeypatch.setattr(compiling, "_compile", lambda *args: jobs.append(args[1]) or compile_job(*args))
        modules = {"p/p.rego": START.format(imports=imports, body=body)}
        if helper:
            modules["lib/h/h.rego"] = helper
        compile_policy(engine, modules, {}, CompileOptions()).close()
        monkeypatch.undo()
        names = {file.split("/")[-1].removesuffix(".rego") for file in jobs[0].modules if "/lib/" in file}
        return names & ALL

    return compiled


@pytest.mark.parametrize(
    ("imports", "body", "wanted"),
    [
        ("", 'input.tool.name == "x"', set()),
        ("import data.tabard.lib.sets", 'sets.has(["x"], input.tool.name)', {"sets"}),
        ("import data.tabard.lib.intent as why", 'why.purpose_is("x")', {"intent"}),
        ("import data.tabard.lib.intent", 'intent.purpose_in(["x"])', {"intent", "sets"}),
        (
            "import data.tabard.lib.intent",
            'intent.mentions("x")',
            {"exclusions", "intent", "states", "verbs"},
        ),
        ("import data.tabard.lib.intent", "intent[input.tool.name]", WHOLE_INTENT),
        ("import data.tabard.lib as ours", 'ours.intent.purpose_is("x")', ALL),
        ("", 'data.tabard.lib.intent.purpose_is("x")', {"intent"}),
        ("", 'data["tabard"].lib["intent"].purpose_is("x")', {"intent"}),
        ("import data.tabard.lib.intent", 'not intent.purpose_is("x")', {"intent"}),
        ("", 'some name in ["intent"]; data.tabard.lib[name].trusted', ALL),
    ],
)
def test_what_is_reached_is_compiled(compiled_with, imports, body, wanted):
    """However it is written; a reference whose module isn't constant reaches every module."""
    assert compiled_with(imports, body) == wanted


def test_what_a_helper_reaches_is_compiled(compiled_with):
    """A module below ``lib`` of the policy's own."""
    helper = "package lib.h\n\nimport data.tabard.lib.chain\n\nshort if chain.depth_at_most(3)\n"
    assert compiled_with("import data.lib.h", "h.short", helper=helper) == {"chain"}


def test_a_name_that_does_not_exist_is_told_with_the_nearest(engine):
    """Also if it lies in a module that nothing else reaches."""
    modules = {"p/p.rego": START.format(imports="", body='data.tabard.lib.intnt.purpose_is("x")')}
    with pytest.raises(PolicyBrokenError) as caught:
        compile_policy(engine, modules, {}, CompileOptions())
    assert "did you mean 'data.tabard.lib.intent.purpose_is'" in str(caught.value)


LIBRARY = {file: text for file, text in library().items() if file.startswith("tabard/lib/")}
PACKAGES = sorted(file.split("/")[2] for file in LIBRARY)
TESTS = {package: f"tabard/lib/{package}/{package}_test.rego" for package in PACKAGES}
ENTRIES = {package: f"data.tabard.lib.{package}_test" for package in PACKAGES}


@pytest.fixture(scope="module")
def parse(engine):
    """Parses a module; one that was parsed before is the same object."""
    return cache(engine.parse)


@pytest.fixture(scope="module")
def only_reached(parse):
    """Return a function that returns the sources of the library that are compiled with these modules."""

    def only(modules):
        found = reached([parse(file, text) for file, text in modules.items()], LIBRARY, parse)
        return {file: one.source for file, one in found.items()}

    return only


@pytest.fixture(scope="module")
def with_all(engine):
    """The whole library with all its tests."""
    tests = {file: (rego_root() / file).read_text() for file in TESTS.values()}
    with engine.compile(LIBRARY | tests, {}, entrypoints=list(ENTRIES.values())) as policy:
        yield policy


def results(policy, package):
    return json.loads(policy.evaluate_blocking(ENTRIES[package], b"{}", deadline_seconds=60))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_librarys_own_tests_cannot_tell_what_is_left_out(engine, parse, only_reached, with_all, package):
    """Each test of a package alone: with what it reaches it gives what it gives with the whole library."""
    file = TESTS[package]
    source = (rego_root() / file).read_text()
    kept = only_reached({file: source})
    with engine.compile({**kept, file: source}, {}, entrypoints=[ENTRIES[package]]) as policy:
        answer = results(policy, package)
    assert answer == results(with_all, package)
    tests = {rule.name for rule in rules(parse(file, source)) if rule.name.startswith("test_")}
    assert all(answer[name] is True for name in tests)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_rule_alone_compiles_and_refers_to_nothing_that_is_left_out(
    engine, parse, only_reached, package
):
    """A reference to what isn't there would be undefined, without an error."""
    file = f"tabard/lib/{package}/{package}.rego"
    compiled = []
    for rule in dict.fromkeys(rule.name for rule in rules(parse(file, LIBRARY[file]))):
        user = f"package user\n\nx := data.tabard.lib.{package}.{rule}\n"
        kept = only_reached({"user.rego": user})
        modules = [parse(name, text) for name, text in kept.items()]
        there = {(package_path(module)[2], each.name) for module in modules for each in rules(module)}
        assert (package, rule) in there
        if kept in compiled:
            continue
        compiled.append(kept)
        for module in modules:
            names = aliases(module)
            for ref in refs(module.get("rules") or [], names, place(module["package"])):
                if isinstance(ref, DataRef) and ref.path[:2] == ("tabard", "lib"):
                    assert ref.path[2:4] in there, (rule, ref)
        engine.compile(kept, {}, entrypoints=[f"data.tabard.lib.{package}"]).close()


def test_lines_keep_their_numbers(only_reached):
    """Errors and explanations name lines of the library."""
    user = 'package user\n\nx if data.tabard.lib.intent.purpose_is("x")\n'
    for file, text in only_reached({"user.rego": user}).items():
        whole = LIBRARY[file].split("\n")
        lines = text.split("\n")
        assert len(lines) == len(whole)
        assert all(line in ("", original) for line, original in zip(lines, whole, strict=True))
