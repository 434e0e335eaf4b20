"""A condition that no input can match is refused in every way of writing it, and no other condition is."""

from __future__ import annotations

import time

import pytest
from tabard_sidecar.policy.catalogue import catalogue_of
from tabard_sidecar.policy.loading.bounds import Allowance
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.offered import OWN_KINDS, Offers
from tabard_sidecar.policy.problems import PolicyBrokenError

DATA = {
    "lists": {"blocked": {"eve": True}, "known": ["a", "b"]},
    "people": {"u1": {"roles": ["clerk"]}, "u2": {"roles": []}},
    "limit": "5",
    "empty": {},
    "nothing": None,
    "bosses": {"u1": {"boss": None}, "u2": {"boss": "u1"}},
}
CATALOGUE = catalogue_of(
    {
        "tools": [
            {"name": "notes.read", "inputSchema": {"properties": {"id": {}}, "additionalProperties": False}},
            {
                "name": "notes.write",
                "labels": ["seen"],
                "inputSchema": {"properties": {"text": {}}, "additionalProperties": False},
            },
        ]
    },
    "catalogue.yaml",
)
OPTIONS = CompileOptions(
    offers=Offers(claims=frozenset({"groups"}), roles=frozenset({"lead"}), tools=CATALOGUE)
)
HEAD = """package policy.demo

grant contains {"code": "ok", "labels": ["untrusted"], "charges": {"cents": 1}} if input.operation == "authorize"

start contains {"code": "s", "limits": {
	"tools": ["notes.*", "mail.*"], "budgets": {"cents": 4}, "scopes": ["r"], "audiences": ["A"],
}} if input.subject.id != ""

"""
IMPORTS = {
    name: f"data.tabard.lib.{name}"
    for name in ("arguments", "budgets", "history", "labels", "outbound", "sets", "subject", "tools")
} | {"lists": "data.lists", "l": "data.lists"}
NEVER = [
    "data.lists.blokced",
    'arguments.texts("text") == data.limit',
    'data.lists["blokced"]',
    "data.lists.blokced[input.subject.id]",
    "l.blokced.eve",
    "lists.blokced.eve",
    "some x in data.lists.blokced; x == input.subject.id",
    "every x in data.lists.blokced { x != input.subject.id }",
    "count([y | some y in data.lists.blokced; y == input.subject.id]) > 0",
    "count({y | d := data.lists; some y in d.blokced}) > 0",
    "d := data.lists; d.blokced[input.subject.id]",
    'object.get(data.lists, "blokced", {})[input.subject.id]',
    'some k in {"blocked", "blokced"}; data.lists[k][input.subject.id]',
    'k := "blokced"; data.lists[k][input.subject.id]',
    'data["lists"]["blokced"][input.subject.id]',
    "not data.lists.blokced[input.subject.id]",
    "data.people[input.subject.id].rolse",
    "some p in data.people; p.rolse",
    'some id, p in data.people; "x" in p.rolse',
    "x = data.people[_]; x.rolse",
    "x.rolse; x = data.people[_]",
    "data.people.u3.roles",
    "sets.has(data.lists.blokced, input.subject.id)",
    "count(data.lists.blokced) > 0",
    "input.subject.id in data.lists.blokced",
    "input.subject.id in object.keys(data.lists.blokced)",
    'sprintf("%v", [data.lists.blokced]) == "x"',
    'x := {"a": data.lists.blokced}; x.a',
    "data.lists.blocked.eve == data.lists.knwon",
    'arguments.all_in("id", data.lists.blokced)',
    'input.operation == "authorise"',
    'input.operation != "authorise"',
    '"authorise" == input.operation',
    'input.operation in {"authorize", "filter_tool"}',
    'input.operation in ["authorise"]',
    'not input.operation == "authorise"',
    'o := input.operation; o == "authorise"',
    'op = "authorise"; op == input.operation',
    't := input; t.operation == "authorise"',
    '{"authorise": 1}[input.operation]',
    '{"authorise"}[input.operation]',
    '{["authorise"], "renew"}[input.operation]',
    'some op in {"authorise"}; op == input.operation',
    'input["operation"] == "authorise"',
    'object.get(input, "operation", "") == "authorise"',
    'object.get(input, ["task", "intent_source"], "") == "sgned"',
    'input.task.intent_source == "sgned"',
    'input.context.time > "5"',
    "input.context.time > data.limit",
    'input.delegation.depth == "3"',
    'input.delegation.chain[_].caveats[_].type == "tool"',
    'some c in input.delegation.constraints; c.type == "expirey"',
    'tools.one_of({"notes.read", "notes.wriet"})',
    'tools.one_of(["notes.wriet"])',
    'tools.one_of({"notes.wriet": true})',
    'input.tool.name == "notes.wriet"',
    'glob.match("nots.*", [], input.tool.name)',
    'glob.match("notes.raed", ["."], input.tool.name)',
    'regex.match("^nots", input.tool.name)',
    "regex.match(`^notes\\.wriet$`, input.tool.name)",
    'startswith(input.tool.name, "x"); input.tool.annotations.readOnlyHnt',
    'budgets.spent_more_than("cnts", 3)',
    'budgets.spent_at_most("cnts", 3)',
    "input.budgets.cnts.spent > 3",
    'input.budgets[b].spent > 3; b == "cnts"',
    'labels.has("untrusd")',
    'labels.has_any({"untrusted", "untrusd"})',
    '"untrusd" in input.history.labels',
    'subject.has_claim("gropus", "support")',
    "input.subject.claims.gropus",
    'object.get(input.subject.claims, "gropus", [])',
    'history.called({"notes.wriet"})',
    'input.tool.name == "notes.read"; input.tool.arguments.text',
    'input.tool.name == "notes.read"; arguments.in_range("text", 1, 2)',
    'arguments.in_range("txet", 1, 2)',
    'arguments.only({"id", "txet"})',
    'outbound.requested({"txet"}, {})',
    'not outbound.secrets_only_to({"id"}, {"untrusd"}, {})',
    '"txet" in arguments.names',
    'input.approvals[_].module == "dmo"',
    "data.lists.blocked in input.operation",
    'x := input.operation; x in {"authorise"}',
    'input.operation == ["authorize"][0]; input.operation == "authorisé"',
    "lower(input.operation) == 3",
    'graph := {"a": data.lists.blokced}; graph.a',
    "walk(data.lists.blokced, [p, v])",
    "f := [data.lists][0].blokced; f",
    "[x, _] := [data.lists, 1]; x.blokced",
    "x := data.lists; y := x; z := y; z.blokced",
    'data.lists[concat("", ["blok", "ced"])]',
    "max([count(data.lists.blokced), 1]) > 0",
    "input.task.purpose == 3",
    '"r" in input.task.purpose',
    '{x: 1 | some x in data.lists.blokced}["u"]',
    "true with data.lists.other as data.lists.blokced",
    'input.budgets[name].spent > 3; name != "other"',
    "data.lists.known[input.subject.id]",
    "not data.lists.known[input.subject.id]",
    "data.lists.known[lower(input.subject.id)]",
    'data.lists.known[split(input.subject.id, "@")[0]]',
    "some id, _ in data.lists.known; id == input.subject.id",
    "data.lists.known[id]; id == input.subject.id",
    "object.get(data.lists.known, input.subject.id, false)",
    "some g in input.subject.claims.groups; data.lists.known[g]",
    "data.lists.known[input.tool.arguments.id]",
    "d := data.lists; d.known[input.subject.id]",
    "data.people[input.subject.id].roles[input.task.purpose]",
    "data.nothing[input.subject.id]",
    "data.nothing[_]",
    "data.limit[input.subject.id]",
    "object.get(data.nothing, input.subject.id, false)",
    'some k in sort(object.keys(data.lists)); k == "blokced"; data.lists[k][input.subject.id]',
    'some k, v in data.lists; k == "blokced"; v[input.subject.id]',
    'data.lists[k][input.subject.id]; k == "blokced"',
    '{k: v | some k, v in data.lists}["blokced"][input.subject.id]',
    '{c.type: c | some c in input.delegation.constraints}["expirey"]',
    '{x | some x in input.history.labels}["untrusd"]',
    '{"notes.raed": input.delegation.depth}[input.tool.name] > 3',
    'some t, n in {"notes.raed": input.delegation.depth}; t == input.tool.name; n > 3',
    '{"notes.raed", input.operation}[input.tool.name]',
    '[input.operation, "notes.read"] = ["authorise", input.tool.name]',
    '["authorise", x] = [input.operation, input.tool.name]; x == "notes.read"',
    'array.slice(["authorise", "x"], 0, 1)[_] == input.operation',
]
RULES = [
    '_r contains "notes.raed"\n\ndeny contains {"code": "no", "message": "no"} if _r[input.tool.name]\n',
    '_r contains "notes.read"\n\ndeny contains {"code": "no", "message": "no"} if _r["notes.raed"]\n',
    '_r contains "notes.read"\n\n_r contains "notes.wriet"\n\ndeny contains {"code": "no", "message": "no"} if _r[input.tool.name]\n',
    '_r contains x if some x in ["notes.raed"]\n\ndeny contains {"code": "no", "message": "no"} if _r[input.tool.name]\n',
    '_r.all contains "notes.raed"\n\ndeny contains {"code": "no", "message": "no"} if _r.all[input.tool.name]\n',
    '_l["notes.raed"] := 500\n\ndeny contains {"code": "no", "message": "no"} if _l[input.tool.name] < 5\n',
    '_l["notes.raed"] := 500\n\n_l["notes.write"] := 1\n\ndeny contains {"code": "no", "message": "no"} if _l[input.tool.name] < 5\n',
    '_l.a["notes.raed"] := 500\n\ndeny contains {"code": "no", "message": "no"} if _l.a[input.tool.name] < 5\n',
    '_l[t] := 500 if some t in ["notes.raed"]\n\ndeny contains {"code": "no", "message": "no"} if _l[input.tool.name] < 5\n',
    '_l["notes.raed"] := 500\n\ndeny contains {"code": "no", "message": "no"} if object.get(_l, input.tool.name, 0) == 500\n',
    '_l["notes.raed"] := 500\n\ndeny contains {"code": "no", "message": "no"} if input.tool.name in object.keys(_l)\n',
    '_l["notes.raed"] := 500\n\ndeny contains {"code": "no", "message": "no"} if { some t, n in _l; t == input.tool.name; n > 3 }\n',
    '_l["notes.read"] := 500\n\ndeny contains {"code": "no", "message": "no"} if _l["notes.raed"] > 3\n',
    '_l[t] := 500 if some t in ["notes.read"]\n\ndeny contains {"code": "no", "message": "no"} if _l["notes.raed"] > 3\n',
    '_op(["authorise", "notes.read"])\n\ndeny contains {"code": "no", "message": "no"} if _op([input.operation, input.tool.name])\n',
    '_op({"op": "authorise"})\n\ndeny contains {"code": "no", "message": "no"} if _op({"op": input.operation})\n',
    '_f(x) if x.blokced[input.subject.id]\n\ndeny contains {"code": "no", "message": "no"} if _f(data.lists)\n',
    '_f(x) if x.blocked[input.subject.id]\n\n_f(x) if x.blokced[input.subject.id]\n\ndeny contains {"code": "no", "message": "no"} if _f(data.lists)\n',
    '_key := "blokced"\n\ndeny contains {"code": "no", "message": "no"} if data.lists[_key][input.subject.id]\n',
    '_f("authorise") := 1\n\n_f("renew") := 2\n\ndeny contains {"code": "no", "message": "no"} if _f(input.operation)\n',
    '_t := {"notes.raed": 1, "notes.write": 2}\n\ndeny contains {"code": "no", "message": "no"} if _t[input.tool.name]\n',
    '_ops contains "authorise"\n\ndeny contains {"code": "no", "message": "no"} if input.operation in _ops\n',
    '_ops := {"authorise"}\n\ndeny contains {"code": "no", "message": "no"} if input.operation in _ops\n',
    '_p := data.people[input.subject.id]\n\ndeny contains {"code": "no", "message": "no"} if _p.rolse\n',
    '_l := data.lists\n\ndeny contains {"code": "no", "message": "no"} if _l.blokced[input.subject.id]\n',
    'default _x := 3\n\n_x := 4 if data.lists.blokced\n\ndeny contains {"code": "no", "message": "no"} if _x == 4\n',
    '_x := 4 if { false } else := 5 if data.lists.blokced\n\ndeny contains {"code": "no", "message": "no"} if _x == 5\n',
    'deny contains {"code": "no", "message": sprintf("%v", [data.lists.blokced])}\n',
    'grant contains {"code": "x", "credential": {"kind": "jwt", "audience": "B", "scopes": ["r"], "ttl_seconds": 4}} if true\n',
    'grant contains {"code": "x", "credential": {"kind": "jwt", "audience": "A", "scopes": ["w"], "ttl_seconds": 4}} if true\n',
    '_aud := "B"\n\n_for(s) := data.tabard.lib.credentials.once(_aud, [s], 4)\n\ngrant contains {"code": "x", "credential": _for("w")} if true\n',
    'grant contains {"code": "x", "credential": {"kind": "vault", "audience": "A"}} if true\n',
    'grant contains {"code": "x", "charges": {"cnts": 3}} if true\n',
    'ask contains {"code": "x", "approvers": ["laed"], "reason": "r", "uses": 1, "ttl_seconds": 4} if true\n',
    '_ask(r) := {"code": "x", "approvers": [r], "reason": "r", "uses": 1, "ttl_seconds": 4}\n\nask contains _ask("laed") if true\n',
]
MAY_RULES = [
    '_r contains "notes.read"\n\n_r contains input.tool.name if input.operation == "renew"\n\ndeny contains {"code": "no", "message": "no"} if _r[input.tool.name]\n',
    '_r contains x if some x in data.lists.known\n\ndeny contains {"code": "no", "message": "no"} if _r["c"]\n',
    '_l["notes.read"] := "x"\n\n_l[k] := 3 if some k, _ in data.people\n\ndeny contains {"code": "no", "message": "no"} if _l[input.subject.id] == 3\n',
    '_l["notes.read"] := 500\n\n_l["default"] := 1\n\n_limit := object.get(_l, input.tool.name, _l["default"])\n\ndeny contains {"code": "no", "message": "no"} if _limit < 5\n',
    '_l.a := 1\n\n_l.b := _l.a + 1\n\ndeny contains {"code": "no", "message": "no"} if _l.b < 5\n',
    '_l[r] := id if { some id, p in data.people; some r in p.roles }\n\ndeny contains {"code": "no", "message": "no"} if _l["boss"] == "u1"\n',
    '_op(["authorize", "notes.read"])\n\n_op(["renew", _])\n\ndeny contains {"code": "no", "message": "no"} if _op([input.operation, input.tool.name])\n',
    '_f(["a", x]) := x\n\n_f(["b", x]) := x + 1\n\ndeny contains {"code": "no", "message": "no"} if { _f(["a", 1]) > 3; _f(["b", 2]) > 3 }\n',
]
MAY = [
    "data.lists.blocked[input.subject.id]",
    "data.empty[input.subject.id].x",
    "data.empty[input.subject.id]",
    "some k, v in data.empty; v.x == k",
    'data.people[input.subject.id].roles[_] == "clerk"',
    "some x in data.lists.known; x == input.subject.id",
    "input.subject.id in data.lists.known",
    "not input.subject.id in data.lists.known",
    'some x in ["a", 1, true]; x == input.subject.id; is_string(x)',
    'object.get(input.subject, "authenticated_at", 0) < 5',
    'object.get(input.tool.arguments, "id", null) == null',
    'input.operation in {"authorize", "renew"}',
    'op := input.operation; op != "renew"',
    'startswith(input.operation, "auth")',
    "count(input.delegation.chain) > 3",
    'input.delegation.chain[0].holder == "x"',
    'some i; input.delegation.chain[i].holder == "x"; i > 0',
    'some i, c in input.delegation.chain; i == 0; c.holder == "x"',
    '[x, y] := split(input.subject.id, "/"); x == "a"; y == "b"',
    '{"a": z} := {"a": input.subject.id}; z == "q"',
    "input.tool.arguments.id == 3",
    'input.tool.arguments.id == "3"',
    'tools.one_of({"notes.read"}); not arguments.absent("id")',
    'labels.has("untrusted"); labels.has("seen")',
    '"reported:seen" in input.history.labels',
    'subject.has_claim("groups", "x")',
    '"x" in input.subject.claims.groups',
    'input.subject.claims.groups[_] == "x"',
    "input.budgets.cents.remaining < 5",
    'some name, b in input.budgets; name == "cents"; b.spent > 3',
    'history.called({"notes.read"})',
    'glob.match("notes.*", [], input.tool.name)',
    'regex.match("^notes", input.tool.name)',
    'glob.match("{notes,nots}.*", [], input.tool.name)',
    'glob.match("*.read", ["."], input.tool.name)',
    'glob.match("n?tes.[rw]*", ["."], input.tool.name)',
    "regex.match(`^notesx?\\.(read|write)$`, input.tool.name)",
    "regex.match(`^nots|^notes`, input.tool.name)",
    "regex.match(`^notesq*\\.r`, input.tool.name)",
    'regex.match("(?i)^NOTES", input.tool.name)',
    'regex.match("otes", input.tool.name)',
    "x := [1, 2, 3][_]; x > 2; input.delegation.depth == x",
    'walk(input.tool.arguments, [path, value]); value == "x"',
    'time.weekday(input.context.time * 1000000000) == "Sunday"',
    'json.filter(input, ["task/id"]).task.id == "x"',
    "data.limit == input.task.purpose",
    'some a, b in {"x": 1}; a == input.task.purpose; b == input.delegation.depth',
    'x := {"a": 1, "b": 2}; x[input.task.purpose] == 2',
    'x := object.union({"a": 1}, {"b": 2}); x.b == 2',
    'input.context.time - object.get(input.subject, "authenticated_at", 0) > 900',
    'every c in input.delegation.chain { c.holder != "x" }',
    'n := count([1 | some c in input.history.calls; c.tool == "notes.read"]); n > 3',
    'trim_suffix(input.subject.id, "@x") in {"a", "b"}',
    'union({{"a"}, {"b"}})[input.subject.id]',
    's := {"a", "b"} - {"b"}; input.subject.id in s',
    's := {"a", "b"} & {"b"}; input.subject.id in s',
    's := {x | some x in ["a"]} | {"b"}; s[input.subject.id]',
    'input.task.statement == ""',
    'input.tool.server == "crm"',
    'input.request.holder == "spiffe://x"',
    "input.request.limits.budgets.other > 3",
    "input.context.asserted.foo == 3",
    "input.tool.annotations.readOnlyHint == true",
    "not input.tool.annotations.destructiveHint == false",
    "input.delegation.depth == 3.0",
    "data.people[input.subject.id].roles == []",
    'count({r | some r in data.people[input.subject.id].roles; r == "boss"}) == 0',
    "x := data.people[input.subject.id]; not x.roles",
    'input.agent.attributes.namespace == "prod"',
    "data.lists.known[_] == input.subject.id",
    "some i, x in data.lists.known; i == 0; x == input.subject.id",
    'data.lists.known[count(input.delegation.chain)] == "a"',
    'data.lists.known[to_number(input.tool.arguments.id)] == "a"',
    "object.get(data.lists.blocked, input.subject.id, false)",
    "some g in input.subject.claims.groups; data.lists.blocked[g]",
    "m := data.bosses[input.subject.id].boss; m != null; m == input.tool.arguments.id",
    "data.bosses[input.subject.id].boss == null",
    'some k in sort(object.keys(data.lists)); k == "blocked"; data.lists[k][input.subject.id]',
    'some k, v in data.lists; k != "known"; v[input.subject.id]',
    '{k: v | some k, v in data.lists}["blocked"][input.subject.id]',
    '{x: 1 | some x in data.lists.known}["c"] == 1',
    '["authorize", x] = [input.operation, input.tool.name]; x == "notes.read"',
    'some k, _ in data.empty; k == "x"',
    'some x in sort(data.lists.known); x == "c"',
]
PASSED_NEVER = [
    'time.weekday(input.context.time * 1000000000) in {"saturday", "sunday"}',
    'time.weekday(input.context.time * 1000000000) == "sunday"',
    'type_name(input.tool.arguments.id) == "integer"',
    '[input.operation, input.tool.name] == ["authorise", "notes.read"]',
    "object.union(data.lists, data.empty).blokced[input.subject.id]",
    'object.subset(input.tool, {"naem": "notes.read"})',
    'object.subset(input, {"tool": {"name": "notes.raed"}})',
    'object.subset(data.people, {"u1": {"rolse": ["x"]}})',
    'count({input.operation} & {"authorise"}) > 0',
    'count({x | some x in input.history.labels} & {"untrusd"}) > 0',
    'count(object.filter(input.subject.claims, ["gruops"])) > 0',
    'json.filter(input.tool, ["naem"]) != {}',
    'json.filter(input, ["/tool/naem"]) != {}',
    'array.concat(["authorise"], ["x"])[_] == input.operation',
    'startswith("notes.", input.tool.name)',
]
PASSED_MAY = [
    'time.weekday(input.context.time * 1000000000) in {"Saturday", "Sunday"}',
    'type_name(input.tool.arguments.id) == "number"',
    '[input.operation, input.tool.name] == ["authorize", "notes.read"]',
    '[input.operation, _] = ["authorize", 1]',
    "object.union(data.lists, data.empty).blocked[input.subject.id]",
    'object.union({"a": 1}, {"b": input.delegation.depth}).b == 2',
    'object.subset(input.tool, {"name": "notes.read"})',
    'object.subset(input, {"tool": {"name": "notes.read"}})',
    'count({input.operation} & {"authorize"}) > 0',
    'count({x | some x in input.history.labels} & {"untrusted"}) > 0',
    'count(object.filter(input.subject.claims, ["groups"])) > 0',
    'json.filter(input, ["/tool/name", "task/id"]) != {}',
    'json.filter(input, ["delegation/chain/0/holder"]) != {}',
    'some o in array.concat(["authorize"], ["renew"]); o == input.operation',
    'startswith("notes.read.more", input.tool.name)',
    'object.keys(input.tool.arguments) - {"id", "text"} == set()',
]
LIMITS_NEVER = [
    '{"budgets": {"cnets": 1}}',
    '{"budgets": {"cents": 1, "cnets": 1}}',
    '{"tools": ["ntoes.*"]}',
    '{"tools": ["notes.*", "calendar.read"]}',
    '{"scopes": ["w"]}',
    '{"audiences": ["B"]}',
    "data.tight",
]
LIMITS_MAY = [
    "{}",
    '{"budgets": {"cents": 1}, "scopes": ["r"], "audiences": ["A"], "purposes": ["p"]}',
    '{"tools": ["notes.read", "mail.*", "*.read", "n*s.*", "*"]}',
    '{"budgets": {input.task.purpose: 3}}',
]


