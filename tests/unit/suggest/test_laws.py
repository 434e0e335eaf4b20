"""Tests what holds of every proposal, whatever stands in the log."""

from __future__ import annotations

import dataclasses
import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.policy.authoring.workbench import deciding
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.documents import parse_yaml
from tabard_sidecar.suggest.module import module_text
from tabard_sidecar.suggest.proposing import REGULAR, Kind, accepting, propose
from tabard_sidecar.suggest.thresholds import Thresholds
from tabard_sidecar.suggest.trying import Policy, put_beside, require_sound
from tabard_sidecar.suggest.written import Noted, data_text, data_tree

from tests.unit.suggest.logs import ALL, PERMISSIVE, denials, learn, learner_of, record

HOSTILE = (
    '"', "'", "\n", "\r\n", "\x1b[31m", "\u202e", "\x00", "#", ": ", "- ", "]", "}", "{{x}}", "${x}", "`", "<<", "*a", "&a",
    "!!python/object:x", "yes", "null", "~", "1e3", "0x1F", "2026-01-01", "\ufeff", "\u2028", "\x85", "\U0001f600", "",
    '"}\ngrant contains {"code": "x"} if true\n#', "a\\", "[]", "a.b", "a.[]", "?", "tools", "__proto__", "x" * 41, "é",
    "/a/b/c", "/a/b/../c", "https://a.example/x", "m@a.example", "a@b@c",
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12), st.just("plain"))
SCALARS = st.one_of(
    TEXTS,
    st.booleans(),
    st.none(),
    st.integers(-(2**53), 2**53),
    st.sampled_from([0, 1, 1.5, -0.5, 1e-7, 123456.789]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
OPERATIONS = st.sampled_from(["authorize"] * 6 + ["renew", "delegate", "start_task"])
SPIFFE = st.sampled_from(["spiffe://x/a", "spiffe://x/b", 'spiffe://x/"\n#'])


@st.composite
def records(draw):
    """One record of an allowed decision."""
    operation = draw(OPERATIONS)
    return record(
        operation,
        day=draw(st.integers(0, 5)),
        after=draw(st.sampled_from([0.5, 5.0, 400.25])),
        task=draw(st.sampled_from(["t1", "t2", "t3"])),
        agent=draw(SPIFFE),
        purpose=draw(st.one_of(st.just("work"), TEXTS)),
        source=draw(st.sampled_from(["signed", "signed", "asserted"])),
        tool=draw(st.one_of(st.just("read"), TEXTS.filter(bool))),
        server=draw(st.sampled_from(["", "s"])),
        arguments=draw(st.dictionaries(st.one_of(st.just("n"), TEXTS), VALUES, max_size=3)),
        depth=draw(st.integers(0, 3)),
        children=draw(st.integers(0, 3)),
        spent=draw(st.sampled_from([0, 10, 500])),
        charge=draw(st.sampled_from([0, 0, 7])),
        holder=draw(SPIFFE),
        id=str(draw(st.integers(0, 10**9))),
    )


KINDS = st.sampled_from([REGULAR, frozenset(Kind)])
LOGS = st.lists(records(), min_size=1, max_size=12)
THRESHOLDS = st.builds(
    Thresholds,
    decisions=st.integers(1, 4),
    tasks=st.integers(1, 3),
    days=st.integers(1, 3),
    settled=st.integers(0, 2),
    repeated=st.sampled_from([0.0, 0.5, 1.0]),
    most_members=st.integers(1, 4),
    slack=st.sampled_from([0.0, 0.1, 0.5, 2.0]),
    close_lower=st.booleans(),
)


@pytest.fixture(scope="module")
def engine():
    """An engine for all examples."""
    with Engine() as made:
        yield made


def plain(tree):
    """The data of a proposal without its comments."""
    if isinstance(tree, Noted):
        return plain(tree.value)
    return {name: plain(value) for name, value in tree.items()} if isinstance(tree, dict) else tree


@settings(max_examples=40, phases=(Phase.explicit, Phase.generate))
@given(log=LOGS, others=LOGS, kinds=KINDS, thresholds=st.one_of(st.just(ALL), THRESHOLDS))
def test_the_rules_deny_what_the_proposal_says_and_nothing_of_the_log(engine, log, others, kinds, thresholds):
    """The module compiles beside a policy that allows everything; each call is decided as the restrictions say, by their codes."""
    proposal = propose(learner_of(log).usage, thresholds, kinds)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "author"
        home.mkdir()
        (home / "open.rego").write_text(PERMISSIVE)
        files = {
            "seen/seen.rego": module_text("seen"),
            "seen/data.yaml": data_text(data_tree(proposal), ["x"]),
        }
        if not proposal.restrictions:
            return
        policy = put_beside(Policy(home, CompileOptions(), Catalogue()), files, Path(folder) / "policy")
        require_sound(engine, policy)
        with deciding(engine, policy.path, policy.options) as decide:
            for one in log:
                decision = decide(one["input"]).decision
                assert decision.allowed, [reason.code for reason in decision.denials]
            for one in others:
                decision = decide(one["input"]).decision
                wanted = denials(proposal, one["input"])
                assert {reason.code for reason in decision.denials} == wanted
                assert decision.allowed is not bool(wanted)


@given(log=LOGS, thresholds=st.one_of(st.just(ALL), THRESHOLDS))
def test_data_is_read_as_it_was_meant(log, thresholds):
    """The strict reader finds in the file exactly what the proposal says, and comments hold nothing of the log."""
    tree = data_tree(propose(learner_of(log).usage, thresholds))
    text = data_text(tree, ["head"])
    assert parse_yaml(text.encode()) == plain(tree)
    assert all(character.isprintable() for character in text.replace("\n", ""))
    comments = {line.strip() for line in text.splitlines() if line.strip().startswith("#")}
    assert all(set(line) <= set("# head0123456789,-.;inorestakdymu") for line in comments)


@given(log=LOGS, calls=LOGS, kinds=KINDS, data=st.data())
def test_more_evidence_that_is_demanded_never_denies_more(log, calls, kinds, data):
    """What is denied under stricter thresholds is denied under laxer ones."""
    lax = data.draw(THRESHOLDS)
    strict = dataclasses.replace(
        lax,
        decisions=lax.decisions + data.draw(st.integers(0, 2)),
        tasks=lax.tasks + data.draw(st.integers(0, 1)),
        days=lax.days + data.draw(st.integers(0, 1)),
        settled=lax.settled + data.draw(st.integers(0, 1)),
        repeated=max(lax.repeated, data.draw(st.sampled_from([0.0, 0.5, 1.0]))),
        most_members=max(1, lax.most_members - data.draw(st.integers(0, 2))),
        slack=lax.slack + data.draw(st.sampled_from([0.0, 0.3])),
        close_lower=lax.close_lower and data.draw(st.booleans()),
    )
    usage = learner_of(log).usage
    less, more = (propose(usage, one, kinds) for one in (strict, lax))
    for one in (*log, *calls):
        if denials(less, one["input"]):
            assert denials(more, one["input"])


@given(log=LOGS, thresholds=st.one_of(st.just(ALL), THRESHOLDS), seed=st.integers(0, 2**32))
def test_the_order_of_a_log_doesnt_matter(log, thresholds, seed):
    """Also the text is the same."""
    shuffled = list(log)
    random.Random(seed).shuffle(shuffled)
    one, other = (propose(learner_of(order).usage, thresholds) for order in (log, shuffled))
    assert one == other
    assert data_text(data_tree(one), []) == data_text(data_tree(other), [])


@given(log=LOGS, thresholds=THRESHOLDS, kinds=KINDS)
def test_nothing_that_was_learned_from_is_denied(log, thresholds, kinds):
    """Whatever the thresholds are."""
    proposal = propose(learner_of(log).usage, thresholds, kinds)
    for one in log:
        assert denials(proposal, one["input"]) == set(), json.dumps(one["input"])


@given(log=LOGS, later=LOGS, thresholds=st.one_of(st.just(ALL), THRESHOLDS), kinds=KINDS)
def test_what_is_accepted_later_is_denied_no_more_and_only_the_whole_log_makes_narrower(
    log, later, thresholds, kinds
):
    """A proposal that accepts a later part denies nothing of either. What it denies, it denied before, or the whole log is
    evidence for; and it denies all of the latter."""
    learner = learner_of(log)
    before = propose(learner.usage, thresholds, kinds)
    learn(learner, later)
    after, whole = (
        accepting(before, learner.usage, thresholds, kinds),
        propose(learner.usage, thresholds, kinds),
    )
    for one in (*log, *later):
        assert denials(after, one["input"]) == set()
    known = {one[:3] for one in (*before.restrictions, *whole.restrictions)}
    assert {one[:3] for one in after.restrictions} <= known
    for one in data_calls(log, later):
        assert denials(whole, one) <= denials(after, one) <= denials(before, one) | denials(whole, one)


def data_calls(log, later):
    """Calls that mix both logs: each call of one with the arguments of another."""
    for one in log:
        for other in later:
            if "tool" in one["input"] and "tool" in other["input"]:
                tool = one["input"]["tool"] | {"arguments": other["input"]["tool"]["arguments"]}
                yield one["input"] | {"tool": tool}


ELSEWHERE = {
    "to": ["m@b.example", "m@a.example@b.example", "m@b.example@a.example", "a.example", "m@", "m@A.example", ["m@a.example"], {}],
    "path": ["/in/../keys", "/in/%2e%2e/keys", "/in\\..\\keys", "/keys", "/i", "", "/IN/x", "/in/%", "/in/..", "/in/a\\b", ["/in/x"], 3],
    "count": [21, 1e9, -1, "3", [3], True],
    "kind": ["B", "", None, "a ", ["a"]],
}  # fmt: skip


def test_what_leads_elsewhere_is_denied(engine):
    """Two domains in one address, ways out of a folder, other types, and sets that only look alike."""
    log = [
        record(day=day, task=f"t{day}", arguments={"to": f"m{day}@a.example", "path": f"/in/{day}", "count": day, "kind": kind})
        for day, kind in enumerate(["a", "b"] * 5, 1)
    ]  # fmt: skip
    proposal = propose(learner_of(log).usage, dataclasses.replace(ALL, most_members=5, slack=1.0))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "author"
        home.mkdir()
        (home / "open.rego").write_text(PERMISSIVE)
        files = {"seen/seen.rego": module_text("seen"), "seen/data.yaml": data_text(data_tree(proposal), [])}
        policy = put_beside(Policy(home, CompileOptions(), Catalogue()), files, Path(folder) / "policy")
        usual = {"to": "new@a.example", "path": "/in/new/deep", "count": 20, "kind": "a"}
        with deciding(engine, policy.path, policy.options) as decide:
            assert decide(record(arguments=usual)["input"]).decision.allowed
            for name, values in ELSEWHERE.items():
                for value in values:
                    decision = decide(record(arguments=usual | {name: value})["input"]).decision
                    assert not decision.allowed, (name, value)
