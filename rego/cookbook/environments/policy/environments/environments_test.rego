package policy.environments_test

import data.policy.environments

_deploy(now, arguments) := {
	"operation": "authorize",
	"context": {"time": now},
	"subject": {"claims": {"groups": ["developers"]}},
	"task": {"purpose": "deployment", "intent_source": "signed"},
	"tool": {"name": "deploys.create", "arguments": object.union({"service": "shop", "version": "1.2.3"}, arguments)},
}

_data := {
	"services": ["shop"],
	"changes": {"C-1": {"service": "shop", "version": "1.2.3"}, "C-2": {"service": "shop", "version": "1.2.4"}},
	"freezes": [{"from": 100, "until": 200}],
}

test_start if {
	count(environments.start) == 1 with input as _deploy(1, {}) with data.environments as _data
}

test_staging if {
	request := _deploy(150, {"environment": "staging"})
	{element.code | some element in environments.grant} == {"deploy_to_staging"} with input as request
		with data.environments as _data
	environments.ask == set() with input as request with data.environments as _data
	environments.deny == set() with input as request with data.environments as _data
}

test_production if {
	request := _deploy(1, {"environment": "production", "change": "C-1"})
	{element.code | some element in environments.grant} == {"deploy_to_production"} with input as request
		with data.environments as _data
	count(environments.ask) == 1 with input as request with data.environments as _data
	environments.deny == set() with input as request with data.environments as _data
}

test_not_to_production if {
	every arguments in [
		{}, {"environment": "production"}, {"environment": "production", "change": "C-2"}, {"environment": "Staging"},
	] {
		environments.grant == set() with input as _deploy(1, arguments) with data.environments as _data
	}
	count(environments.deny) == 1 with input as _deploy(150, {"environment": "production", "change": "C-1"})
		with data.environments as _data
}