def problems(engine, rules, *, data=DATA, metadata="", options=OPTIONS):
    """Return the codes of every problem of a policy with these rules, which import what they name."""
    used = [
        f"import {path}" + (f" as {name}" if path.split(".")[-1] != name else "")
        for name, path in IMPORTS.items()
        if f" {name}." in f" {rules}".replace("(", " ").replace("\t", " ").replace("{", " ")
        or f" {name};" in rules
    ]
    text = metadata + HEAD.replace("policy.demo\n", "policy.demo\n" + "\n".join(used) + "\n", 1) + rules
    try:
        compile_policy(engine, {"demo.rego": text}, data, options).close()
    except PolicyBrokenError as error:
        return {problem.code for problem in error.problems}
    return set()


def denied_if(conditions):
    """Return a rule that denies under conditions, which a semicolon separates."""
    body = "\n\t".join(part.strip() for part in conditions.split("; "))
    return f'deny contains {{"code": "no", "message": "no"}} if {{\n\t{body}\n}}\n'


@pytest.mark.parametrize("conditions", NEVER)
def test_a_condition_that_never_holds_is_refused(engine, conditions):
    found = problems(engine, denied_if(conditions))
    assert found
    assert found <= {
        "annotation_unknown",
        "argument_unknown",
        "budget_unknown",
        "claim_unknown",
        "data_unknown",
        "label_unknown",
        "label_unread",
        "rego_type_error",
        "tool_unknown",
        "type_mismatch",
        "value_unknown",
    }


