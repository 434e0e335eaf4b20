"""One pure function turns what modules say into a decision."""

from __future__ import annotations

import copy

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard.caveats import Limits
from tabard_sidecar.facts import MOST_ELEMENTS, FactKind, Facts
from tabard_sidecar.model import Obligation, Operation, Reason
from tabard_sidecar.policy.compose import GRANTING, MAX_ELEMENTS, compose, element_checks
from tabard_sidecar.policy.loading.rules import RuleIndex, RuleSite
from tabard_sidecar.policy.resources import ELEMENTS, schema

JWT = {"kind": "jwt", "audience": "https://a", "scopes": ["x", "y"], "ttl_seconds": 60}


def document(**lists):
    """Return an entrypoint's answer: each list holds elements of module ``m``, or (module, element) pairs."""
    return {
        name: [
            {"module": item[0], "element": item[1]}
            if isinstance(item, tuple)
            else {"module": "m", "element": item}
            for item in lists.get(name, ())
        ]
        for name in ELEMENTS
    }


def codes(decision):
    return [reason.code for reason in decision.denials]


def authorize(**lists):
    return compose(document(**lists), Operation.AUTHORIZE, revision="r1")


def granted(*credentials, **more):
    return authorize(grant=[{"code": "ok", "credential": one, **more} for one in credentials])


def test_a_grant_alone_allows():
    decision = granted(JWT)
    assert decision.allowed
    assert decision.revision == "r1"
    assert decision.granted_by == (Reason("ok", "", "policy.m"),)
    assert (decision.credential.kind, decision.credential.scopes, decision.credential.ttl_seconds) == (
        "jwt", ("x", "y"), 60.0,
    )  # fmt: skip


def test_nothing_granted_is_no_grant():
    assert codes(authorize()) == ["no_grant"]


@pytest.mark.parametrize("operation", list(Operation))
def test_nothing_granted_denies_every_operation(operation):
    assert codes(compose(document(), operation)) == ["no_grant"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        [],
        True,
        "allow",
        {"allow": False},
        {"allow": True},
        {**document(), "extra": []},
        {**document(), "grant": {}},
        {**document(), "grant": None},
        {**document(), "grant": ["ok"]},
        {**document(), "grant": [{"module": "m"}]},
        {**document(), "grant": [{"module": 3, "element": {"code": "ok"}}]},
        {**document(), "grant": [{"module": "m", "element": {"code": "ok"}}] * (MAX_ELEMENTS + 1)},
        {**document(), "deny": [{"module": "m", "element": {"code": "no"}}]},
        {**document(), "deny": [{"module": "m", "element": True}]},
        {**document(), "deny": [{"module": "m", "element": {"code": "no", "message": "m", "to": 1}}]},
    ],
)
def test_an_answer_of_another_form_is_an_error_not_a_decision(answer):
    decision = compose(answer, Operation.AUTHORIZE)
    assert not decision.allowed
    assert set(codes(decision)) == {"policy_error"}


def test_any_denial_denies_whatever_grants():
    decision = authorize(
        grant=[{"code": "ok"}], deny=[("other", {"code": "bad_day", "message": "It is Monday"})]
    )
    assert decision.denials == (Reason("bad_day", "It is Monday", "policy.other"),)
    assert not decision.allowed


def test_every_denial_is_told():
    denials = [{"code": "one", "message": "1"}, {"code": "two", "message": "2"}]
    assert codes(authorize(grant=[{"code": "ok"}], deny=denials)) == ["one", "two"]


