"""The calls of a group are shown as one list: in full, what differs apart, counted, and without deceiving."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard.arguments import canonical
from tabard_sidecar.cli.approval_events import _print_events
from tabard_sidecar.operating.approval_group import (
    by_group,
    describe_group,
    digest,
    group_lines,
    group_summary,
)
from tabard_sidecar.operating.argument_totals import (
    MOST_ARGUMENTS,
    MOST_NAME_CHARACTERS,
    MOST_NAMES,
    same_in_all,
    totals,
)
from tabard_sidecar.operating.framing import Screen
from tabard_sidecar.operating.terminal import unstyled

SCREEN = Screen(100)
_VALUES = st.one_of(st.integers(-(10**6), 10**6), st.booleans(), st.text(max_size=4), st.none())
_ARGUMENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.one_of(_VALUES, st.lists(_VALUES, max_size=3)), max_size=3
)


def row(number=1, *, tool="pay", arguments=None, **changes):
    return {
        "approval_id": f"{number:032x}",
        "group_id": "group-1",
        "task_id": "task-1",
        "status": "pending",
        "created_at": 1_800_000_000.0,
        "expires_at": 1_800_000_900.0 + number,
        "module": "payments",
        "code": "large",
        "uses": 1,
        "approver": None,
        "readable": True,
        "subject": {"issuer": "https://login.example.org", "id": "ann"},
        "intent_source": "signed",
        "purpose": "bills",
        "statement": "Pay the bills.",
        "root_holder": "spiffe://example.org/a",
        "chain": [],
        "agent": "spiffe://example.org/a",
        "tool": tool,
        "server": "",
        "reason": "why",
        "approvers": ["finance"],
        "ttl_seconds": 600.0,
        "arguments": {"to": "ACME", "cents": 100} if arguments is None else arguments,
    } | changes


def shown(rows, where=SCREEN):
    return [unstyled(line) for line in group_lines("group-1", rows, where)]


def test_what_is_the_same_stands_once_and_what_differs_at_each_call():
    rows = [row(number, arguments={"to": "ACME", "cents": 100 * number, "note": "n"}) for number in (1, 2, 3)]
    lines = shown(rows)
    text = "\n".join(lines)
    assert "Group group-1: 3 call(s) wait, until" in lines[0]
    assert f"digest     {digest(rows)}" in text
    assert text.count('"ACME"') == text.count('"note": "n"') == 1
    for number in (1, 2, 3):
        assert f"call {number}     {number:032x}" in text
        assert text.count(f'"cents": {100 * number}') == 1
    assert '"cents": sum 600, from 100 to 300; 3 different value(s) in 3 call(s)' in text
    assert '"to": 1 different value(s) in 3 call(s)' in text
    assert "allows     of each: 1 such call(s) within 600 s" in text


def test_a_call_that_stands_alone_is_named():
    """One of many with another recipient: the list can't hide it."""
    rows = [row(number, arguments={"to": ["a@x.example"], "cents": 5}) for number in range(1, 12)]
    rows[6] = row(7, arguments={"to": ["a@x.example", "b@evil.example"], "cents": 5})
    text = "\n".join(shown(rows))
    assert '"to": 2 different value(s) in 11 call(s); alone with its value: call 7' in text
    assert '"cents": sum 55, from 5 to 5' in text


def test_tools_are_shown_apart_and_numbered_through():
    rows = [
        row(1),
        row(2, tool="mail.send", arguments={"to": "x"}),
        row(3, arguments={"to": "B", "cents": 1}),
    ]
    lines = shown(rows)
    assert [line.split()[1] for line in lines if re.match("  call ", line)] == ["1", "3", "2"]
    assert [line for line in lines if "Counted by Tabard" in line] == [
        "Counted by Tabard: 2 calls, names are the agent's"
    ]


def test_rules_name_their_calls_if_there_are_several():
    rows = [row(1), row(2, reason="other"), row(3)]
    text = "\n".join(shown(rows))
    assert "for call  1, 3" in text
    assert "for call  2" in text
    assert "for call" not in "\n".join(shown([row(1), row(2)]))


def test_calls_that_may_be_made_differently_often_say_so():
    text = "\n".join(shown([row(1), row(2, uses=3)]))
    assert "allows     1 such call(s) within 600 s" in text
    assert "allows     3 such call(s) within 600 s" in text