@pytest.mark.parametrize("conditions", PASSED_NEVER)
def test_a_name_that_a_builtin_passes_on_is_followed(engine, conditions):
    found = problems(engine, denied_if(conditions))
    assert found
    assert not any(code.startswith("rego_") for code in found)


@pytest.mark.parametrize("conditions", PASSED_MAY)
def test_a_right_name_that_a_builtin_passes_on_is_accepted(engine, conditions):
    assert problems(engine, denied_if(conditions)) == set()


@pytest.mark.parametrize("rules", RULES)
def test_helpers_and_functions_hide_nothing(engine, rules):
    found = problems(engine, rules)
    assert found
    assert not any(code.startswith("rego_") for code in found)


@pytest.mark.parametrize("rules", MAY_RULES)
def test_helpers_that_may_hold_are_accepted(engine, rules):
    assert problems(engine, rules) == set()


@pytest.mark.parametrize("conditions", MAY)
def test_a_condition_that_may_hold_is_accepted(engine, conditions):
    assert problems(engine, denied_if(conditions)) == set()


def delegating(limits):
    return f'delegate contains {{"code": "d", "limits": {limits}}} if input.request.holder != ""\n'


@pytest.mark.parametrize("limits", LIMITS_NEVER)
def test_limits_of_a_hop_that_name_what_no_start_rule_grants_are_refused(engine, limits):
    tight = {**DATA, "tight": {"budgets": {"cnets": 1}}}
    rules = [delegating(limits), f"_limits := {limits}\n\n{delegating('_limits')}"]
    for rule in rules[: 1 if limits.startswith("data.") else 2]:
        found = problems(engine, rule, data=tight)
        assert found
        assert found <= {"audience_unknown", "budget_unknown", "scope_unknown", "tool_unknown"}