@pytest.mark.parametrize("operation", list(Operation))
def test_an_ask_denies_until_it_is_approved(operation):
    ask = {"code": "big", "approvers": ["cfo"], "reason": "Big sum", "uses": 1, "ttl_seconds": 60}
    granting = {
        GRANTING[operation]: [{"code": "ok", **({"ttl_seconds": 5} if operation is Operation.RENEW else {})}]
    }
    decision = compose(document(ask=[ask], **granting), operation)
    assert codes(decision) == ["approval_required"]
    assert [(one.module, one.code, one.approvers, one.uses) for one in decision.asks] == [
        ("m", "big", ("cfo",), 1)
    ]
    for answered, allowed in (({("m", "big")}, True), ({("other", "big"), ("m", "small")}, False)):
        assert (
            compose(document(ask=[ask], **granting), operation, approvals=frozenset(answered)).allowed
            is allowed
        )
    assert decision.denials[0].module == "policy.m"
    assert "Big sum" in decision.denials[0].message


@given(
    st.sets(st.sampled_from(["big", "small"])),
    st.booleans(),
    st.sampled_from([{}, {"cents": 0}, {"cents": 3}]),
    st.sampled_from(["jwt", "macaroon"]),
)
def test_what_was_approved_or_charged_is_for_one_use(asking, reuse, charges, kind):
    """An approval is used up by the call that presents it, so it doesn't matter whether an ask still demands it."""
    ask = {"approvers": ["cfo"], "reason": "r", "uses": 1, "ttl_seconds": 60}
    grant = {"code": "ok", "credential": {**JWT, "kind": kind}, "reuse": reuse}
    answer = document(
        ask=[{**ask, "code": code} for code in asking],
        grant=[grant | ({"charges": charges} if charges else {})],
    )
    for approved in (frozenset(), {("m", "big")}, {("other", "big")}, {("m", "big"), ("m", "small")}):
        decision = compose(answer, Operation.AUTHORIZE, approvals=frozenset(approved))
        assert decision.allowed is ({("m", code) for code in asking} <= approved)
        if decision.allowed:
            once = bool(approved or charges)
            assert (decision.credential.uses, decision.reuse) == (int(once), reuse and not once)


STATED = st.fixed_dictionaries(
    {}, optional={"uses": st.integers(1, 100), "single_use": st.booleans(), "charges": st.just({"cents": 1})}
)


@given(st.lists(STATED, min_size=1, max_size=4), st.booleans())
def test_the_fewest_uses_count_and_a_charge_covers_what_its_own_element_says(stated, approved):
    """An element that doesn't say how many uses its charge covers covers one, whatever the others say."""
    grants, fewest = [], []
    for number, one in enumerate(stated):
        said = {name: value for name, value in one.items() if name != "charges"}
        charges = {"charges": one["charges"]} if "charges" in one else {}
        grants.append({"code": f"g{number}", "credential": JWT | said, "reuse": True, **charges})
        if one.get("single_use"):
            fewest.append(1)
        elif "uses" in one:
            fewest.append(one["uses"])
        elif charges:
            fewest.append(1)
    approvals = frozenset([("m", "big")]) if approved else frozenset()
    decision = compose(document(grant=grants), Operation.AUTHORIZE, approvals=approvals)
    expected = 1 if approved else min(fewest, default=0)
    assert (decision.credential.uses, decision.reuse) == (expected, expected == 0)


@pytest.mark.parametrize("uses", [0, -1, 101, 1.5, "2", None, True])
def test_uses_are_a_small_number(uses):
    answer = document(grant=[{"code": "ok", "credential": JWT | {"uses": uses}}])
    assert codes(compose(answer, Operation.AUTHORIZE)) == ["policy_error"]


def test_a_broken_element_names_module_and_line():
    rules = RuleIndex(
        {"m": {"deny": (RuleSite("m.rego", 3, "other"), RuleSite("m.rego", 9, "no"), RuleSite("m.rego", 12))}}
    )
    answer = document(deny=[{"code": "no", "message": 3}])
    (denial,) = compose(answer, Operation.AUTHORIZE, rules=rules).denials
    assert denial.module == "policy.m"
    assert denial.message == "deny of policy.m (m.rego:9): 'message' must be of type string"


