"""Checking single caveats."""

import pytest
from tabard.caveats import (
    CAVEATS,
    Arguments,
    Audiences,
    Branch,
    Budget,
    Call,
    CallFacts,
    Caveat,
    Constraint,
    CredentialFacts,
    Expiry,
    Facts,
    Failure,
    Hop,
    MaxChildren,
    MaxDepth,
    Purposes,
    ReadOnly,
    Scopes,
    ThirdParty,
    Tools,
    Uses,
)


def ask(caveat, *, now=100.0, purpose="refunds", depth=2, call=None, credential=None):
    failure = CAVEATS.check(caveat, Facts(now, purpose, depth, call, credential))
    return failure.code if failure else None


def call(tool="refunds.create", *, read_only=False, digest="0" * 64, **arguments):
    return CallFacts(tool, arguments, digest, read_only)


def credential(audience, *scopes):
    return CredentialFacts(audience, scopes)


AMOUNT = Constraint("amount", "range", {"max": 100})


@pytest.mark.parametrize(
    ("caveat", "question", "code"),
    [
        (Expiry(100.5), {}, None),
        (Expiry(100), {}, "grant_expired"),
        (Expiry(0), {}, "grant_expired"),
        (Expiry(200), {"now": float("nan")}, "grant_expired"),
        (Tools(("refunds.*",)), {"call": call()}, None),
        (Tools(("refunds.*",)), {"call": call("refund.create")}, "tool_not_granted"),
        (Tools(("refunds.*",)), {"call": call("Refunds.create")}, "tool_not_granted"),
        (Tools(()), {"call": call()}, "tool_not_granted"),
        (Tools(()), {}, None),
        (Audiences(("erp",)), {"credential": credential("erp")}, None),
        (Audiences(("erp",)), {"credential": credential("ERP")}, "audience_not_granted"),
        (Audiences(("erp",)), {"credential": credential("")}, "audience_not_granted"),
        (Audiences(()), {"credential": credential("erp")}, "audience_not_granted"),
        (Scopes(("read",)), {"credential": credential("erp", "read")}, None),
        (Scopes(("read",)), {"credential": credential("erp", "read", "write")}, "scope_not_granted"),
        (Scopes(()), {"credential": credential("erp")}, None),
        (Purposes(("refunds",)), {}, None),
        (Purposes(("refund",)), {}, "purpose_not_granted"),
        (Purposes(()), {"purpose": ""}, "purpose_not_granted"),
        (MaxDepth(2), {}, None),
        (MaxDepth(1), {}, "depth_exceeded"),
        (MaxDepth(0), {"depth": 0}, None),
        (ReadOnly(), {"call": call(read_only=True)}, None),
        (ReadOnly(), {"call": call()}, "read_only"),
        (ReadOnly(), {}, None),
        (Call("0" * 64), {"call": call()}, None),
        (Call("1" * 64), {"call": call()}, "call_mismatch"),
        (Call("1" * 64), {"call": CallFacts("a", None, None)}, None),
        (Budget("usd", 5), {}, None),
        (Uses(1), {}, "caveat_not_enforced"),
        (ThirdParty("a", "b"), {}, None),
        (MaxChildren(0), {}, None),
        (Hop("spiffe://example.org/a", "A" * 43), {}, None),
        (Branch("a", "A" * 22), {}, None),
    ],
    ids=str,
)
def test_check(caveat, question, code):
    assert ask(caveat, **question) == code