@pytest.mark.parametrize("limits", LIMITS_MAY)
def test_limits_of_a_hop_that_narrow_are_accepted(engine, limits):
    assert problems(engine, delegating(limits)) == set()


PAYMENT = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer"},
        "currency": {"type": "string", "enum": ["EUR", "SEK"]},
        "to": {"type": "array", "items": {"type": "string"}},
        "address": {"type": "object", "properties": {"zip": {"type": "string"}}},
        "note": {"type": ["string", "null"]},
        "any": {},
    },
}
ARGUMENTS_NEVER = [
    "input.tool.arguments.amount > data.limit",
    'input.tool.arguments.amount > "100"',
    'input.tool.arguments.amount == "100"',
    "a := input.tool.arguments; a.amount >= data.limit",
    'object.get(input.tool.arguments, "amount", 0) > data.limit',
    'input.tool.arguments.currency == "ERU"',
    'input.tool.arguments.currency in {"EUR", "SKE"}',
    "input.tool.arguments.to[_] == 5",
    "some to in input.tool.arguments.to; to == 5",
    "input.tool.arguments.address.zip == 5",
    "input.tool.arguments.amount in data.lists.known",
    "data.lists.blocked[input.tool.arguments.amount]",
]
ARGUMENTS_MAY = [
    "input.tool.arguments.amount > 100",
    "input.tool.arguments.amount > 0.5",
    'object.get(input.tool.arguments, "amount", null) == null',
    'input.tool.arguments.currency == "SEK"',
    'input.tool.arguments.note == "x"',
    "input.tool.arguments.note == null",
    "input.tool.arguments.any > data.limit",
    'input.tool.arguments.to[0] == "x"',
    'input.tool.arguments.address.street == "x"',
    "data.lists.blocked[input.tool.arguments.to[_]]",
    "is_number(input.tool.arguments.amount)",
    "not is_number(input.tool.arguments.amount)",
]


