# METADATA
# title: Code execution
# description: Code runs in listed images, without a network, within seconds for each run and each task.
# custom:
#   tabard:
#     labels: [secret]
package policy.code_execution

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.labels

_sandbox := "https://sandbox.internal"

start contains {"code": "analysis", "limits": {
	"tools": ["sandbox.run"],
	"audiences": [_sandbox],
	"scopes": ["sandbox:run"],
	"purposes": ["analysis"],
	"budgets": {"sandbox_seconds": 600},
	"ttl_seconds": 3600,
}} if {
	intent.purpose_is("analysis")
}

grant contains {
	"code": "run",
	"credential": credentials.once(_sandbox, ["sandbox:run"], 30),
	"charges": {"sandbox_seconds": input.tool.arguments.timeout_seconds},
	"labels": ["untrusted"],
} if {
	input.tool.name == "sandbox.run"
	intent.purpose_is("analysis")
	arguments.only({"code", "image", "network", "timeout_seconds"})
	arguments.text_in("image", data.code_execution.images)
	arguments.text("code")
	arguments.length_at_most("code", 20000)
	input.tool.arguments.network == false
	arguments.whole_in_range("timeout_seconds", 1, 120)
}

deny contains {"code": "secret_in_task", "message": "No code runs in a task that has read a secret."} if {
	input.tool.name == "sandbox.run"
	labels.has("secret")
}