def test_an_element_that_no_loaded_rule_can_have_made_denies():
    rules = RuleIndex({"m": {"grant": (RuleSite("m.rego", 3),)}})
    answer = document(grant=[{"code": "ok"}, ("planted", {"code": "ok"})])
    assert codes(compose(answer, Operation.AUTHORIZE, rules=rules)) == ["policy_error"]
    assert compose(document(grant=[{"code": "ok"}]), Operation.AUTHORIZE, rules=rules).allowed


def test_an_ask_beside_a_denial_asks_no_person():
    """Where something else denies, or nothing grants, a person's word would change nothing."""
    ask = {"code": "big", "approvers": ["cfo"], "reason": "Big sum", "uses": 1, "ttl_seconds": 60}
    denied = authorize(grant=[{"code": "ok"}], ask=[ask], deny=[{"code": "no", "message": "No"}])
    assert (codes(denied), denied.asks) == (["no", "approval_required"], ())
    ungranted = authorize(ask=[ask])
    assert (codes(ungranted), ungranted.asks) == (["no_grant", "approval_required"], ())


def test_the_largest_charge_counts_and_labels_are_united():
    one = {"code": "a", "charges": {"cents": 3, "calls": 1}, "labels": ["b", "a"]}
    other = {"code": "b", "charges": {"cents": 7}, "labels": ["c"], "label_scope": "branch"}
    decision = authorize(grant=[one, other])
    assert decision.charges == {"cents": 7, "calls": 1}
    assert (decision.task_labels, decision.branch_labels) == (("a", "b"), ("c",))


@pytest.mark.parametrize("operation", [Operation.START_TASK, Operation.DELEGATE])
def test_budgets_become_limits(operation):
    element = {"code": "ok", "limits": {"budgets": {"money": 1}}}
    (limits,) = compose(document(start=[element], delegate=[element]), operation).limits
    assert limits.budgets == {"money": 1}


def test_empty_charges_labels_and_budgets_are_none():
    assert authorize(grant=[{"code": "ok", "charges": {}, "labels": []}]).allowed
    answer = document(start=[{"code": "ok", "limits": {"budgets": {}}}])
    assert compose(answer, Operation.START_TASK).allowed


def test_the_shorter_life_and_the_common_scopes_win():
    decision = granted(JWT, {**JWT, "ttl_seconds": 5, "scopes": ["y", "z"]})
    assert (decision.credential.ttl_seconds, decision.credential.scopes) == (5.0, ("y",))


def test_scopes_that_are_missing_are_none():
    without = {key: value for key, value in JWT.items() if key != "scopes"}
    assert granted(JWT, without).credential.scopes == ()


def test_single_use_wins_over_reuse():
    decision = granted(JWT, {**JWT, "single_use": True}, reuse=True)
    assert decision.credential.uses == 1
    assert not decision.reuse


def test_a_charge_is_for_one_use():
    decision = granted(JWT, {**JWT, "single_use": False}, reuse=True, charges={"cents": 1})
    assert decision.credential.uses == 1
    assert not decision.reuse


def test_reuse_needs_everyone():
    assert granted(JWT, reuse=True).reuse
    elements = [{"code": "a", "credential": JWT, "reuse": True}, {"code": "b", "credential": JWT}]
    assert not authorize(grant=elements).reuse


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "none"},
        {**JWT, "kind": "macaroon"},
        {**JWT, "audience": "https://b"},
        {**JWT, "role": "reader"},
    ],
)
def test_what_cannot_be_narrowed_must_agree(other):
    decision = granted(JWT, other)
    assert codes(decision) == ["policy_conflict"]
    assert "policy.m ok" in decision.denials[0].message


def test_a_grant_without_credential_is_a_decision_only():
    assert authorize(grant=[{"code": "ok"}]).credential.kind == "none"


def test_obligations_are_united():
    one, two = {"id": "log", "level": 1}, {"id": "log", "level": 2}
    decision = authorize(
        grant=[{"code": "a", "obligations": [one, two]}, {"code": "b", "obligations": [two]}]
    )
    assert decision.obligations == (Obligation("log", {"level": 1}), Obligation("log", {"level": 2}))


