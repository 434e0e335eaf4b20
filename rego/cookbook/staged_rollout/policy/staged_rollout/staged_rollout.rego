# METADATA
# title: Staged rollout
# description: A lower limit for refunds, for some agents first. It only denies; another module grants.
package policy.staged_rollout

import data.tabard.lib.arguments
import data.tabard.lib.chain

deny contains {"code": "above_new_limit", "message": "The amount is above the new limit for refunds."} if {
	input.tool.name == "refunds.create"
	not _exempt
	not arguments.whole_in_range("amount_cents", 1, data.staged_rollout.max_cents)
}

# Any other stage concerns all agents.
_exempt if {
	data.staged_rollout.stage == "some_agents"
	every holder in chain.holders {
		not _concerned[holder]
	}
}

_concerned[holder] if some holder in data.staged_rollout.agents
