# METADATA
# title: Staging and production
# description: Deployments to staging, and to production with a change record and a release manager's approval.
package policy.environments

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.subject

_staging := "https://deploy.staging.internal"

_production := "https://deploy.production.internal"

_environment := arguments.text("environment")

start contains {"code": "deployment", "limits": {
	"tools": ["deploys.create"],
	"audiences": [_staging, _production],
	"scopes": ["deploys:write"],
	"purposes": ["deployment"],
	"budgets": {"deployments": 10},
	"ttl_seconds": 1800,
}} if {
	_developer
}

grant contains {
	"code": "deploy_to_staging",
	"credential": credentials.once(_staging, ["deploys:write"], 60),
	"charges": {"deployments": 1},
} if {
	_developer
	_deployable
	arguments.only({"environment", "service", "version"})
	_environment == "staging"
}

grant contains {
	"code": "deploy_to_production",
	"credential": credentials.once(_production, ["deploys:write"], 60),
	"charges": {"deployments": 1},
} if {
	_developer
	_deployable
	arguments.only({"change", "environment", "service", "version"})
	_environment == "production"
	change := data.environments.changes[arguments.text("change")]
	change.service == input.tool.arguments.service
	change.version == input.tool.arguments.version
}

ask contains {
	"code": "production",
	"approvers": ["release_manager"],
	"reason": "A deployment to production. The change record names this service and this version.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	input.tool.name == "deploys.create"
	_environment != "staging"
}

deny contains {"code": "production_frozen", "message": "Production is frozen. Staging isn't."} if {
	input.tool.name == "deploys.create"
	_environment != "staging"
	some freeze in data.environments.freezes
	input.context.time >= freeze.from
	input.context.time < freeze.until
}

_developer if {
	intent.purpose_is("deployment")
	subject.has_claim("groups", "developers")
}

_deployable if {
	input.tool.name == "deploys.create"
	arguments.text_in("service", data.environments.services)
	arguments.matches("version", `[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}`)
}
