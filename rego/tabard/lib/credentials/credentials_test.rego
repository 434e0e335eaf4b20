package tabard.lib.credentials_test

import data.tabard.lib.credentials

test_jwt if {
	credentials.jwt("https://notes.internal", ["notes:read"], 60) == {
		"audience": "https://notes.internal",
		"kind": "jwt",
		"scopes": ["notes:read"],
		"ttl_seconds": 60,
	}
}

test_once_is_the_same_jwt_for_one_use if {
	reusable := credentials.jwt("https://notes.internal", ["notes:write"], 30)
	credentials.once("https://notes.internal", ["notes:write"], 30) == object.union(reusable, {"single_use": true})
}

test_at_edge_is_the_same_for_an_edge if {
	given := credentials.vault("orders-read", "postgres://orders", 300)
	credentials.at_edge(given) == object.union(given, {"delivery": "edge"})
}

test_vault if {
	credentials.vault("orders-read", "postgres://orders", 300) == {
		"audience": "postgres://orders",
		"kind": "vault",
		"role": "orders-read",
		"ttl_seconds": 300,
	}
}

test_exchange if {
	credentials.exchange("orders", ["orders:read"], 300) == {
		"audience": "orders",
		"kind": "exchange",
		"scopes": ["orders:read"],
		"ttl_seconds": 300,
	}
}
