"""Policies as authors write them are accepted: idioms of OPA's documentation and style guide, on data and on literals."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.offered import Offers

from tests.unit.policy.loading.test_reach import DATA as ROWS
from tests.unit.policy.loading.test_reach import problems

START = 'start contains {"code": "s", "limits": {"ttl_seconds": 600}} if input.subject.id\n'
DATA = {
    "tiers": {"u": ["gold"]},
    "secrets": {"a": {"b": "x"}},
    "persons": {"u": {"accounts": ["1"], "roles": ["lead", "clerk"]}, "v": {"accounts": [], "roles": []}},
    "max_depth": 3,
    "limits": {"EUR": 5},
    "regions": {"SE": "eu"},
    "allowed": {"eu": {"x": True}},
    "scopes": ["a"],
    "reports_to": {"u": ["v"], "v": []},
    "teams": {"a": {"max": 5, "extra": 1}},
    "agents": [{"id": "x", "tools": ["y"]}],
    "domain": "@example",
    "user_roles": {"u": ["r"]},
    "role_permissions": {"r": [{"action": "a", "resource": "b"}]},
    "users": {"u": {"title": "teller", "tenure": 3}},
    "tickets": {"1": {"status": "open"}, "2": {"status": "x", "locked": True}},
    "quota": {"week": 5, "weekend": 1},
    "tools": {"x": {}},
    "levels": {"u": 3},
}
LIBRARY = {"lib.rego": "package lib.money\n\ncents(amount) := round(amount * 100)\n"}

WHOLE = {
    "rego.v1 and default, else": """package policy.demo
import rego.v1

default _limit := 100

_limit := 1000 if { "gold" in data.tiers[input.subject.id] } else := 500 if data.tiers[input.subject.id]

START
grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	input.tool.arguments.amount <= _limit
}
""",
    "every over arguments": """package policy.demo

START
_safe(path) if {
	startswith(path, "/home/")
	not contains(path, "..")
}

grant contains {"code": "read"} if {
	input.tool.name == "files.read"
	count(input.tool.arguments.paths) > 0
	every path in input.tool.arguments.paths { _safe(path) }
}
""",
    "walk over own data": """package policy.demo

START
_secrets contains value if {
	walk(data.secrets, [path, value])
	is_string(value)
	count(path) > 0
}

deny contains {"code": "secret", "message": "holds a secret"} if {
	walk(input.tool.arguments, [_, value])
	value in _secrets
}

grant contains {"code": "any"} if input.tool.name
""",
    "partial object": """package policy.demo

START
_owners[account] := owner if {
	some owner, person in data.persons
	some account in person.accounts
}

grant contains {"code": "read"} if {
	input.tool.name == "read"
	_owners[input.tool.arguments.account] == input.subject.id
}
""",
    "comprehension tables": """package policy.demo

START
_by_role := {role: members |
	some role in {r | some p in data.persons; some r in p.roles}
	members := {id | some id, p in data.persons; role in p.roles}
}

ask contains {"code": "lead", "approvers": ["lead"], "reason": "a lead's word", "uses": 1, "ttl_seconds": 600} if {
	input.tool.name == "close"
	not input.subject.id in _by_role.lead
}

grant contains {"code": "close"} if input.tool.name == "close"
""",
    "template strings": """package policy.demo

START
grant contains {"code": "read"} if input.tool.name == "read"

deny contains {"code": "far", "message": $"{input.tool.name} at depth {input.delegation.depth} is too far"} if {
	input.delegation.depth > data.max_depth
}
""",
    "functions by case": """package policy.demo

START
_weight("read") := 1

_weight("write") := 5

_weight(name) := 10 if not name in {"read", "write"}

deny contains {"code": "heavy", "message": "too heavy"} if {
	sum([_weight(call.tool) | some call in input.history.calls]) > 100
}

grant contains {"code": "ok"} if input.tool.name != ""
""",
    "own helpers in lib": """package policy.demo

import data.lib.money

START
grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	money.cents(input.tool.arguments.amount) <= data.limits[input.tool.arguments.currency]
}
""",
    "rate by window": """package policy.demo

