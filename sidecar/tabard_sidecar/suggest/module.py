"""Holds the Rego of a proposal: the same rules for every log, so that nothing that a log says ever stands in Rego."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DEFAULT_NAME: Final = "least_privilege"

CODES: Final[Mapping[str, str]] = {
    "intent_not_signed": "the agent works on signed requests only",
    "purpose_unused": "the agent has no tasks of this purpose",
    "tool_unknown_here": "the agent doesn't use the tool for any purpose",
    "tool_unused": "the agent doesn't use the tool for this purpose",
    "argument_unused": "the tool isn't given such an argument",
    "type_unlike_used": "an argument has another type",
    "value_unused": "an argument has a value that isn't listed",
    "value_out_of_range": "a number is out of range",
    "value_elsewhere": "a text begins otherwise",
    "domain_unused": "an address has another domain",
    "renewal_unused": "credentials for the tool aren't renewed",
    "depth_unused": "tasks aren't handed on as far",
    "children_unused": "a task isn't handed on as often",
    "receiver_unused": "the agent hands no task to that workload",
    "task_too_old": "tasks don't take as long",
    "budget_unused": "tasks don't spend as much",
}
"""What each code of the module's denials means."""

_MODULE: Final = r"""# METADATA
# title: Least privilege from what was used
# description: |
#   Denies what the agents in data.<name> never used. It only denies, so it allows nothing that the other
#   modules don't allow. Agents, purposes, tools and arguments that the data doesn't list are left to them.
# custom:
#   tabard:
#     optional_data:
#       - data.<name>.agents.*.asserted
#       - data.<name>.agents.*.only_known_tools
#       - data.<name>.agents.*.only_listed_purposes
#       - data.<name>.agents.*.only_signed
#       - data.<name>.agents.*.purposes
package policy.<name>

_agent := data.<name>.agents[input.agent.id]

# An agent can assert any purpose, so all tasks with asserted ones count as one purpose.
_used := _agent.purposes[input.task.purpose] if input.task.intent_source == "signed"

_used := _agent.asserted if input.task.intent_source == "asserted"

_name := input.tool.name if input.tool.server == ""

_name := concat("/", [input.tool.server, input.tool.name]) if input.tool.server != ""

_tool := _used.tools[_name]

_step(step) := "[]" if is_number(step)

_step(step) := step if {
	is_string(step)
	count(step) <= 40
}

# Long names and deep places count as one, so that an agent can't make long texts of them.
_step(step) := "?" if {
	is_string(step)
	count(step) > 40
}

_path(steps) := concat(".", [_step(step) | some step in steps]) if count(steps) <= 8

_path(steps) := "?" if count(steps) > 8

# Values of the arguments at any depth, each with its path. The items of a list have one path.
_values contains [path, value] if {
	_tool
	walk(input.tool.arguments, [steps, value])
	count(steps) > 0
	path := _path(steps)
}

_begins(value, beginning) if {
	startswith(value, beginning)
	not regex.match(`\.\.|%|\\`, value)
}

# A text with no @ or with several is at no domain.
_at(value, domains) if {
	parts := split(value, "@")
	count(parts) == 2
	parts[1] in domains
}

_known if _name in _agent.only_known_tools

_renewable if _name in _used.renewed

deny contains {"code": "intent_not_signed", "message": "This agent works on signed requests only."} if {
	_agent.only_signed
	input.task.intent_source == "asserted"
}

deny contains {"code": "purpose_unused", "message": "This agent has no tasks of this purpose."} if {
	_agent.only_listed_purposes
	input.task.intent_source == "signed"
	not _agent.purposes[input.task.purpose]
}

deny contains {"code": "tool_unknown_here", "message": "This agent doesn't use this tool."} if {
	_agent.only_known_tools
	input.tool.name
	not _known
}

deny contains {"code": "tool_unused", "message": "This agent doesn't use this tool for this purpose."} if {
	_used.only_listed_tools
	input.tool.name
	not _tool
}

deny contains {"code": "argument_unused", "message": "This agent doesn't give this tool such an argument."} if {
	_tool.only_listed_arguments
	some [path, _] in _values
	not _tool.arguments[path]
}

deny contains {"code": "type_unlike_used", "message": sprintf("The argument %s has another type.", [path])} if {
	some [path, value] in _values
	types := _tool.arguments[path].types
	not type_name(value) in types
}

deny contains {"code": "value_unused", "message": sprintf("The argument %s has another value.", [path])} if {
	some [path, value] in _values
	one_of := _tool.arguments[path].one_of
	not value in one_of
}

deny contains {"code": "value_out_of_range", "message": sprintf("The argument %s is out of range.", [path])} if {
	some [path, value] in _values
	is_number(value)
	value > _tool.arguments[path].at_most
}

deny contains {"code": "value_out_of_range", "message": sprintf("The argument %s is out of range.", [path])} if {
	some [path, value] in _values
	is_number(value)
	value < _tool.arguments[path].at_least
}

deny contains {"code": "value_elsewhere", "message": sprintf("The argument %s leads elsewhere.", [path])} if {
	some [path, value] in _values
	beginning := _tool.arguments[path].begins_with
	is_string(value)
	not _begins(value, beginning)
}

deny contains {"code": "domain_unused", "message": sprintf("The argument %s has another domain.", [path])} if {
	some [path, value] in _values
	domains := _tool.arguments[path].domains
	is_string(value)
	not _at(value, domains)
}

deny contains {"code": "renewal_unused", "message": "Credentials for this tool aren't renewed."} if {
	input.operation == "renew"
	input.tool.name
	_used.renewed
	not _renewable
}

deny contains {"code": "depth_unused", "message": "Tasks of this purpose aren't handed on as far."} if {
	input.delegation.depth > _used.most_depth
}

deny contains {"code": "children_unused", "message": "This agent doesn't hand on a task as often."} if {
	input.operation == "delegate"
	input.delegation.children >= _used.most_children
}

deny contains {"code": "receiver_unused", "message": "This agent hands no task to that workload."} if {
	receivers := _used.receivers
	holder := input.request.holder
	not holder in receivers
}

deny contains {"code": "task_too_old", "message": "Tasks of this purpose don't take as long."} if {
	input.context.time - input.task.started_at > _used.most_seconds
}

deny contains {"code": "budget_unused", "message": "Tasks of this purpose don't spend as much."} if {
	input.operation == "authorize"
	some name, most in _used.most_spent
	input.budgets[name].spent > most
}
"""


def module_text(name: str) -> str:
    """Return the module ``policy.<name>``, which reads ``data.<name>``; ``name`` is a name of a module."""
    return _MODULE.replace("<name>", name)