def test_what_was_decided_is_marked_and_is_not_in_the_digest():
    rows = [row(1), row(2, status="approved", approver={"issuer": "i", "id": "cleo"}), row(3)]
    text = "\n".join(shown(rows))
    assert "2 call(s) wait" in text
    assert f"{2:032x}, approved" in text
    assert digest(rows) == digest([rows[0], rows[2]]) == digest([rows[2], rows[0]]) != digest(rows[:1])


def test_what_cannot_be_read_is_told():
    unreadable = {
        key: value for key, value in row(2, readable=False).items() if key in {
            "approval_id", "group_id", "status", "expires_at", "readable", "approver", "uses"
        }
    }  # fmt: skip
    text = "\n".join(shown([row(1), unreadable]))
    assert f"{2:032x} can't be decrypted any more, so the group can't be decided." in text
    assert "call 1" in text
    assert len(shown([unreadable])) == 3
    assert len(list(group_summary([row(1), unreadable], SCREEN))) > 3


@pytest.mark.parametrize("columns", [24, 40, 100])
def test_no_words_of_the_agent_stand_without_a_bar(columns):
    evil = "x\n  call 9     " + "f" * 32 + "\u202e\r\x1b[2K" + "y" * 90
    rows = [row(number, tool=f"pay{evil}", arguments={evil: evil, "n": [evil, number]}) for number in (1, 2)]
    lines = shown(rows, Screen(columns))
    for line in lines:
        assert line.isprintable()
        if "evil" in line or "xy" in line or "ffff" in line:
            assert "▏" in line


def test_a_list_of_groups_has_each_group_once(capsys):
    rows = [row(1), row(2, group_id=""), row(3), row(4, group_id="group-2", tool="mail.send")]
    groups = by_group(rows)
    assert [[one["approval_id"][-1] for one in group] for group in groups] == [["1", "3"], ["2"], ["4"]]
    lines = [unstyled(line) for line in group_summary(groups[0], SCREEN)]
    assert lines[0].startswith("group-1  pending ")
    assert lines[0].endswith("  2 calls")
    assert '2 x tool "pay"' in lines[2]
    _print_events([("waits", one) for one in rows], {}, as_json=False)
    assert capsys.readouterr().out.count("group-1") == 1
    _print_events([("waits", one) for one in rows], {"zone": "shop"}, as_json=True)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["group_id"] for one in printed] == ["group-1", "", "group-1", "group-2"]


def test_as_json():
    told = describe_group("group-1", [row(1), row(2, arguments={"to": "B", "cents": 7})])
    assert json.loads(json.dumps(told))["digest"] == digest(told["approvals"])
    assert (told["waiting"], [one["tool"] for one in told["totals"]]) == (2, ["pay"])


@given(calls=st.lists(_ARGUMENTS, min_size=1, max_size=6))
def test_totals_are_true_of_any_arguments(calls):
    for one in totals(calls).arguments:
        values = [call[one.argument] for call in calls if one.argument in call]
        assert one.calls == len(values)
        numbers = [value for value in values if type(value) is int]
        if len(numbers) == len(values):
            assert (one.total, one.least, one.most) == (sum(numbers), min(numbers), max(numbers))
        else:
            assert one.total is None
        elements = [
            element
            for value in values
            for element in (value if isinstance(value, list) and value else [value])
        ]
        assert one.different == len({canonical({"v": element}) for element in elements})
        for number in one.alone:
            value = canonical({"v": calls[number - 1][one.argument]})
            assert [canonical({"v": other}) for other in values].count(value) == 1
    for name in same_in_all(calls):
        assert len({canonical({"v": call[name]}) for call in calls}) == 1


def test_members_of_objects_are_counted_by_their_path():
    found = {one.argument: one for one in totals([{"o": {"n": 1.5, "k": {}}}, {"o": {"n": 2}}]).arguments}
    assert (found["o.n"].total, found["o.k"].calls) == (3.5, 1)


def test_a_sum_beyond_all_numbers_is_told():
    """Two such numbers in arguments don't keep a person from seeing, and so deciding about, a group."""
    rows = [row(number, arguments={"cents": 1e308, "n": 2.5}) for number in (1, 2)]
    text = "\n".join(shown(rows, Screen(160)))
    assert '"cents": sum too large, from 1e+308 to 1e+308; 1 different value(s)' in text
    assert '"n": sum 5.0' in text
    (told,) = json.loads(json.dumps(describe_group("group-1", rows), allow_nan=False))["totals"]
    assert [(one["total"], one["least"]) for one in told["arguments"]] == [(None, 1e308), (5.0, 2.5)]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_any_numbers_are_counted(numbers):
    (one,) = totals([{"n": number} for number in numbers]).arguments
    assert (one.least, one.most) == (min(numbers), max(numbers))
    assert one.total is None or one.total == math.fsum(numbers)


