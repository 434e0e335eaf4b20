"""Modules that ``tabard policy new`` writes: one for each kind of policy that it knows.

``<name>`` stands for the module's name, ``<title>`` for it in words and ``<host>`` for it as part of a host's name.
"""

from __future__ import annotations

from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """Text of the files of a new module.

    Attributes:
        does: what the policy does, in one sentence.
        module: the module.
        data: its data, YAML.
        test: its Rego tests.
        cases: its decision cases.
    """

    does: str
    module: str
    data: str
    test: str
    cases: str


READ_ONLY = Template(
    does="Agents may read for a signed purpose; every other call is denied with a reason.",
    module="""\
# METADATA
# title: <title>
# description: Agents may read <title>. A call that no rule grants is denied.
package policy.<name>

import data.tabard.lib.credentials
import data.tabard.lib.intent

# METADATA
# description: A signed request for one of these purposes may start a task, within these limits.
start contains {"code": "<name>", "limits": {
	"tools": ["<name>.*"],
	"audiences": ["https://<host>.internal"],
	"scopes": ["<name>:read"],
	"purposes": data.<name>.purposes,
	"ttl_seconds": 900,
}} if {
	some purpose in data.<name>.purposes
	intent.purpose_is(purpose)
}

# METADATA
# description: Reading is granted for a signed purpose of data.yaml.
grant contains {"code": "read", "credential": credentials.jwt("https://<host>.internal", ["<name>:read"], 60)} if {
	input.tool.name == "<name>.read"
	some purpose in data.<name>.purposes
	intent.purpose_is(purpose)
}

# METADATA
# description: The denial of every other call gives the reason.
deny contains {
	"code": "<name>_read_only",
	"message": sprintf("%s is not for agents", [input.tool.name]),
} if {
	startswith(input.tool.name, "<name>.")
	input.tool.name != "<name>.read"
}
""",
    data="""\
# Rules read this as data.<name>: the path of the folder, then the keys.
purposes: ["<name>"]
""",
    test="""\
package policy.<name>_test

import data.policy.<name>

_call(tool) := {
	"operation": "authorize",
	"task": {"purpose": "<name>", "intent_source": "signed"},
	"tool": {"name": tool, "arguments": {}},
}

_codes(elements) := {element.code | some element in elements}

test_reading_is_granted if {
	_codes(<name>.grant) == {"read"} with input as _call("<name>.read")
	<name>.deny == set() with input as _call("<name>.read")
}

test_a_signed_purpose_starts_a_task if {
	request := object.union(_call("<name>.read"), {"operation": "start_task"})
	_codes(<name>.start) == {"<name>"} with input as request
}

test_an_asserted_purpose_grants_nothing if {
	<name>.grant == set() with input as object.union(_call("<name>.read"), {"task": {"intent_source": "asserted"}})
}

test_everything_else_is_denied if {
	<name>.grant == set() with input as _call("<name>.delete")
	_codes(<name>.deny) == {"<name>_read_only"} with input as _call("<name>.delete")
}
""",
    cases="""\
# Decision cases of <title>, run by `tabard policy test`. docs/reference/cases.md lists the keys.
defaults:
  purpose: <name>

cases:
  - name: reading gets a credential for reading
    tool: <name>.read
    expect: {effect: allow, code: read, credential: {kind: jwt, scopes: ["<name>:read"]}}

  - name: a signed purpose starts a task
    operation: start_task
    expect: {effect: allow, code: <name>}

  - name: an asserted purpose grants nothing
    tool: <name>.read
    intent_source: asserted
    expect: {effect: deny, code: no_grant}

  - name: every other call is denied
    tool: <name>.delete
    expect: {effect: deny, code: <name>_read_only}
""",
)