def test_every_start_element_keeps_its_own_limits():
    answer = document(
        start=[
            {"code": "a", "limits": {"tools": ["x.*"], "max_depth": 2, "ttl_seconds": 60}},
            {"code": "b", "limits": {"tools": [], "scopes": ["s"], "max_children": 3}},
        ]
    )
    first, second = compose(answer, Operation.START_TASK).limits
    assert (first.tools, first.scopes, first.max_depth, first.ttl_seconds) == (("x.*",), None, 2, 60.0)
    assert (second.tools, second.scopes, second.max_children, second.ttl_seconds) == ((), ("s",), 3, None)


def test_the_shorter_renewal_wins():
    answer = document(renew=[{"code": "a", "ttl_seconds": 60}, {"code": "b", "ttl_seconds": 30}])
    assert compose(answer, Operation.RENEW).ttl_seconds == 30.0


def test_a_rule_of_another_operation_grants_nothing():
    answer = document(
        start=[{"code": "a"}], renew=[{"code": "a", "ttl_seconds": 60}], delegate=[{"code": "a"}]
    )
    assert codes(compose(answer, Operation.AUTHORIZE)) == ["no_grant"]
    assert codes(compose(document(grant=[{"code": "a"}]), Operation.START_TASK)) == ["no_grant"]


NAMES = st.sampled_from(
    ["code", "message", "credential", "limits", "kind", "audience", "scopes", "ttl_seconds", "role", "single_use",
     "charges", "labels", "obligations", "id", "reuse", "approvers", "reason", "uses", "tools", "budgets", "other"]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 1e9, 10**20]),
    st.sampled_from(["", "ok", "jwt", "none", "vault", "No!", "x" * 600]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=12,
)
VALID = {
    "ask": {"code": "a", "approvers": ["x"], "reason": "r", "uses": 1, "ttl_seconds": 60},
    "delegate": {
        "code": "a",
        "limits": {"tools": ["x"], "budgets": {"m": 1}, "max_depth": 3, "ttl_seconds": 9},
    },
    "deny": {"code": "a", "message": "m"},
    "grant": {
        "code": "a",
        "credential": JWT,
        "charges": {"m": 1},
        "labels": ["l"],
        "obligations": [{"id": "o"}],
    },
    "renew": {"code": "a", "ttl_seconds": 60},
    "start": {"code": "a", "limits": {"scopes": ["x"], "purposes": [], "max_children": 3}},
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_valid_examples_fit(name):
    assert element_checks()[name](VALID[name]) is None
    jsonschema.Draft202012Validator(schema(name)).validate(VALID[name])


@pytest.mark.parametrize("name", ELEMENTS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_fast_checks_accept_what_the_schemas_accept(name, data):
    """Change one place of a valid element at random; both checks must agree about it."""
    element = copy.deepcopy(VALID[name])
    target = element
    while True:
        key = data.draw(st.one_of(st.sampled_from(sorted(target)), NAMES))
        inner = target.get(key)
        if isinstance(inner, dict) and inner and data.draw(st.booleans()):
            target = inner
            continue
        target[key] = data.draw(VALUES)
        break
    expected = jsonschema.Draft202012Validator(schema(name)).is_valid(element)
    assert (element_checks()[name](element) is None) == expected


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*ELEMENTS, "allow"]), VALUES), st.sampled_from(list(Operation)))
def test_garbage_never_allows_and_never_raises(answer, operation):
    assert not compose(answer, operation).allowed


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=2), st.sampled_from(list(Operation)))
def test_an_element_that_breaks_its_schema_is_never_left_out(grants, denials, operation):
    answer = document(grant=grants, start=grants, delegate=grants, renew=grants, deny=denials)
    decision = compose(answer, operation)
    if denials:
        assert not decision.allowed
    name = {"authorize": "grant", "filter_tools": "grant", "start_task": "start"}.get(
        operation.value, operation.value
    )
    if any(element_checks()[name](element) for element in grants):
        assert "policy_error" in codes(decision)