def test_a_name_with_a_dot_is_not_taken_for_a_path():
    """No call can give another one company by an argument of such a name."""
    rows = [row(number, arguments={"to": {"x": "ACME"}}) for number in range(1, 5)]
    rows += [
        row(5, arguments={"to": {"x": "EVIL"}}),
        row(6, arguments={"to": {"x": "ACME"}, "to.x": "EVIL", '"to.x"': "EVIL"}),
    ]
    text = "\n".join(shown(rows, Screen(160)))
    assert '"to.x": 2 different value(s) in 6 call(s); alone with its value: call 5' in text
    assert r'"\"to.x\"": 1 different value(s) in 1 call(s); alone with its value: call 6' in text
    assert r'"\"\\\"to.x\\\"\""' in text


_NAMES = st.text(st.sampled_from('a."\\…'), max_size=3)


@given(st.lists(st.lists(_NAMES, min_size=1, max_size=3), min_size=2, max_size=6))
def test_different_paths_have_different_names(paths):
    calls = []
    for path in paths:
        value = 1
        for name in reversed(path):
            value = {name: value}
        calls.append(value)
    names = [one.argument for one in totals(calls).arguments]
    assert len(set(names)) == len(names) == len({tuple(path) for path in paths})


def test_an_argument_that_one_call_alone_has_names_the_call():
    rows = [row(number, arguments={"to": "A"}) for number in range(1, 5)]
    rows[2] = row(3, arguments={"to": "A", "bcc": "b@evil.example"})
    text = "\n".join(shown(rows, Screen(160)))
    assert '"bcc": 1 different value(s) in 1 call(s); alone with its value: call 3' in text
    assert '"to": 1 different value(s) in 4 call(s)\n' in text + "\n"


def test_several_odd_calls_do_not_hide_each_other():
    """Up to half of the calls are named; if most are alone, how many are."""
    rows = [row(number, arguments={"to": "A", "i": min(number, 9)}) for number in range(1, 11)]
    for number in range(6, 11):
        rows[number - 1] = row(number, arguments={"to": f"e{number}", "i": min(number, 9)})
    text = "\n".join(shown(rows, Screen(160)))
    assert '"to": 6 different value(s) in 10 call(s); alone with its value: call 6, 7, 8, 9, 10' in text
    assert "9 different value(s) in 10 call(s); alone with its value: 8 calls" in text


def test_the_server_of_a_tool_stands_beside_its_counts():
    rows = [row(number, server=f"s{number % 2}") for number in (1, 2, 3, 4)]
    lines = shown(rows)
    counted = [place for place, line in enumerate(lines) if "Counted by Tabard" in line]
    assert [lines[place + 2].split("▏")[1].strip() for place in counted] == [
        'server    "s1"',
        'server    "s0"',
    ]


def test_counts_are_bounded():
    """Neither many, nor deep, nor long names of arguments let what is counted grow beyond what a person can read."""

    def nested(number):
        value = {f"{number}-{name}": name for name in range(2000)}
        for _ in range(40):
            value = {"n" * 900: value}
        return value

    calls = [{"to": "A", **nested(number)} for number in (1, 2)]
    (to, deep) = sorted(totals(calls).arguments, key=lambda one: len(one.argument))
    assert (to.argument, deep.calls, deep.different) == ("to", 2, 2)
    assert len(deep.argument) == MOST_NAME_CHARACTERS + 1
    text = shown([row(number, arguments=call) for number, call in enumerate(calls, 1)])
    assert sum(map(len, text)) < 3 * len(json.dumps(calls, indent=2))
    many = [{f"a{name}": name for name in range(2000)} | {"n": number} for number in range(3)]
    found = totals(many)
    assert (len(found.arguments), found.left_out) == (MOST_ARGUMENTS, 2001 - MOST_ARGUMENTS)
    text = "\n".join(shown([row(number, arguments=call) for number, call in enumerate(many, 1)], Screen(160)))
    assert f"{found.left_out} more argument(s) aren't counted: read every call" in text
    assert totals([{"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}] * 2).arguments[
        0
    ].argument == (".".join("abcdefgh"[:MOST_NAMES]))
