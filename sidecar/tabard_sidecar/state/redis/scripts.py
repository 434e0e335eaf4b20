"""Loads the Lua scripts, one for each atomic operation.

A script consists of the prelude, parts that it shares with other scripts, and the file of its name. The server
identifies it by the SHA-1 of that text.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its text and the digest by which the server identifies it."""

    name: str
    text: str
    digest: str


def _script(name: str, *shared: str, flags: str = "") -> Script:
    folder = resources.files(__package__) / "lua"
    parts = [(folder / f"{part}.lua").read_text("utf-8") for part in ("prelude", *shared, name)]
    text = f"#!lua{' flags=' + flags if flags else ''}\n" + "\n".join(parts)
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


# These scripts read, free memory or take authority away, so they must work when the server is full. No script is marked
# read-only: the server would then run it on a replica, or on a primary that lost its replicas, and return old data.
_ALWAYS = "allow-oom"

OPEN = _script("open")
CLAIM_REQUEST = _script("claim_request")
COMPLETE_REQUEST = _script("complete_request")
ABANDON_REQUEST = _script("abandon_request", flags=_ALWAYS)
CONSUME = _script("consume", "uses")
OPEN_TASK = _script("open_task", "owners", "labels")
SUBJECT_TOKEN = _script("subject_token", flags=_ALWAYS)
LOOK_UP = _script("look_up", "owners", flags=_ALWAYS)
RESERVE = _script("reserve", "owners", "labels", "facts")
RELEASE = _script("release", "facts", flags=_ALWAYS)
REPORT = _script("report", "owners", "labels", "facts")
REGISTER_CHILDREN = _script("register_children", "owners", "labels")
ENDED_AT_OR_ABOVE = _script("ended_at_or_above", "above", flags=_ALWAYS)
REVOKE = _script("revoke", flags=_ALWAYS)
LIFT = _script("lift")
REVOCATIONS = _script("revocations", flags=_ALWAYS)
NEWEST = _script("newest", flags=_ALWAYS)
ASK = _script("ask", "above", "approvals")
APPROVAL = _script("approval", "above", "approvals", flags=_ALWAYS)
LIST_APPROVALS = _script("list_approvals", "above", "approvals", flags=_ALWAYS)
APPROVAL_GROUP = _script("approval_group", "above", "approvals", flags=_ALWAYS)
DECIDE_APPROVAL = _script("decide_approval", "above", "approvals", "uses", "deciding")
DECIDE_APPROVALS = _script("decide_approvals", "above", "approvals", "uses", "deciding")
TASKS = _script("tasks", flags=_ALWAYS)
TREE = _script("tree", flags=_ALWAYS)
EXPIRE = _script("expire", "lease", flags=_ALWAYS)
CHECK = _script("check", flags=_ALWAYS)
ADD_LEASE = _script("add_lease", "lease")
EXTEND_LEASE = _script("extend_lease", "lease")
END_LEASE = _script("end_lease", "lease", flags=_ALWAYS)
LEASES = _script("leases", "lease", "live_leases", flags=_ALWAYS)
LEASES_OF = _script("leases_of", "lease", flags=_ALWAYS)
REVOKED_LEASES = _script("revoked_leases", "lease", "live_leases", flags=_ALWAYS)
