"""Logs that others wrote: whatever stands where in a record, pages are made, and hold no markup of it."""

from __future__ import annotations

import copy
import time
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.cli.log_source import LogSource
from tabard_sidecar.console.decision import Explained, decision_page
from tabard_sidecar.console.decisions import list_page
from tabard_sidecar.console.feed import Feed
from tabard_sidecar.console.html import Links
from tabard_sidecar.console.layout import Site
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.explaining.explanation import describe_decision
from tabard_sidecar.records.reading import joined

from tests.support.policy import DESK, policy_input

MARKUP = "\"'><x-mark onload=1>\u202e"
SITE = Site(Links("/b"), lambda: "support", lambda: "", changes=True, now=time.time, style="1")
SESSION = Session("t", "f", 0.0)
RECORD = {
    "decision_id": "7f3c1a52-0f0e-4c1b-8a8e-1d2f3a4b5c6d",
    "event": "outcome",
    "operation": "authorize",
    "timestamp": "2027-01-15T08:00:00.000000000Z",
    "root_holder": f"{DESK}/orchestrator",
    "labels": {"zone": "support"},
    "bundles": {"policy": {"revision": "abcdef"}},
    "by": {},
    "masked": ["/input/subject/id"],
    "input": policy_input(
        tool={"name": "mail.send", "server": "s", "arguments": {"to": ["a@b.example"]}},
        budgets={"cents": {"limit": 10, "spent": 1, "remaining": 9}},
        history={"calls": [{}], "labels": ["untrusted"]},
        approvals=[{"module": "m", "code": "c", "approver": {"id": "i", "issuer": "j"}, "approved_at": 1}],
        delegation={
            "depth": 1,
            "children": 0,
            "constraints": [{"type": "tools", "tools": ["*.x"]}, {"type": "hop", "holder": "h"}],
            "chain": [
                {
                    "holder": "h",
                    "sub_agent": "p",
                    "caveats": [{"type": "budget", "name": "cents", "limit": 5}],
                }
            ],
        },
    ),
    "result": {
        "decision": "deny",
        "reasons": [{"module": "policy.m", "code": "c", "message": "why"}],
        "credential": {"id": "k", "kind": "jwt", "audience": "a", "scopes": ["s"], "expires_at": 1800000000},
        "charges": {"cents": 3},
        "labels": ["l"],
        "facts": {"f": ["x"]},
        "approvals_asked": ["q"],
        "renews": "r",
    },
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.just(MARKUP)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.just(MARKUP) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Yield every place in a document."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*path, name))


PLACES = [path for path in places(RECORD) if path not in {("decision_id",), ("event",)}]


class Elements(HTMLParser):
    """Notes elements and attributes."""

    def __init__(self, text):
        super().__init__()
        self.seen = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen |= {tag, *(name for name, _ in attrs)}


def changed(path, value):
    record = copy.deepcopy(RECORD)
    inner = record
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return record


@settings(max_examples=150)
@given(
    st.sampled_from(PLACES), JSON, st.sampled_from(["authorize", "start_task", "delegate", "revoke", MARKUP])
)
def test_every_record_has_pages(path, value, operation):
    """A list and a page of its own, without an element or an attribute of the record's."""
    record = changed(path, value)
    if path != ("operation",):
        record["operation"] = operation
    [entry] = joined([record])
    feed = Feed(LogSource((Path("log"),), "", ""), one=True)
    feed._add(entry)
    texts = [list_page(SITE, SESSION, feed, "", {})]
    texts.append(
        decision_page(
            SITE, SESSION, Explained(entry, describe_decision(entry), None, waiting=False, problem=MARKUP)
        )
    )
    for text in texts:
        assert not {"x-mark", "onload"} & Elements(text).seen
        assert "\u202e" not in text
        text.encode()