@pytest.mark.parametrize(
    ("rule", "arguments", "code"),
    [
        ([AMOUNT], {"amount": 100}, None),
        ([AMOUNT], {"amount": 101}, "argument_not_granted"),
        ([AMOUNT], {"amount": "50"}, "argument_not_granted"),
        ([AMOUNT], {"amount": None}, "argument_not_granted"),
        ([AMOUNT], {"amount": True}, "argument_not_granted"),
        ([AMOUNT], {"amount": [50]}, "argument_not_granted"),
        ([AMOUNT], {}, "argument_missing"),
        ([AMOUNT], {"Amount": 50}, "argument_missing"),
        ([AMOUNT], {"amount": 50, "note": ""}, "argument_unknown"),
        ([AMOUNT], {"amount": 50, "AMOUNT": 5000}, "argument_unknown"),
        ([], {}, None),
        ([], {"amount": 50}, "argument_unknown"),
        ([("customer.id", "eq", 1)], {"customer": {"id": 1}}, None),
        ([("customer.id", "eq", 1)], {"customer": {"id": 1, "role": "admin"}}, "argument_unknown"),
        ([("customer.id", "eq", 1)], {"customer": {"id": 1}, "customer.id": 2}, "argument_unknown"),
        ([("customer.id", "eq", 1)], {"customer.id": 1}, "argument_missing"),
        ([("customer.id", "eq", 1)], {"customer": {}}, "argument_missing"),
        ([("customer.id", "eq", 1)], {"customer": [{"id": 1}]}, "argument_not_granted"),
        ([("customer.id", "eq", 1)], {"customer": "id"}, "argument_not_granted"),
        ([("customer.id", "eq", 1)], {"customer": None}, "argument_not_granted"),
        ([("customer", "eq", {"id": 1})], {"customer": {"id": 1}}, None),
        ([("customer", "eq", {"id": 1})], {"customer": {"id": 1, "role": 2}}, "argument_not_granted"),
        ([("to.*", "glob", "*@example.com")], {"to": ["a@example.com", "b@example.com"]}, None),
        ([("to.*", "glob", "*@example.com")], {"to": []}, None),
        (
            [("to.*", "glob", "*@example.com")],
            {"to": ["a@example.com", "b@evil.org"]},
            "argument_not_granted",
        ),
        ([("to.*", "glob", "*@example.com")], {"to": "a@example.com"}, "argument_not_granted"),
        ([("to.*", "glob", "*@example.com")], {"to": {"0": "a@example.com"}}, "argument_not_granted"),
        ([("to.*", "glob", "*@example.com")], {"to": [["a@example.com"]]}, "argument_not_granted"),
        ([("to.0", "eq", "a")], {"to": ["a"]}, "argument_not_granted"),
        ([("items.*.sku", "prefix", "A-")], {"items": [{"sku": "A-1"}, {"sku": "A-2"}]}, None),
        (
            [("items.*.sku", "prefix", "A-")],
            {"items": [{"sku": "A-1"}, {"sku": "A-2", "price": 1}]},
            "argument_unknown",
        ),
        ([("items.*.sku", "prefix", "A-")], {"items": [{"sku": "A-1"}, {}]}, "argument_missing"),
        ([("a.b", "eq", 1), ("a.c", "eq", 2)], {"a": {"b": 1, "c": 2}}, None),
        ([("a.b", "eq", 1), ("a.c", "eq", 2)], {"a": {"b": 1, "c": 2, "d": 3}}, "argument_unknown"),
        ([("name", "eq", "é")], {"name": "e\u0301"}, "argument_not_granted"),
        ([("é", "eq", 1)], {"e\u0301": 1}, "argument_missing"),
        ([("é", "eq", 1)], {"é": 1, "e\u0301": 2}, "argument_unknown"),
    ],
    ids=str,
)
def test_closed_rule(rule, arguments, code):
    constraints = tuple(item if isinstance(item, Constraint) else Constraint(*item) for item in rule)

    assert ask(Arguments("refunds.*", constraints), call=call(**arguments)) == code


def test_open_rule_lets_other_arguments_through():
    rule = Arguments("refunds.*", (AMOUNT,), open=True)

    assert ask(rule, call=call(amount=5, note="x", customer={"role": "admin"})) is None
    assert ask(rule, call=call(note="x")) == "argument_missing"
    assert ask(Arguments("*", (), open=True), call=call(anything=1)) is None