@pytest.mark.parametrize("operation", [Operation.START_TASK, Operation.DELEGATE])
@pytest.mark.parametrize("limits", [{"budgets": {"Cents": 1}}, {"budgets": {"": 1}}, {"tools": ["\ud800"]}])
def test_limits_that_no_caveat_can_say_are_an_error_of_their_module(operation, limits):
    """Names that the schema lets through and a caveat doesn't."""
    decision = compose(document(**{GRANTING[operation]: [{"code": "a", "limits": limits}]}), operation)
    assert [(reason.code, reason.module) for reason in decision.denials] == [("policy_error", "policy.m")]


def test_limits_may_hold_whole_numbers_as_floats():
    """An engine that calculates in floats writes 3.0 for 3."""
    stated = {"max_depth": 3.0, "ttl_seconds": 60.0, "budgets": {"usd": 5.0}}
    decision = compose(document(start=[{"code": "a", "limits": stated}]), Operation.START_TASK)

    assert decision.limits == (Limits(max_depth=3, ttl_seconds=60, budgets={"usd": 5}),)


def test_grants_note_facts_together():
    """Sets are united, the largest value of a counter counts, and each grant says where its facts are read."""
    decision = authorize(
        grant=[
            {"code": "a", "facts": {"ids": ["b", "a"], "n": 1}, "notes": ["made"], "credential": JWT},
            {"code": "b", "facts": {"ids": ["a", "c"], "n": 3, "zero": 0, "none": []}, "credential": JWT},
            {"code": "c", "facts": {"ids": ["d"], "n": 2}, "notes": ["made"], "fact_scope": "branch", "credential": JWT},
        ]
    )  # fmt: skip
    assert decision.notes.task == Facts({"ids": ("a", "b", "c")}, {"n": 3})
    assert decision.notes.branch == Facts({"ids": ("d",)}, {"n": 2})
    assert decision.notes.backend == {"made": "task"}
    assert authorize(grant=[{"code": "a", "facts": {"ids": [], "n": 0}}]).notes is None


@pytest.mark.parametrize(
    ("more", "uses"),
    [({}, 0), ({"facts": {"n": 1}}, 1), ({"facts": {"ids": ["a"]}}, 1), ({"notes": ["made"]}, 1)],
)
def test_a_credential_of_a_call_that_notes_is_for_one_use(more, uses):
    """Unless the grant says how many uses a note covers."""
    assert granted(JWT, **more).credential.uses == uses
    assert granted({**JWT, "uses": 4}, **more).credential.uses == 4


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        (["x" * 512], None),
        (["ü" * 257], "facts_exceeded"),
        ([f"{number}" for number in range(MOST_ELEMENTS)], None),
        ([f"{number}" for number in range(MOST_ELEMENTS + 1)], "facts_exceeded"),
        ([""], "policy_error"),
        ([1], "policy_error"),
        ("a", "policy_error"),
    ],
)
def test_one_call_notes_so_much_and_no_more(elements, code):
    decision = authorize(grant=[{"code": "a", "facts": {"ids": elements}}])
    assert codes(decision) == ([code] if code else [])
    assert decision.allowed is (code is None)


def test_a_fact_that_the_loader_has_not_seen_is_refused():
    """Whatever a helper or another program made of it; so is a fact that it took for the other kind."""
    rules = RuleIndex({"m": {"grant": (RuleSite("m.rego", 1),)}}, facts={"ids": FactKind.SET})
    for facts, code in (
        ({"ids": ["a"]}, []),
        ({"ids": 1}, ["policy_error"]),
        ({"other": 1}, ["policy_error"]),
    ):
        found = compose(document(grant=[{"code": "a", "facts": facts}]), Operation.AUTHORIZE, rules=rules)
        assert codes(found) == code
