"""Logs that others wrote: whatever stands where in a record, pages are made, and hold no markup of it."""

from __future__ import annotations

import copy
import html
import json
import re
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.console.decision import Explained, decision_page
from tabard_sidecar.console.decisions import list_page
from tabard_sidecar.console.feed import Feed
from tabard_sidecar.console.html import Links
from tabard_sidecar.console.layout import MOST_JSON_CHARACTERS, Site, command_line, document
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.explaining.explanation import describe_decision
from tabard_sidecar.operating.log_source import LogSource
from tabard_sidecar.records.reading import joined
from tabard_sidecar.util.visible import hidden

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


def test_a_row_is_small(tmp_path):
    """Ten thousand of them are kept, whatever a record holds in any number, also in names of members."""
    long = "x" * 300_000
    record = copy.deepcopy(RECORD) | {"by": {long: {long: [long] * 5}}, "root_holder": long}
    record["result"]["reasons"] = [{"module": long, "code": long, "message": long}] * 500
    record["input"]["delegation"]["chain"] = [{"holder": f"{number}{long[:2000]}"} for number in range(500)]
    feed = Feed(LogSource((), "", ""), one=True)
    for entry in joined([record]):
        feed._add(entry)
    [row] = feed.page({"since": None, "until": None}, before="", size=1).rows
    assert len(json.dumps(row.shown)) < 20_000
    assert MARKUP not in list_page(SITE, SESSION, feed, "", {})


def test_a_page_writes_no_more_of_a_value_than_it_shows():
    """Indented, a line of a megabyte is a hundred: a page of it kept all others waiting for ten seconds."""
    value = [0] * 100_000
    for _ in range(80):
        value = [value]
    before = time.process_time()
    text = document(value)
    assert time.process_time() - before < 1.0
    assert "(more characters)" in text
    assert len(text) < 2 * MOST_JSON_CHARACTERS


@pytest.mark.parametrize(
    "word", ["--config=x", "a b", "it's", "a\u3000b", "\\'\n\u202e$(id)`id`", "", "-", "\U000e0001x"]
)
def test_a_command_to_copy_means_what_is_meant(word):
    """A shell reads back exactly that word, and the command takes it for no option."""
    text = html.unescape(re.sub("<[^>]+>", "", command_line("printf", "%s|", given=word)))
    assert not any(map(hidden, text))
    done = subprocess.run(["bash", "-c", text], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout.decode() == ("--|" if word.startswith("-") else "") + f"{word}|"
