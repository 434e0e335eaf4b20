# METADATA
# title: Tabard's entrypoint
# description: |
#   Collects the elements of the modules under data.policy. The sidecar checks every element against its schema and
#   composes them. An unknown operation collects nothing, so nothing is granted.
package tabard

# `some module in data.policy` would evaluate every rule of every module; data.policy[name].deny evaluates only deny.

# filter_tools offers a tool if a call of it could be granted.
_grants := {"authorize", "filter_tools"}

_operations := _grants | {"delegate", "renew", "start_task"}

# METADATA
# title: Decision
# description: |
#   Elements of every module, each with the name of its module. An unknown operation gets empty lists, which compose to
#   a denial.
# scope: document
# entrypoint: true
default decision := {"ask": [], "delegate": [], "deny": [], "grant": [], "renew": [], "start": []}

decision := {
	"ask": [{"module": name, "element": element} | some name; some element in data.policy[name].ask],
	"delegate": [{"module": name, "element": element} |
		input.operation == "delegate"
		some name
		some element in data.policy[name].delegate
	],
	"deny": [{"module": name, "element": element} | some name; some element in data.policy[name].deny],
	"grant": [{"module": name, "element": element} |
		input.operation in _grants
		some name
		some element in data.policy[name].grant
	],
	"renew": [{"module": name, "element": element} |
		input.operation == "renew"
		some name
		some element in data.policy[name].renew
	],
	"start": [{"module": name, "element": element} |
		input.operation == "start_task"
		some name
		some element in data.policy[name].start
	],
} if {
	input.operation in _operations
}
