# METADATA
# title: Chains of delegation
# description: |
#   Helpers over input.delegation.chain, the verified hops and branches from the first to the last. The workload that
#   started the task isn't a link of the chain; the workload that asks is input.agent.
package tabard.lib.chain

import data.tabard.lib.sets

# METADATA
# description: SPIFFE IDs of every workload that a hop or branch of the chain names, and of the one that asks.
# scope: document
holders contains link.holder if some link in input.delegation.chain

holders contains input.agent.id

# METADATA
# description: Names of the sub-agents in the chain. The workload that runs a sub-agent asserts its name.
sub_agents contains link.sub_agent if {
	some link in input.delegation.chain
	link.sub_agent != ""
}

# METADATA
# description: True if the chain holds at most `limit` hops and branches.
depth_at_most(limit) if input.delegation.depth <= limit

# METADATA
# description: |
#   True if every workload of the chain, the asking one included, is in `allowed`: a set or array of SPIFFE IDs, or an
#   object whose keys are SPIFFE IDs.
all_in(allowed) if count(holders_not_in(allowed)) == 0

# METADATA
# description: |
#   The workloads of the chain that are not in `allowed`, as a set, for the message of a denial. Compare its count with
#   0; a set counts as true even if it is empty.
# scope: document
holders_not_in(allowed) := {holder | some holder in holders; not holder in allowed} if is_array(allowed)

# Written out, since calls of sets.missing cost each policy more than the work.
holders_not_in(allowed) := holders - {holder | some holder in holders; _ = allowed[holder]} if not is_array(allowed)

# METADATA
# description: True if the workload that asks is in `allowed`, given as for all_in.
agent_in(allowed) if sets.has(allowed, input.agent.id)

# METADATA
# description: True if the request delegates to a workload in `allowed`, given as for all_in.
receiver_in(allowed) if sets.has(allowed, input.request.holder)
