# METADATA
# title: Chains of delegation
# description: |
#   Helpers over input.delegation.chain, the verified hops and branches from the first to the last. The workload that
#   started the task isn't a link of the chain; the workload that asks is input.agent.
package tabard.lib.chain

# METADATA
# description: SPIFFE IDs of every workload that a hop or branch of the chain names, and of the one that asks.
# scope: document
holders contains link.holder if some link in input.delegation.chain

holders contains input.agent.id

# METADATA
# description: Names of the sub-agents in the chain. Their workload asserts them.
sub_agents contains link.sub_agent if {
	some link in input.delegation.chain
	link.sub_agent != ""
}

# METADATA
# description: True if the chain holds at most `limit` hops and branches.
depth_at_most(limit) if input.delegation.depth <= limit

# METADATA
# description: |
#   True if every workload of the chain, the asking one included, is in `trusted`: a set or array of SPIFFE IDs, or an
#   object whose keys are SPIFFE IDs.
all_trusted(trusted) if count(untrusted(trusted)) == 0

# METADATA
# description: The workloads of the chain that are not in `trusted`, for the message of a denial.
# scope: document
untrusted(trusted) := {holder |
	some holder in holders
	not _known(trusted, holder)
} if {
	is_array(trusted)
}

# One look-up a workload: a function call for each would cost more than the look-up.
untrusted(trusted) := {holder |
	some holder in holders
	not trusted[holder] == trusted[holder]
} if {
	not is_array(trusted)
}

# METADATA
# description: True if the workload that asks is in `trusted`, given as for all_trusted.
agent_in(trusted) if _known(trusted, input.agent.id)

# METADATA
# description: True if a delegation is asked for to a workload in `trusted`, given as for all_trusted.
receiver_in(trusted) if _known(trusted, input.request.holder)

_known(trusted, id) if {
	is_array(trusted)
	id in trusted
}

_known(trusted, id) if {
	not is_array(trusted)
	_ = trusted[id]
}