SPEND_LIMIT = Template(
    does="Agents may pay up to a limit for each payment and a budget for the whole task; large payments ask the person.",
    module="""\
# METADATA
# title: <title>
# description: Agents may pay within a limit and a budget. A call that no rule grants is denied.
package policy.<name>

import data.tabard.lib.credentials
import data.tabard.lib.tools

# METADATA
# description: Every person with a valid token may start a task. The budget counts for all its agents together.
start contains {"code": "<name>", "limits": {
	"tools": ["<name>.*"],
	"audiences": ["https://<host>.internal"],
	"scopes": ["<name>:pay"],
	"budgets": {"<name>_cents": data.<name>.budget_cents},
	"ttl_seconds": 3600,
}} if {
	input.subject.id != ""
}

# METADATA
# description: A payment takes its amount from the budget; its credential works once.
grant contains {
	"code": "pay",
	"credential": credentials.once("https://<host>.internal", ["<name>:pay"], 60),
	"charges": {"<name>_cents": _cents},
} if {
	tools.one_of({"<name>.pay"})
	_cents <= data.<name>.payment_cents
}

# METADATA
# description: The person who started the task is asked about a large payment.
ask contains {
	"code": "large_payment",
	"approvers": ["requester"],
	"reason": sprintf("This payment is larger than %d cents.", [data.<name>.ask_above_cents]),
	"uses": 1,
	"ttl_seconds": 900,
} if {
	tools.one_of({"<name>.pay"})
	_cents > data.<name>.ask_above_cents
	_cents <= data.<name>.payment_cents
}

# METADATA
# description: The denial of a payment above the limit gives the reason.
deny contains {
	"code": "payment_too_large",
	"message": sprintf("a payment has at most %d cents", [data.<name>.payment_cents]),
} if {
	tools.one_of({"<name>.pay"})
	_cents > data.<name>.payment_cents
}

# A whole number above 0; anything else grants nothing.
_cents := input.tool.arguments.cents if {
	is_number(input.tool.arguments.cents)
	input.tool.arguments.cents > 0
	input.tool.arguments.cents == floor(input.tool.arguments.cents)
}
""",
    data="""\
# Rules read this as data.<name>: the path of the folder, then the keys. All amounts are in cents.
payment_cents: 10000
ask_above_cents: 2000
budget_cents: 30000
""",
    test="""\
package policy.<name>_test

import data.policy.<name>

_pay(cents) := {"operation": "authorize", "tool": {"name": "<name>.pay", "arguments": {"cents": cents}}}

_codes(elements) := {element.code | some element in elements}

test_a_person_starts_a_task if {
	<name>.start == set() with input as {"operation": "start_task", "subject": {"id": ""}}
	_codes(<name>.start) == {"<name>"} with input as {"operation": "start_task", "subject": {"id": "alice"}}
}

test_a_payment_is_charged if {
	some element in <name>.grant with input as _pay(500)
	element.charges == {"<name>_cents": 500}
}

test_a_large_payment_asks if {
	_codes(<name>.ask) == {"large_payment"} with input as _pay(5000)
	<name>.ask == set() with input as _pay(2000)
}

test_a_payment_above_the_limit_is_denied if {
	<name>.grant == set() with input as _pay(10001)
	_codes(<name>.deny) == {"payment_too_large"} with input as _pay(10001)
}

test_what_is_no_amount_grants_nothing if {
	every cents in [0, -5, 1.5, "500", null] {
		<name>.grant == set() with input as _pay(cents)
	}
}
""",
    cases="""\
# Decision cases of <title>, run by `tabard policy test`. docs/reference/cases.md lists the keys.
defaults:
  tool: <name>.pay
  budgets: {<name>_cents: {limit: 30000}}

cases:
  - name: a person starts a task
    operation: start_task
    expect: {effect: allow, code: <name>}

  - name: a small payment is allowed and charged
    arguments: {cents: 500}
    expect: {effect: allow, code: pay, charges: {<name>_cents: 500}, credential: {kind: jwt, single_use: true}}

  - name: a large payment asks the person
    arguments: {cents: 5000}
    expect: {effect: ask, code: large_payment}

  - name: a payment above the limit is denied
    arguments: {cents: 10001}
    expect: {effect: deny, code: payment_too_large}

  - name: a payment above what is left of the budget is denied
    arguments: {cents: 500}
    budgets: {<name>_cents: {limit: 30000, spent: 29600}}
    expect: {effect: deny, code: budget_exhausted}

  - name: a text is no amount
    arguments: {cents: "500"}
    expect: {effect: deny, code: no_grant}
""",
)

