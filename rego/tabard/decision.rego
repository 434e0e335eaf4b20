# METADATA
# title: Tabard's entrypoint
# description: |
#   Collects what the modules under data.policy say and judges nothing: the sidecar checks every element against its
#   schema and composes them. An operation that isn't known collects nothing, so nothing is granted.
package tabard

# Iterating over data.policy itself would evaluate every rule of every module, so the names are found by reference.

# The tools offered are those that some call of authorize could use.
_grants := {"authorize", "filter_tools"}

_operations := _grants | {"delegate", "renew", "start_task"}

# METADATA
# title: Decision
# description: |
#   Elements of every module, each with the name of the module it came from. For an operation that isn't known the
#   answer is empty lists, which compose to a denial.
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