def paying(engine, conditions, *, closed):
    """Return the problems of a rule about two tools with typed arguments."""
    schema = {**PAYMENT, "additionalProperties": not closed}
    tools = [{"name": f"notes.{name}", "inputSchema": schema, "labels": ["seen"]} for name in ("pay", "plan")]
    offers = Offers(claims=frozenset(), tools=catalogue_of({"tools": tools}, "catalogue.yaml"))
    return problems(engine, denied_if(conditions), options=CompileOptions(offers=offers))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("conditions", ARGUMENTS_NEVER)
def test_an_argument_is_compared_with_its_type_in_the_catalogue(engine, conditions, closed):
    found = paying(engine, conditions, closed=closed)
    assert found
    assert found <= {"type_mismatch", "value_unknown"}


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("conditions", ARGUMENTS_MAY)
def test_an_argument_of_the_right_type_is_accepted(engine, conditions, closed):
    assert paying(engine, conditions, closed=closed) == set()


def test_an_argument_that_tools_describe_differently_may_have_any_type(engine):
    schemas = [
        {"properties": {"n": {"type": kind}}, "additionalProperties": False} for kind in ("integer", "string")
    ]
    tools = [{"name": f"notes.{i}", "inputSchema": schema} for i, schema in enumerate(schemas)]
    options = CompileOptions(offers=Offers(tools=catalogue_of({"tools": tools}, "catalogue.yaml")))
    assert problems(engine, denied_if("input.tool.arguments.n > data.limit"), options=options) == set()
    one = denied_if('input.tool.name == "notes.0"; input.tool.arguments.n > data.limit')
    assert problems(engine, one, options=options) == {"type_mismatch"}


VAULT = Offers(
    claims=frozenset(),
    kinds=frozenset({"jwt", "none", "vault"}),
    vault_roles={"orders": frozenset({"db", "copy"}), "weather": frozenset({"api"})},
)
VAULT_START = """package policy.demo

IMPORTS

start contains {"code": "s", "limits": {"audiences": ["db", "api"]}} if input.subject.id != ""

"""


def vault_problems(engine, credential, *, offers=VAULT):
    """Return the lines of the problems of a grant with a credential, by code."""
    used = "import data.tabard.lib.credentials" if credential.startswith("credentials.") else ""
    text = (
        VAULT_START.replace("IMPORTS", used)
        + f"""grant contains {{
	"code": "g",
	"credential": {credential},
}} if input.operation == "authorize"
"""
    )
    try:
        compile_policy(engine, {"demo.rego": text}, {}, CompileOptions(offers=offers)).close()
    except PolicyBrokenError as error:
        return {problem.code: problem.row for problem in error.problems}
    return {}