START
_recent := [call | some call in input.history.calls; call.at > input.context.time - 3600]

deny contains {"code": "rate", "message": sprintf("%d calls in an hour", [count(_recent)])} if count(_recent) > 20

grant contains {"code": "ok"} if input.tool.name
""",
    "object.get with defaults": """package policy.demo

START
_region := object.get(data.regions, object.get(input.tool.arguments, "country", "SE"), "row")

_allowed := object.get(data.allowed, [_region, input.tool.name], false)

grant contains {"code": "ok"} if _allowed
""",
    "set operations": """package policy.demo

START
_wanted := {scope | some scope in input.tool.arguments.scopes}

_missing := _wanted - {s | some s in data.scopes}

grant contains {"code": "ok"} if {
	input.tool.name == "grant_scopes"
	count(_wanted) > 0
	count(_missing) == 0
}

deny contains {"code": "scopes", "message": sprintf("unknown: %s", [concat(", ", sort(_missing))])} if {
	input.operation == "authorize"
	count(_missing) > 0
}
""",
    "graph reachable": """package policy.demo

START
_managers := graph.reachable(data.reports_to, {input.subject.id})

grant contains {"code": "ok"} if {
	input.tool.name == "payroll.read"
	input.tool.arguments.person in _managers
}
""",
    "regex, globs and units": """package policy.demo

START
grant contains {"code": "ok"} if {
	glob.match("*.internal.example", ["."], input.tool.arguments.host)
	regex.match(`^[a-z0-9-]+(\\.[a-z0-9-]+)*$`, input.tool.arguments.host)
	units.parse_bytes(input.tool.arguments.size) < units.parse_bytes("10MB")
}

grant contains {"code": "cidr"} if net.cidr_contains("10.0.0.0/8", input.tool.arguments.ip)
""",
    "object.union config layers": """package policy.demo

START
_defaults := {"max": 10, "tools": ["read"]}

_config := object.union(_defaults, object.get(data.teams, input.agent.attributes.namespace, {}))

grant contains {"code": "ok"} if {
	input.tool.name in _config.tools
	count(input.history.calls) < _config.max
}
""",
    "indexed iteration": """package policy.demo

START
_last := input.delegation.chain[count(input.delegation.chain) - 1].holder

grant contains {"code": "ok"} if {
	some i
	data.agents[i].id == _last
	data.agents[i].tools[_] == input.tool.name
}
""",
    "time windows": """package policy.demo

START
_now := input.context.time * 1000000000

_workday if not time.weekday(_now) in {"Saturday", "Sunday"}

_hour := time.clock([_now, "Europe/Berlin"])[0]

grant contains {"code": "ok"} if {
	_workday
	_hour >= 8
	_hour < 18
}
""",
    "negated helpers and json": """package policy.demo

START
_pii(value) if regex.match(`\\d{3}-\\d{2}-\\d{4}`, value)

_has_pii if {
	walk(input.tool.arguments, [_, value])
	is_string(value)
	_pii(value)
}

deny contains {"code": "pii", "message": "personal data"} if {
	_has_pii
	not _internal
}

_internal if endswith(input.tool.arguments.to, data.domain)

grant contains {"code": "ok"} if input.tool.name == "mail"
""",
    "role permissions of the OPA docs": """package policy.demo

START
grant contains {"code": "rbac"} if {
	some role in data.user_roles[input.subject.id]
	some permission in data.role_permissions[role]
	permission.action == input.tool.arguments.action
	permission.resource == input.tool.arguments.resource
}
""",
    "attribute lookups of the OPA docs": """package policy.demo

START
_user := data.users[input.subject.id]

_title(name) if _user.title == name

grant contains {"code": "teller"} if {
	_title("teller")
	input.tool.name == "accounts.read"
	_user.tenure > 1
}

grant contains {"code": "support"} if {
	_title("support")
	data.tickets[input.tool.arguments.ticket].status in {"open", "pending"}
	not data.tickets[input.tool.arguments.ticket].locked
}
""",
    "if-else chain as a function": """package policy.demo

START
_tier(amount) := "small" if {
	amount < 100
} else := "medium" if {
	amount < 1000
} else := "large"