def test_rule_is_about_the_tools_it_names():
    rule = Arguments("refunds.*", (AMOUNT,))

    assert ask(rule, call=call("orders.get", id=1)) is None
    assert ask(rule) is None
    assert ask(rule, call=CallFacts("refunds.create", None, None)) is None


def test_failure_names_constraint_and_argument():
    rule = Arguments("*", (AMOUNT, Constraint("items.*.sku", "prefix", "A-")))
    facts = call(amount=5, items=[{"sku": "A-1"}, {"sku": "B-1"}])

    assert CAVEATS.check(rule, Facts(0, "", 0, facts)) == Failure(
        "argument_not_granted",
        "constraint 2 (prefix): argument 'items[1].sku' does not begin with \"A-\"",
        "items[1].sku",
    )


def test_caller_can_not_break_a_message_into_lines():
    failure = CAVEATS.check(Tools(("a",)), Facts(0, "", 0, call("x\n\u202eadmin" + "y" * 1000)))

    assert failure.message.isprintable()
    assert len(failure.message) < 300


def test_unknown_caveat_is_refused():
    class Novel(Caveat):
        __slots__ = ()

    assert ask(Novel()) == "caveat_unknown"
    assert ask(None) == "caveat_unknown"


def test_checking_never_raises():
    """Whatever the arguments are, even what no parser returns."""
    rule = Arguments("*", (Constraint("a.b", "glob", "x*"),))
    facts = CallFacts("t", {"a": {"b": object()}, 5: object()}, None)  # type: ignore[dict-item]

    assert ask(rule, call=facts) is not None
    assert ask(Tools(("a*",)), call=CallFacts(None, {}, None)) == "internal"  # type: ignore[arg-type]


def test_every_type_is_checked_or_says_what_enforces_it():
    """Uses are the one caveat that nothing enforces, so it is refused."""
    unchecked = {kind for kind in CAVEATS.types.values() if "check" not in vars(kind)}

    assert {kind for kind in unchecked if not kind.checked_elsewhere} == {Uses}
    assert all(not kind.checked_elsewhere for kind in CAVEATS.types.values() if kind not in unchecked)


@pytest.mark.parametrize(
    ("constraint", "arguments"),
    [
        (
            Constraint("to.*", "cidr", [f"10.{number}.0.0/16" for number in range(256)]),
            {"to": ["10.255.0.1"] * 5000},
        ),
        (Constraint("to.*", "one_of", [[number] for number in range(256)]), {"to": [[255]] * 5000}),
        (Constraint("to.*", "eq", 1), {"to": [1] * 50_000}),
        (
            Constraint("path", "path_under", [f"/{number}" for number in range(256)]),
            {"path": "/255" + "/é" * 100_000},
        ),
        (Constraint("a", "eq", 1), {"a": 1} | {str(number): 1 for number in range(50_000)}),
    ],
    ids=["networks", "lists", "elements", "long string", "keys"],
)
def test_work_is_bounded(constraint, arguments):
    """Else a holder could keep the sidecar busy with his own caveats."""
    rule = Arguments("*", (constraint,))

    assert CAVEATS.check(rule, Facts(0, "", 0, call(**arguments))).message.startswith(
        "the arguments are too large"
    )


def test_work_is_bounded_over_all_caveats():
    rule = Arguments("*", (Constraint("to.*", "eq", 1),))
    facts = Facts(0, "", 0, call(to=[1] * 1000))
    failures = [CAVEATS.check(rule, facts) for _ in range(20)]

    assert failures[0] is None
    assert failures[-1] is not None


def test_usual_arrays_are_within_the_bound():
    rule = Arguments("*", (Constraint("to.*", "glob", ["*@example.com", "*@example.org"]),))

    assert ask(rule, call=call(to=[f"user{number}@example.org" for number in range(1000)])) is None