@pytest.mark.parametrize(
    "credential",
    [
        'credentials.vault("orders", "db", 60)',
        'credentials.vault("weather", "api", 60)',
        'credentials.at_edge(credentials.vault("weather", "api", 60))',
        '{"kind": "vault", "role": "orders", "audience": "db"}',
        'credentials.vault(input.tool.arguments.role, "db", 60)',
        'credentials.vault("orders", input.tool.arguments.audience, 60)',
        'credentials.jwt("db", [], 60)',
    ],
)
def test_roles_of_a_vault_that_are_configured(engine, credential):
    assert vault_problems(engine, credential) == {}


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        ('credentials.vault("order", "db", 60)', "credential_role_unknown"),
        ('credentials.at_edge(credentials.vault("order", "db", 60))', "credential_role_unknown"),
        ('credentials.at_edge(credentials.vault("orders", "api", 60))', "credential_audience_unknown"),
        ('{"kind": "vault", "role": "order", "audience": "db"}', "credential_role_unknown"),
        ('credentials.vault("orders", "api", 60)', "credential_audience_unknown"),
        ('credentials.vault("weather", "db", 60)', "credential_audience_unknown"),
        ('credentials.vault("orders", "copy", 60)', "audience_unknown"),
        ('{"kind": "exchange", "audience": "db"}', "kind_unknown"),
    ],
)
def test_a_role_that_no_vault_has_or_that_is_not_for_the_audience_is_found(engine, credential, code):
    assert vault_problems(engine, credential) == {code: 9}


@pytest.mark.parametrize("promise", ['"single_use": true', '"uses": 2'])
def test_what_no_backend_of_a_vault_counts_is_not_promised(engine, promise):
    credential = '{"kind": "vault", "role": "orders", "audience": "db", %s}'
    assert vault_problems(engine, credential.replace(", %s", "")) == {}
    assert vault_problems(engine, credential % promise)


def test_a_vaults_credential_names_its_role(engine):
    assert vault_problems(engine, '{"kind": "vault", "audience": "db"}')


def test_without_a_vault_its_kind_and_its_roles_are_not_offered(engine):
    none = Offers(claims=frozenset(), kinds=OWN_KINDS, vault_roles={})
    found = vault_problems(engine, 'credentials.vault("orders", "db", 60)', offers=none)
    assert found.keys() == {"kind_unknown", "credential_role_unknown"}
    unknown = Offers(claims=frozenset())
    assert vault_problems(engine, 'credentials.vault("orders", "db", 60)', offers=unknown) == {}


EXCHANGE = Offers(
    claims=frozenset(),
    kinds=OWN_KINDS | {"exchange"},
    exchange_scopes={"db": frozenset({"read", "write"}), "api": frozenset()},
)
SCOPED_START = VAULT_START.replace('"api"]}', '"api", "more"], "scopes": ["read", "write", "admin"]}')


def exchange_problems(engine, credential, monkeypatch, *, offers=EXCHANGE):
    """Return the lines of the problems of a grant with a credential, by code."""
    monkeypatch.setitem(vault_problems.__globals__, "VAULT_START", SCOPED_START)
    return vault_problems(engine, credential, offers=offers)


@pytest.mark.parametrize(
    ("credential", "codes"),
    [
        ('credentials.exchange("db", ["read"], 60)', set()),
        ('credentials.exchange("db", ["read", "write"], 60)', set()),
        ('{"kind": "exchange", "audience": "api"}', set()),
        ('credentials.exchange(input.tool.arguments.audience, ["read"], 60)', set()),
        ('credentials.exchange("db", [input.tool.arguments.scope], 60)', set()),
        ('credentials.jwt("more", ["admin"], 60)', set()),
        ('credentials.exchange("more", ["read"], 60)', {"exchange_audience_unknown"}),
        ('credentials.exchange("db", ["admin"], 60)', {"exchange_scope_unknown"}),
        ('credentials.exchange("api", ["read"], 60)', {"exchange_scope_unknown"}),
        ('{"kind": "exchange", "audience": "more", "scopes": []}', {"exchange_audience_unknown"}),
        ('credentials.exchange("db", ["raed"], 60)', {"exchange_scope_unknown", "scope_unknown"}),
    ],
)
def test_audiences_and_scopes_that_no_identity_provider_is_asked_for_are_found(
    engine, credential, codes, monkeypatch
):
    assert exchange_problems(engine, credential, monkeypatch) == dict.fromkeys(codes, 9)


def test_without_an_exchange_its_kind_is_not_offered(engine, monkeypatch):
    none = Offers(claims=frozenset(), kinds=OWN_KINDS, exchange_scopes={})
    found = exchange_problems(engine, 'credentials.exchange("db", ["read"], 60)', monkeypatch, offers=none)
    assert found.keys() == {"kind_unknown", "exchange_audience_unknown"}


MASK_NEVER = [
    'input.inptu.tool.name == "notes.read"',
    'input.tool.name == "notes.read"',
    'input.input.tool.naem == "notes.read"',
    'input.input.tool.name == "notes.raed"',
    'input.input.operation == "authorise"',
    'input.input.tool.name == "notes.read"; input.reslut.allowed',
    "data.lists.blokced[input.input.subject.id]",
    "_wrong",
]
MASK_MAY = [
    'input.input.tool.name == "notes.read"',
    "input.input.tool.arguments.id",
    "input.result.allowed == false",
    'input.labels.region == "eu"',
    'input.event == "outcome"; startswith(input.timestamp, "2026")',
    "not input.request_id",
    "_right",
]


def masked_if(engine, conditions):
    """Return the codes of the problems of a mask under conditions, which a semicolon separates."""
    body = "\n\t".join(conditions.split("; "))
    helper = {"_wrong": "_wrong if input.input.tool.naem\n", "_right": "_right if input.input.tool.name\n"}
    mask = f'package system.log\n\nmask contains "/input/tool/arguments/id" if {{\n\t{body}\n}}\n'
    modules = {"demo.rego": HEAD, "mask.rego": mask + helper.get(conditions, "")}
    try:
        compile_policy(engine, modules, DATA, OPTIONS).close()
    except PolicyBrokenError as error:
        return {problem.code for problem in error.problems}
    return set()