ask contains {"code": "large", "approvers": ["lead"], "reason": "large", "uses": 1, "ttl_seconds": 60} if {
	_tier(input.tool.arguments.amount) == "large"
}

grant contains {"code": "ok"} if _tier(input.tool.arguments.amount) in {"small", "medium", "large"}
""",
    "ternary by object and numbers.range": """package policy.demo

START
_label := {true: "weekend", false: "week"}[time.weekday(input.context.time * 1000000000) in {"Saturday", "Sunday"}]

_quota := data.quota[_label]

grant contains {"code": "ok"} if {
	count(input.history.calls) in numbers.range(0, _quota)
	input.tool.name in object.keys(data.tools)
}
""",
    "array destructuring and lookup tables": """package policy.demo

START
_rules := [["read", 1], ["write", 2]]

_level(name) := max([level | some [tool, level] in _rules; tool == name])

grant contains {"code": "ok"} if {
	_level(input.tool.name) <= data.levels[input.subject.id]
	[_, domain] := split(input.subject.id, "@")
	domain == data.domain
}
""",
}
WITH_CATALOGUE = {
    "wildcard in a literal table": """_table := [{"tool": "*", "max": 3}, {"tool": "notes.read", "max": 5}]

_match("*", _)

_match(pattern, name) if pattern == name

deny contains {"code": "many", "message": "many"} if {
	some row in _table
	_match(row.tool, input.tool.name)
	count(input.history.calls) > row.max
}
""",
    "wildcard or equal, inline": """_allowed := {"notes.read": ["clerk", "*"], "notes.write": ["boss"]}

deny contains {"code": "role", "message": "role"} if {
	not "*" in _allowed[input.tool.name]
	not input.subject.id in _allowed[input.tool.name]
}
""",
    "rows with optional fields": """_rules := [{"tool": "notes.read", "max": 3}, {"tool": "notes.write", "max": 1, "label": "untrusted"}]

deny contains {"code": "x", "message": "x"} if {
	some rule in _rules
	rule.tool == input.tool.name
	count(input.history.calls) > rule.max
	object.get(rule, "label", "untrusted") in input.history.labels
}
""",
    "same helper for two inputs": """_in(value, allowed) if value in allowed

deny contains {"code": "x", "message": "x"} if {
	not _in(input.operation, {"authorize", "renew", "start_task", "delegate", "filter_tools"})
	_in(input.tool.name, {"notes.read"})
}
""",
    "default parameter": """_or(value, _) := value if value != ""

_or("", fallback) := fallback

deny contains {"code": "x", "message": "x"} if _or(object.get(input.tool.arguments, "id", ""), "none") == "none"
""",
    "null data": """deny contains {"code": "x", "message": "x"} if {
	data.row.until != null
	input.context.time > data.row.until
}
""",
    "types guarded": """_list(x) := x if is_array(x)

_list(x) := [x] if is_string(x)

deny contains {"code": "x", "message": "x"} if {
	some id in _list(input.tool.arguments.id)
	id in data.lists.known
}
""",
    "arguments of any tool": """deny contains {"code": "x", "message": sprintf("argument %s", [name])} if {
	some name, value in input.tool.arguments
	is_string(value)
	count(value) > 1000
}
""",
    "prefix by server": """deny contains {"code": "x", "message": "x"} if {
	[area, _] := split(input.tool.name, ".")
	area in {"notes", "mail"}
	not data.lists.blocked[input.subject.id]
	area == "mail"
}
""",
    "operations table": """_limits := {"authorize": 5, "delegate": 2}

deny contains {"code": "x", "message": "x"} if {
	limit := object.get(_limits, input.operation, 100)
	input.delegation.depth > limit
}
""",
    "own set of operations with in": """_checked := {"authorize", "renew"}

deny contains {"code": "x", "message": "x"} if {
	_checked[input.operation]
	input.delegation.depth in {3, 4}
}
""",
    "approvals": """_approved(code) if {
	some approval in input.approvals
	approval.module == "demo"
	approval.code == code
}

