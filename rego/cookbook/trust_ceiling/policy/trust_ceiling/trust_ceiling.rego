# METADATA
# title: A ceiling for each person
# description: The lowest ceiling of the person and of the agents in the chain bounds a discount.
package policy.trust_ceiling

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.credentials
import data.tabard.lib.intent

_shop := "https://shop.internal"

_roles := data.trust_ceiling.roles

_agents := data.trust_ceiling.agents

start contains {"code": "customer_care", "limits": {
	"tools": ["discounts.create"],
	"audiences": [_shop],
	"scopes": ["discounts:write"],
	"purposes": ["customer_care"],
	"budgets": {"discounts": 10},
	"max_depth": 3,
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("customer_care")
	_of_person
}

# Agents with a ceiling may hand the task on to each other.
delegate contains {"code": "care_agent", "limits": {"ttl_seconds": 600}} if {
	intent.purpose_is("customer_care")
	chain.receiver_in(_agents)
}

grant contains {
	"code": "discount",
	"credential": credentials.once(_shop, ["discounts:write"], 30),
	"charges": {"discounts": 1},
} if {
	input.tool.name == "discounts.create"
	intent.purpose_is("customer_care")
	arguments.only({"customer_id", "percent"})
	arguments.matches("customer_id", "C-[0-9]{1,9}")
	arguments.whole_in_range("percent", 1, _ceiling)
}

deny contains {"code": "above_ceiling", "message": "The discount is above what this person's agents may give."} if {
	input.tool.name == "discounts.create"
	arguments.number("percent") > _ceiling
}

# Undefined if one of the chain has no ceiling.
_ceiling := min({_of_person} | {_agents[holder] | some holder in chain.holders}) if chain.all_in(_agents)

_of_person := max({_roles[group] | some group in input.subject.claims.groups})