@pytest.mark.parametrize("conditions", MASK_NEVER)
def test_a_mask_that_never_applies_is_refused(engine, conditions):
    found = masked_if(engine, conditions)
    assert found
    assert found <= {"data_unknown", "input_unknown", "tool_unknown", "value_unknown"}


@pytest.mark.parametrize("conditions", MASK_MAY)
def test_a_mask_that_may_apply_is_accepted(engine, conditions):
    assert masked_if(engine, conditions) == set()


PATHS_NEVER = [
    '"/input/tool/Arguments/id"',
    '"/input/tool/argument/id"',
    '"/argument/id"',
    '"/tool/arguments/id"',
    '"input/tool/arguments/id"',
    '"/input/tool/arguments/idd"',
    '"/input/tool/*/id"',
    '"/input/tool/arguments/*"',
    '"/input/delegation/chain/*/holder"',
    '"/input/delegation/chain/-"',
    '"/input/subject/claims/gropus"',
    '{"op": "remove", "paht": "/input/tool/arguments/id"}',
    '{"op": "remove", "path": "/input/tool/arguments/idd"}',
    '{"op": "upsert", "path": "/input/tool/arguments/idd", "value": input.input.operation}',
    '{"op": "upsert", "path": "/input/tool/arguments/id"}',
    "data.masks[_]",
    "_path",
]
PATHS_MAY = [
    '"/input/tool/arguments/id"',
    '"/input/tool/arguments/id/0/deep"',
    '"/input/tool/arguments"',
    '"/input/delegation/chain/0/holder"',
    '"/input/subject/claims/groups/0"',
    '"/input/context/asserted/anything"',
    '"/result/reasons/0/message"',
    '{"op": "upsert", "path": "/input/tool/arguments/id", "value": input.input.operation}',
    'sprintf("/input/tool/arguments/%s", [input.input.task.purpose])',
    "data.right[_]",
]


def masking(engine, element):
    """Return the codes of the problems of a policy with a mask."""
    mask = f'package system.log\n\nmask contains {element} if true\n\n_path := "/input/tool/arguments/idd"\n'
    if element != "_path":
        mask = mask.split("\n\n_path", maxsplit=1)[0] + "\n"
    data = {**DATA, "masks": ["/input/tool/arguments/idd"], "right": ["/input/tool/arguments/id"]}
    try:
        compile_policy(engine, {"demo.rego": HEAD, "mask.rego": mask}, data, OPTIONS).close()
    except PolicyBrokenError as error:
        return {problem.code for problem in error.problems}
    return set()


@pytest.mark.parametrize("element", PATHS_NEVER)
def test_a_mask_whose_path_no_record_has_is_refused(engine, element):
    assert masking(engine, element) == {"mask_unknown"}


@pytest.mark.parametrize("element", PATHS_MAY)
def test_a_mask_whose_path_a_record_may_have_is_accepted(engine, element):
    assert masking(engine, element) == set()


CONTRADICTIONS = [
    denied_if('input.operation == "start_task"; input.tool.name == "notes.read"'),
    denied_if('input.tool.name == "notes.read"; input.tool.name == "notes.write"'),
    denied_if('input.tool.name in {"notes.read"}; input.tool.name in ["notes.write"]'),
    denied_if('input.tool.name == "notes.read"; t := input.tool.name; t == "notes.write"'),
    denied_if('input.operation == "authorize"; input.operation == "renew"'),
    denied_if('input.operation in {"start_task", "delegate"}; count(input.tool.arguments) > 3'),
    denied_if('input.operation == "filter_tools"; input.tool.arguments.id == "x"'),
    denied_if('input.operation == "authorize"; input.request.holder == "x"'),
    denied_if('input.tool.name == "notes.read"; input.request.limits.ttl_seconds > 3'),
    denied_if('input.task.purpose == "a"; input.task.purpose == "b"'),
    'deny contains {"code": "no", "message": input.tool.name} if input.operation == "start_task"\n',
    '_x if { input.operation == "start_task"; input.tool.name == "notes.read" }\n\n' + denied_if("_x"),
    '_x := 1 if input.agent.id == "x" else := 2 if { input.operation == "renew"; input.request.holder }\n\n'
    + denied_if("_x == 2"),
    'grant contains {"code": "g"} if input.operation == "renew"\n',
    'start contains {"code": "t", "limits": {"ttl_seconds": 5}} if input.tool.name == "notes.read"\n',
]
TOGETHER = [
    denied_if('input.operation == "renew"; input.tool.arguments.id == "x"'),
    denied_if('input.operation in {"start_task", "authorize"}; input.tool.name == "notes.read"'),
    denied_if('input.operation == "start_task"; not input.tool.name == "notes.read"'),
    denied_if('input.operation == "start_task"; count([x | x := input.tool.name]) == 0'),
    denied_if('input.tool.name in {"notes.read", "notes.write"}; input.tool.name == "notes.write"'),
    denied_if('input.tool.name == "notes.read"; input.tool.name != "notes.write"'),
    denied_if('input.operation == "start_task"; object.get(input, ["tool", "name"], "") == ""'),
    'start contains {"code": "t", "limits": {"ttl_seconds": 5}} if input.request.limits.ttl_seconds < 5\n',
    'renew contains {"code": "r", "ttl_seconds": 4} if input.tool.name == "notes.read"\n',
]


@pytest.mark.parametrize("rules", CONTRADICTIONS)
def test_conditions_that_exclude_each_other_are_refused(engine, rules):
    assert problems(engine, rules) == {"contradiction"}


@pytest.mark.parametrize("rules", TOGETHER)
def test_conditions_that_hold_together_are_accepted(engine, rules):
    assert problems(engine, rules) == set()


MIXED = {**DATA, "l": {"u1": {"max": "500"}, "u2": {"max": 500}, "u3": {"max": None}}, "n": ["1", 2]}