deny contains {"code": "x", "message": "x"} if {
	input.tool.name == "notes.write"
	not _approved("lead")
	not _approved("boss")
}
""",
    "labels by prefix": """deny contains {"code": "x", "message": "x"} if {
	some label in input.history.labels
	startswith(label, "un")
}
""",
    "mixed tuple": """_pairs := {["notes.read", 1], ["notes.write", 2]}

deny contains {"code": "x", "message": "x"} if {
	some [name, level] in _pairs
	name == input.tool.name
	level > input.delegation.depth
}
""",
    "weekday strings": """deny contains {"code": "x", "message": "x"} if time.weekday([input.context.time * 1000000000, "UTC"]) in {"Saturday", "Sunday"}
""",
    "rule that reads own set": """_bad contains id if data.lists.blocked[id]

_bad contains "mallory"

deny contains {"code": "x", "message": "x"} if input.subject.id in _bad
""",
    "recursive merges": """_roles := {role | some role in data.people[input.subject.id].roles} | {"everybody"}

deny contains {"code": "x", "message": "x"} if {
	not "everybody" in _roles
	input.tool.name == "notes.read"
}
""",
    "claims": """_groups := {group | some group in object.get(input.subject.claims, "groups", [])}

deny contains {"code": "x", "message": "x"} if count(_groups & {"a", "b"}) == 0
""",
    "with in a rule": """_ok if contains(input.task.statement, "x")

deny contains {"code": "x", "message": "x"} if not _ok with input.task.statement as lower(input.task.statement)
""",
    "bits of sets as params": """_any(names) if {
	some name in names
	name == input.tool.name
}

deny contains {"code": "x", "message": "x"} if _any({"notes.read"} | {"notes.write"})
""",
    "concat name": """deny contains {"code": "x", "message": "x"} if input.tool.name == concat(".", ["notes", "read"])
""",
    "upper": """deny contains {"code": "x", "message": "x"} if upper(input.operation) == "AUTHORIZE"
""",
    "helper with a number of types": """_size(x) := count(x) if not is_number(x)

_size(x) := x if is_number(x)

deny contains {"code": "x", "message": "x"} if _size(input.tool.arguments.text) > _size(3) + _size([1])
""",
    "else by operation": """_max := 1 if {
	input.operation == "authorize"
} else := 2 if {
	input.operation == "renew"
} else := 3

deny contains {"code": "x", "message": "x"} if input.delegation.depth > _max
""",
    "start by subject": """start contains {"code": "t", "limits": {"tools": data.people[input.subject.id].roles, "budgets": {"other": 2}}} if data.people[input.subject.id]

deny contains {"code": "x", "message": "x"} if input.budgets.other.spent > 1
""",
    "a default's key in a table": """_table := {"notes.read": 3, "*": 5}

_limit := _table[input.tool.name]

_fallback := _table["*"] if not _limit

deny contains {"code": "x", "message": "x"} if count(input.history.calls) > _fallback
""",
    "grant for each row": """_backends := {"notes.read": {"scope": "r", "audience": "A"}, "notes.write": {"scope": "r", "audience": "A"}}

grant contains {"code": "each", "credential": {"kind": "jwt", "audience": backend.audience, "scopes": [backend.scope], "ttl_seconds": 60}} if {
	backend := _backends[input.tool.name]
}
""",
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_policy_of_an_author_is_accepted(engine, name):
    options = CompileOptions(offers=Offers(roles=frozenset({"lead"})))
    text = WHOLE[name].replace("START\n", START)
    library = LIBRARY if "lib.money" in text else {}
    compile_policy(engine, {"demo.rego": text, **library}, DATA, options).close()


@pytest.mark.parametrize("name", WITH_CATALOGUE)
def test_an_idiom_beside_a_catalogue_is_accepted(engine, name):
    assert problems(engine, WITH_CATALOGUE[name], data=ROWS | {"row": {"until": None}}) == set()


def test_a_wildcard_of_a_table_hides_no_misspelt_name(engine):
    rules = WITH_CATALOGUE["wildcard in a literal table"]
    alone = rules.replace('_match("*", _)\n\n', "")
    assert problems(engine, alone) == {"tool_unknown"}
