package tabard.lib.chain_test

import data.tabard.lib.chain

_chain := {
	"agent": {"id": "spiffe://x/c"},
	"delegation": {"depth": 3, "chain": [
		{"holder": "spiffe://x/b", "sub_agent": ""},
		{"holder": "spiffe://x/c", "sub_agent": ""},
		{"holder": "spiffe://x/c", "sub_agent": "reader"},
	]},
	"request": {"holder": "spiffe://x/d"},
}

test_holders if {
	chain.holders == {"spiffe://x/b", "spiffe://x/c"} with input as _chain
}

test_sub_agents if {
	chain.sub_agents == {"reader"} with input as _chain
}

test_depth if {
	chain.depth_at_most(3) with input as _chain
	not chain.depth_at_most(2) with input as _chain
}

test_all_in_sets_arrays_and_objects if {
	every allowed in [
		{"spiffe://x/b", "spiffe://x/c"},
		["spiffe://x/b", "spiffe://x/c"],
		{"spiffe://x/b": {}, "spiffe://x/c": false},
	] {
		chain.all_in(allowed) with input as _chain
	}
}

test_holders_not_in if {
	not chain.all_in({"spiffe://x/b"}) with input as _chain
	chain.holders_not_in({"spiffe://x/b"}) == {"spiffe://x/c"} with input as _chain
	chain.holders_not_in({"spiffe://x/b": {}}) == {"spiffe://x/c"} with input as _chain
}

test_agent if {
	chain.agent_in({"spiffe://x/c"}) with input as _chain
	not chain.agent_in({"spiffe://x/b": {}}) with input as _chain
}

test_receiver if {
	chain.receiver_in({"spiffe://x/d": {}}) with input as _chain
	not chain.receiver_in({"spiffe://x/c"}) with input as _chain
}