WORKSPACE_REQUEST = Template(
    does="Agents may do what the person's request orders; what it may mean asks the person, and nothing else is granted.",
    module="""\
# METADATA
# title: <title>
# description: |
#   Sure, maybe, never: what the request orders is granted, what it may mean asks the person, and nothing else is
#   granted. docs/policy-guide.md explains the pattern. A new tool is a line in _sure and a line in _maybe.
package policy.<name>

import data.tabard.lib.budgets
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.intent
import data.tabard.lib.lures
import data.tabard.lib.tools
import data.tabard.lib.wording

# METADATA
# description: A signed request starts a task, with a budget of questions.
start contains {"code": "<name>", "limits": {
	"tools": ["<name>.*"],
	"budgets": {"questions": 5},
	"ttl_seconds": 900,
}} if {
	intent.trusted
}

# METADATA
# description: Reading is granted. What it returns may have been written by strangers, so it is counted.
grant contains {"code": "read", "facts": {"texts_read": 1}} if tools.one_of({"<name>.tickets.read", "<name>.mail.read"})

# METADATA
# description: What the request orders.
grant contains {"code": "sure"} if _sure[input.tool.name]

# METADATA
# description: What it may mean, while the budget of questions lasts.
grant contains {"code": "maybe", "charges": {"questions": 1}} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

# METADATA
# description: The person decides about what the request may mean.
ask contains {
	"code": "not_in_request",
	"approvers": ["requester"],
	"reason": "Your request doesn't say this as it stands here: what, whom or how much.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
}

# METADATA
# description: No person is asked about a text with a link, number or password that neither the request nor records have.
deny contains {"code": "lure", "message": "The mail has a link, number or password that the request doesn't have."} if {
	input.tool.name == "<name>.mail.send"
	count(lures.within("body", set())) > 0
}

_asked if {
	_maybe[input.tool.name]
	not _sure[input.tool.name]
}

_cancel := {"call", "cancel", "drop", "stop"}

_order := input.tool.arguments.order_id

_which := entities.meaning(_order, data.<name>.orders, {"order"})

# Sure: a clause of the request orders it, upon this one.
_sure contains "<name>.orders.cancel" if _order in entities.ordered(_cancel, data.<name>.orders, {"order"})

_sure contains "<name>.mail.send" if {
	input.tool.arguments.to in entities.told(data.<name>.contacts)
	facts.value("texts_read") == 0
}

# Maybe: it asks for the act or hands its decisions over to a text, and names no other one.
_maybe contains "<name>.orders.cancel" if {
	wording.asks_for(_cancel)
	_which in {"named", "unclear", "none"}
}

_maybe contains "<name>.mail.send" if {
	wording.asks_for(wording.send)
	entities.meaning(input.tool.arguments.to, data.<name>.contacts, set()) in {"named", "unclear", "none"}
}
""",
    data="""\
# Rules read this as data.<name>: the path of the folder, then the keys. Each id has the names that people use for it.
orders:
  O-1006: ["Ann Lee"]
  O-1007: ["Bob Moss"]
contacts:
  ann@shop.example: ["Ann Lee"]
  bob@shop.example: ["Bob Moss"]
""",
    test="""\
package policy.<name>_test

import data.policy.<name>

_task(statement) := {
	"operation": "authorize",
	"budgets": {"questions": {"limit": 5, "remaining": 5, "spent": 0}},
	"task": {"intent_source": "signed", "statement": statement, "facts": {"texts_read": 0}},
}

_cancel(statement, order) := object.union(
	_task(statement),
	{"tool": {"name": "<name>.orders.cancel", "arguments": {"order_id": order}}},
)

_send(statement, to) := object.union(
	_task(statement),
	{"tool": {"name": "<name>.mail.send", "arguments": {"to": to}}},
)

_codes(elements) := {element.code | some element in elements}

test_what_is_ordered_is_granted if {
	_codes(<name>.grant) == {"sure"} with input as _cancel("Cancel order 1006", "O-1006")
	<name>.ask == set() with input as _cancel("Cancel order 1006", "O-1006")
	_codes(<name>.grant) == {"sure"} with input as _send("Tell Ann that we ship", "ann@shop.example")
}

test_what_may_be_meant_asks if {
	every statement in ["Cancel the order that the ticket is about", "Do what the ticket says"] {
		_codes(<name>.grant) == {"maybe"} with input as _cancel(statement, "O-1007")
		_codes(<name>.ask) == {"not_in_request"} with input as _cancel(statement, "O-1007")
	}
}

test_a_mail_may_be_meant if {
	_codes(<name>.ask) == {"not_in_request"} with input as _send("Send the list", "ann@shop.example")
}

test_a_lure_is_denied if {
	mail := object.union(
		_task("Tell Ann that we ship"),
		{"tool": {"name": "<name>.mail.send", "arguments": {"to": "ann@shop.example", "body": "Ring 0909 879 0666"}}},
	)
	_codes(<name>.deny) == {"lure"} with input as mail
	<name>.deny == set() with input as _send("Tell Ann that we ship", "ann@shop.example")
}

test_nothing_else_is_granted if {
	every statement in ["Cancel order 1006", "What does the ticket say?"] {
		<name>.grant == set() with input as _cancel(statement, "O-1007")
	}
}

test_reading_is_counted if {
	read := object.union(_task("Read the ticket"), {"tool": {"name": "<name>.tickets.read", "arguments": {}}})
	_codes(<name>.grant) == {"read"} with input as read
}

test_a_signed_request_starts_a_task if {
	_codes(<name>.start) == {"<name>"} with input as object.union(_task("Read"), {"operation": "start_task"})
}
""",
    cases="""\
# Decision cases of <title>, run by `tabard policy test`. docs/reference/cases.md lists the keys.
defaults:
  budgets: {questions: {limit: 5}}

cases:
  - name: the order that the request names
    statement: Cancel order 1006
    tool: <name>.orders.cancel
    arguments: {order_id: O-1006}
    expect: {effect: allow, code: sure}

  - name: another one than the request names
    statement: Cancel order 1006
    tool: <name>.orders.cancel
    arguments: {order_id: O-1007}
    expect: {effect: deny, code: no_grant}

  - name: a request that names none asks
    statement: Cancel the order that the ticket is about
    tool: <name>.orders.cancel
    arguments: {order_id: O-1007}
    expect: {effect: ask, code: not_in_request}

  - name: whom the request tells something
    statement: Tell Ann that we ship today
    tool: <name>.mail.send
    arguments: {to: ann@shop.example}
    expect: {effect: allow, code: sure}

  - name: after a stranger's text the person is asked
    statement: Tell Ann what the ticket says
    tool: <name>.mail.send
    arguments: {to: ann@shop.example}
    facts: {texts_read: 1}
    expect: {effect: ask, code: not_in_request}

  - name: a mail with a number that the request doesn't have
    statement: Tell Ann that we ship today
    tool: <name>.mail.send
    arguments: {to: ann@shop.example, body: Ring 0909 879 0666}
    expect: {effect: deny, code: lure}

  - name: a contact whom the request does not tell
    statement: Tell Ann that we ship today
    tool: <name>.mail.send
    arguments: {to: bob@shop.example}
    expect: {effect: deny, code: no_grant}
""",
)