@pytest.mark.parametrize(
    "conditions",
    [
        "input.delegation.depth > data.l[input.subject.id].max",
        "some row in data.l; row.max < input.delegation.depth",
        "input.tool.arguments.id > data.l[input.subject.id].max",
        "some n in data.n; n > input.delegation.depth",
        "x := data.l[input.subject.id].max; not x > 4",
    ],
)
def test_data_of_several_types_is_refused_where_one_is_needed(engine, conditions):
    assert problems(engine, denied_if(conditions), data=MIXED) == {"type_mismatch"}


@pytest.mark.parametrize(
    "conditions",
    [
        'data.l[input.subject.id].max == "500"',
        "x := data.l[input.subject.id].max; is_number(x); input.delegation.depth > x",
        "input.delegation.depth > data.l.u2.max",
    ],
)
def test_data_of_several_types_is_accepted_where_the_type_is_tested(engine, conditions):
    assert problems(engine, denied_if(conditions), data=MIXED) == set()


OPTIONAL = """# METADATA
# custom:
#   tabard:
#     optional_data: [data.lists.blokced, data.people.*.manager]
"""


def test_optional_data_may_be_missing(engine):
    read = denied_if("data.lists.blokced[input.subject.id].reason; data.people[input.subject.id].manager.id")
    assert problems(engine, read) == {"data_unknown"}
    assert problems(engine, read, metadata=OPTIONAL) == set()
    keys = denied_if('some k, v in data.lists; k == "blokced"; v[input.subject.id]')
    assert problems(engine, keys, metadata=OPTIONAL) <= {"optional_unused"}


def test_optional_data_that_nothing_reads_is_refused(engine):
    assert problems(engine, denied_if("data.lists.blokced.eve"), metadata=OPTIONAL) == {"optional_unused"}


def test_a_label_from_outside_is_declared(engine):
    read = denied_if('labels.has("from_backend")')
    said = "# METADATA\n# custom: {tabard: {labels: [from_backend]}}\n"
    assert problems(engine, read) == {"label_unknown"}
    assert problems(engine, read, metadata=said) == set()


def test_a_tool_of_another_catalogue_is_declared(engine):
    """For a policy that serves several. Tools of the catalogue, and names that aren't declared, are checked as before."""
    said = "# METADATA\n# custom: {tabard: {tools: [mail.send, notes.read]}}\n"
    others = denied_if('input.tool.name == "mail.send"; input.tool.arguments.to == "eve"')
    assert problems(engine, others) == {"argument_unknown", "tool_unknown"}
    assert problems(engine, others, metadata=said) == set()
    called = denied_if('history.called({"mail.send"})')
    assert problems(engine, called, metadata=said) == set()
    for wrong, code in (
        ('input.tool.name == "mail.snd"', "tool_unknown"),
        ('input.tool.name == "notes.read"; input.tool.arguments.idd == 1', "argument_unknown"),
    ):
        assert problems(engine, denied_if(wrong), metadata=said) == {code}


def test_where_more_is_possible_nothing_is_refused(engine):
    """A start rule whose budgets come from elsewhere may grant any budget."""
    more = 'start contains {"code": "t", "limits": {"budgets": {input.task.purpose: 3}}} if input.subject.id == "a"\n'
    assert problems(engine, denied_if("input.budgets.cnts.spent > 3") + "\n" + more) == set()


def test_a_policy_without_a_start_rule_is_refused(engine):
    rule = 'package policy.demo\n\ngrant contains {"code": "ok"} if input.operation == "authorize"\n'
    with pytest.raises(PolicyBrokenError, match="no rule of the policy lets a task start"):
        compile_policy(engine, {"demo.rego": rule}, {}, CompileOptions())


def nested(argument):
    """Return ten helpers of which each calls the next one ten times: ten billion calls, if each is followed."""
    return "\n".join(
        f"_f{level}(x) if {{ {'; '.join(f'_f{level + 1}({argument.format(i)})' for i in range(10))} }}\n"
        for level in range(10)
    )


def test_a_policy_that_is_too_large_to_be_followed_is_refused(engine):
    rules = denied_if("_f0(input.operation)") + f"\n{nested('[x, {}]')}\n_f10(x) if count(x) > 3\n"
    began = time.process_time()
    assert problems(engine, rules) == {"limit"}
    assert time.process_time() - began < 60


@pytest.mark.parametrize("operation", ["renew", "rewen"])
def test_repeated_calls_of_helpers_are_followed_once(engine, operation):
    helpers = f'{nested("x")}\n_f10(x) if x == "{operation}"\n'
    wrong = problems(engine, denied_if("_f0(input.operation)") + "\n" + helpers)
    assert wrong == (set() if operation == "renew" else {"value_unknown"})


@pytest.mark.parametrize("depth", [700, 1000])
def test_terms_that_are_nested_too_deeply_are_refused(engine, depth):
    found = problems(engine, denied_if(f"input.delegation.depth == {'+'.join(['1'] * depth)}"))
    assert found & {"limit", "rego_compile_error"}


LARGE = {
    "people": {f"u{i}": {"roles": [f"r{i % 3}"]} for i in range(50_000)},
    "roles": {f"r{i}": {"n": 1} for i in range(3)},
}


def test_keys_are_compared_with_large_data(engine):
    for conditions in (
        "data.people[input.subject.id].rolse",
        "some p in data.people; p.rolse",
        "data.poeple.u1",
    ):
        assert problems(engine, denied_if(conditions), data=LARGE) == {"data_unknown"}
    read = denied_if("some p in data.people; some r in p.roles; data.roles[r].n == 1")
    assert problems(engine, read, data=LARGE) == set()


def test_data_that_is_too_large_to_be_listed_is_told(engine, monkeypatch):
    """Constant paths are compared all the same; for keys below what isn't listed there is a warning."""
    monkeypatch.setattr(Allowance.__init__, "__defaults__", (1000,))
    assert problems(engine, denied_if("data.people.u1.rolse"), data=LARGE) == {"data_unknown"}
    assert problems(engine, denied_if("data.people[input.subject.id].rolse"), data=LARGE) == set()
    text = HEAD + denied_if("data.people[input.subject.id].rolse")
    compiled = compile_policy(engine, {"demo.rego": text}, LARGE, OPTIONS)
    compiled.close()
    assert [problem.code for problem in compiled.warnings] == ["data_unlisted"]
