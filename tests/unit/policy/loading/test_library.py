"""The library's modules compile into a policy as the guide shows them, and texts of 100 KB don't reach the deadline."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy

from tests.support.policy import GUIDE, START, policy_input, tool

NEW = (
    "amounts",
    "arguments",
    "bans",
    "clauses",
    "codes",
    "commands",
    "conditions",
    "entities",
    "forms",
    "groups",
    "hosts",
    "lures",
    "measures",
    "outbound",
    "paths",
    "quantities",
    "relations",
    "scopes",
    "wording",
)
EXAMPLES = {
    name: re.findall(r"`(\w+(?:\([^`…]*\))?)`", examples)
    for name, examples in re.findall(r"`data\.tabard\.lib\.(\w+)` \| (.*?) \|$", GUIDE, re.MULTILINE)
}
READS_TEXTS = {
    "commands": 'commands.only_looks("body")',
    "lures": 'lures.within("body", {"Ann Lee"}) == {}',
    "codes": 'codes.requested({"body"})',
    "forms": 'forms.known("body", {"Ann Lee"})',
    "hosts": 'hosts.links_requested_or_trusted("body", {}, set())',
    "outbound": 'outbound.mostly_words_from_request("body")',
    "paths": 'paths.requested({"body"}, ["/notes"])',
    "texts": 'texts.unsaid("body", {"Ann Lee"}) == {}',
}
LONG = (
    "lorem ipsum ",
    "a.",
    "a1",
    "1 ",
    "a@",
    "one ",
    "/a",
    "aB1-",
    "https://",
    "x.example/a ",
    "\N{GRINNING FACE}",
    "é.",
    "\N{FULLWIDTH DIGIT ONE}",
)
LONG_REQUESTS = (
    "under $1 ",
    "two ",
    "as a a a a ",
    "tell a, two a ",
    "order 1 and ",
    "please ",
    "Ann Lee ",
    "'a ",
    "two hundred thousand and ",
    "12 euros ",
    "Ann goes to and it, ",
    "if a, let Ann take: ",
    "a needs ",
    "if a ",
    "at two half past ",
    "leave a ",
    "tell all who ",
    "a 's two 's ",
    "no refunds ",
    "send a a mail ",
    "0909 ",
)
LENGTHS = (10_000, 20_000, 100_000)  # also the longest that the modules read
DEADLINE_SECONDS = 3.0  # of which a quiet machine needs a thirtieth; quadratic work would need hours


@pytest.mark.parametrize("name", NEW)
def test_the_examples_of_the_guide_compile(engine, name):
    uses = [re.sub(r"data\.\w+", "_known", f"{name}.{example}") for example in EXAMPLES[name]]
    rules = [f'deny contains {{"code": "c{n}", "message": "m"}} if {use}' for n, use in enumerate(uses)]
    listed = '["b"]' if name == "paths" else '{"a": ["b"]}'
    known = f"_known := {listed}" if any("_known" in use for use in uses) else ""
    text = "\n\n".join(["package policy.m", f"import data.tabard.lib.{name}", known, *rules, START])
    compiled = compile_policy(engine, {"m.rego": text}, {}, CompileOptions())
    compiled.close()
    assert uses
    assert compiled.warnings == ()


@pytest.mark.parametrize("name", READS_TEXTS)
def test_a_long_text_is_decided_in_time(engine, name):
    rule = f'grant contains {{"code": "g"}} if {READS_TEXTS[name]}'
    module = f"package policy.m\n\nimport data.tabard.lib.{name}\n\n{rule}\n{START}"
    compiled = compile_policy(engine, {"m.rego": module}, {}, CompileOptions())
    try:
        (entrypoint,) = compiled.decision.entrypoints
        for part, length in itertools.product(LONG, LENGTHS):
            asked = policy_input(tool=tool("t", body=part * (length // len(part))))
            text = json.dumps(asked, ensure_ascii=False).encode()
            # A deadline that passes raises.
            answer = compiled.decision.evaluate_blocking(entrypoint, text, deadline_seconds=DEADLINE_SECONDS)
            assert "grant" in json.loads(answer)
    finally:
        compiled.close()


READS_REQUESTS = (
    'amounts.within_limit("number")',
    'bans.on({"two", "pay"})',
    'bans.left_alone({"price"})',
    'commands.stated("text")',
    'conditions.all_match("a")',
    'amounts.quantity_requested("number")',
    'clauses.orders({"two"}, {"a"})',
    "clauses.told != set()",
    'codes.requested({"text"})',
    'entities.named({"O-1": ["Ann Lee"], "a@b.example": ["Two A"]}, {"order"}) != set()',
    'entities.ordered({"two"}, {"O-1": ["Ann Lee"]}, {"order"}) == set()',
    'entities.told({"O-1": ["Ann Lee"], "a@b.example": ["Two A"]}) != set()',
    "groups.described != set()",
    "groups.unnamed_told",
    'groups.told({"g": {"names": ["two"], "members": ["O-1"]}}, {"O-1": ["Ann Lee"]}) != set()',
    'hosts.requested("url", {})',
    "measures.said != set()",
    'paths.meant({"path"}, ["/a"])',
    'paths.requested({"path"}, ["/a"])',
    'quantities.count_requested("number")',
    'quantities.cents_requested("number")',
    'relations.meant({"a", "two"}, {"O-1": ["Ann Lee"]}, {"O-1": "x"}) != set()',
    'relations.told({"a", "two"}, {"O-1": ["Ann Lee"]}, {"O-1": "x"}) != set()',
    'scopes.of("O-1", {"O-1": ["Ann Lee"], "O-2": ["Two A"]}) != ""',
    "times.said != set()",
    "wishes.conditional",
    'wishes.deeds({"two", "send"}) != set()',
    "wishes.follows",
    "wishes.only_reads",
    'wishes.stated({"two", "move"}, {"ann lee"}) != set()',
    "wording.hands_over",
    'wording.mentions_forms("Yoga Mat")',
)
TOGETHER = 8
"""So many of them in one policy: each evaluation reads the request once for all."""


@pytest.mark.parametrize("begin", range(0, len(READS_REQUESTS), TOGETHER))
def test_a_long_request_is_read_in_time(engine, begin):
    uses = READS_REQUESTS[begin : begin + TOGETHER]
    imports = "\n".join(sorted({f"import data.tabard.lib.{use.split('.')[0]}" for use in uses}))
    rules = "\n".join(f'grant contains {{"code": "g{n}"}} if {use}' for n, use in enumerate(uses))
    module = f"package policy.m\n\n{imports}\n\n{rules}\n{START}"
    compiled = compile_policy(engine, {"m.rego": module}, {}, CompileOptions())
    try:
        (entrypoint,) = compiled.decision.entrypoints
        for part, length in itertools.product((*LONG, *LONG_REQUESTS), (4_096, 8_000)):
            asked = policy_input(
                tool=tool("t", number=3, text="under 1234", url="https://x.example", path="/a/b.pdf")
            )
            asked["task"]["statement"] = part * (length // len(part))
            text = json.dumps(asked, ensure_ascii=False).encode()
            answer = compiled.decision.evaluate_blocking(
                entrypoint, text, deadline_seconds=len(uses) * DEADLINE_SECONDS
            )
            assert "grant" in json.loads(answer)
    finally:
        compiled.close()
