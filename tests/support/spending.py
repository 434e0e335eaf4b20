"""A policy that charges, labels and looks back, and short ways to call under it."""

from __future__ import annotations

import pytest
import tabard
from tabard.outcome import sign_outcome
from tabard_sidecar.keys import Keyring

SOURCE = """
package policy.desk

import data.tabard.lib.labels

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": ["bank"],
	"scopes": ["pay"],
	"budgets": {"cents": 1000, "calls": 50},
	"max_depth": 3,
	"max_children": 20,
	"ttl_seconds": 600,
}}

delegate contains {"code": "desk", "limits": {"budgets": {"cents": 300}}}

grant contains {
	"code": "pay",
	"charges": {"cents": input.tool.arguments.cents, "calls": 1},
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "pay"
}

grant contains {"code": "read", "labels": ["untrusted"]} if input.tool.name == "web.read"

grant contains {
	"code": "fetch",
	"labels": ["untrusted"],
	"credential": {"kind": input.tool.arguments.kind, "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "web.fetch"
}

renew contains {"code": "fetch", "ttl_seconds": 200} if input.tool.name == "web.fetch"

grant contains {"code": "note", "labels": ["noted"], "label_scope": "branch"} if input.tool.name == "note"

grant contains {"code": "send"} if input.tool.name == "send"

# No start rule grants this budget, which the loader would see if the name were written out.
grant contains {"code": "gamble", "charges": {lower("CHIPS"): 1}} if input.tool.name == "gamble"

deny contains {"code": "tainted", "message": "the task has read what others write"} if {
	input.tool.name == "send"
	labels.untrusted
}

deny contains {"code": "noted", "message": "the branch has noted something"} if {
	input.tool.name == "send"
	"noted" in input.history.labels
}

deny contains {"code": "paid_before", "message": "sending after paying twice"} if {
	input.tool.name == "send"
	count([1 | some call in input.history.calls; call.tool == "pay"]) > 1
}
"""
POLICY = {"desk/desk.rego": SOURCE}


def signed_by(zone, audience: str, *, decision_id: str, **outcome) -> str:
    """Return an outcome that a backend of the zone signs."""
    (key,) = Keyring(zone.keys).export(audience)
    return sign_outcome(key.secret, key_id=key.kid, audience=audience, decision_id=decision_id, **outcome)


async def refused(attempt) -> tabard.Denied:
    """Return the refusal of an attempt."""
    with pytest.raises(tabard.Denied) as caught:
        await attempt
    return caught.value


async def spent(zone, task) -> dict[str, int]:
    """Return what every budget of a task has spent, by id."""
    found = await zone.store.tree((await task.get()).task_id)
    return dict(found.spent)


async def pay(task, cents, **options):
    """Ask for one payment."""
    return await task.authorize("pay", {"cents": cents}, **options)
