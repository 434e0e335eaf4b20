"""A policy is compiled with the modules of the library that it reaches, and with no other."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.loading import compiling
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.resources import library

INTENT = {"exclusions", "intent", "sets", "verbs"}
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
        ("import data.tabard.lib.intent as why", 'why.purpose_is("x")', INTENT),
        ("import data.tabard.lib as ours", 'ours.intent.purpose_is("x")', ALL),
        ("", 'data.tabard.lib.intent.purpose_is("x")', INTENT),
        ("", 'data["tabard"].lib["intent"].purpose_is("x")', INTENT),
        ("import data.tabard.lib.intent", 'not intent.purpose_is("x")', INTENT),
        ("", 'some name in ["intent"]; data.tabard.lib[name].trusted', ALL),
    ],
)
def test_what_is_reached_is_compiled(compiled_with, imports, body, wanted):
    """However it is written; a reference whose module isn't constant reaches every module."""
    assert compiled_with(imports, body) == wanted


def test_what_a_helper_reaches_is_compiled(compiled_with):
    """A module below ``lib`` of the policy's own."""
    helper = "package lib.h\n\nimport data.tabard.lib.chain\n\nshort if chain.depth_at_most(3)\n"
    assert compiled_with("import data.lib.h", "h.short", helper=helper) == {"chain", "sets"}


def test_a_name_that_does_not_exist_is_told_with_the_nearest(engine):
    """Also if it lies in a module that nothing else reaches."""
    modules = {"p/p.rego": START.format(imports="", body='data.tabard.lib.intnt.purpose_is("x")')}
    with pytest.raises(PolicyBrokenError) as caught:
        compile_policy(engine, modules, {}, CompileOptions())
    assert "did you mean 'data.tabard.lib.intent.purpose_is'" in str(caught.value)
