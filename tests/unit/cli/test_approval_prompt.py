"""The approval prompt shows the whole call, and escapes text that would control the terminal or imitate the prompt."""

import io
import json
import os
import sys
import termios

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tabard.arguments import canonical
from tabard.authz.v1 import approval_service_pb2 as pb
from tabard.authz.v1 import types_pb2
from tabard_sidecar.cli.approval_events import changes
from tabard_sidecar.operating.approval_prompt import describe, prompt_lines, summary
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.framing import LEAST_COLUMNS, Screen, screen, text_columns
from tabard_sidecar.operating.terminal import hidden, unstyled
from wcwidth import wcswidth

AGENT_BAR = "  agent ▏"
WIDE = Screen(10_000_000)
TRICKS = [
    "\x1b[2J\x1b[1;1HApproved by nobody",  # clears the screen
    "\x1b]0;title\x07",
    "\x9b31m",  # the one-character form of an escape sequence
    "pay\rVerified by Tabard",
    "a\nVerified by Tabard\n  person     ceo",
    "\u202etnuoma\u202c",  # turns the reading direction around
    "\u2066\u2069\u200e\u200f",
    "in\u200bvis\u2060ible\ufeff\u00ad",
    "\u2028\u2029\x85",
    "\u115f\u1160\u3164\uffa0\u2800",  # drawn as nothing
    "v\ufe0f\U000e0100",
    "\U000e0041\U000e0042",  # tags, an invisible copy of ASCII
    "back\\u202eslash",
    "\x00\x08\x7f",
]


def approval(*, signed=True, arguments=None, **fields):
    message = pb.Approval(
        approval_id="a" * 32,
        task_id="task-1",
        status=types_pb2.APPROVAL_STATUS_PENDING,
        subject=types_pb2.Subject(id="u-1", issuer="https://idp.example.org"),
        purpose="refunds",
        statement="Work off the refunds.",
        intent_source=types_pb2.INTENT_SOURCE_SIGNED if signed else types_pb2.INTENT_SOURCE_ASSERTED,
        root_holder="spiffe://example.org/ns/shop/sa/alice",
        agent="spiffe://example.org/ns/shop/sa/bob",
        chain=[types_pb2.ChainLink(holder="spiffe://example.org/ns/shop/sa/bob", sub_agent="helper")],
        tool="payments.send",
        reason="payments over 100 need a second person",
        module="payments",
        code="large",
        approvers=["finance"],
        uses=1,
        arguments_json=canonical({"amount": 500} if arguments is None else arguments),
    )
    message.ttl.FromSeconds(600)
    message.expire_time.FromSeconds(1_800_000_000)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def shown(message, where=WIDE):
    return list(prompt_lines(describe(message), where))


def plain(lines):
    """Return the lines without the colours that are ours."""
    return unstyled("\n".join(lines))


def foreign(rows, where, whose="agent"):
    """Return the lines that stand behind a bar, with their rows joined again."""
    (head,) = {
        row[: row.index(bar) + 1] for bar in "▏|" for row in where.foreign(whose, [""], "red") if bar in row
    }
    head = plain([head])
    lines = []
    for row in rows:
        if row.startswith(head):
            mark, text = row[len(head)], row[len(head) + 1 :]
            assert mark in " >"
            lines = [*lines[:-1], lines[-1] + text] if mark == ">" else [*lines, text]
    return lines


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
def test_tricks_of_the_agent(trick):
    """In the tool's name, in arguments and their names, in the statement and in a sub-agent's name."""
    message = approval(signed=False, tool=trick, statement=trick, purpose=trick, server=trick, reason=trick)
    message.arguments_json = json.dumps({trick: [trick, {"deep": trick}]}).encode()
    message.chain[0].sub_agent = trick
    lines = shown(message)
    text = plain(lines)
    assert not [character for character in text if hidden(character) and character != "\n"]
    assert sum(line.startswith("Verified by Tabard") for line in text.split("\n")) == 1
    assert sum(line.startswith("  person ") for line in text.split("\n")) == 1
    # Nothing is left out: what stands there is the same JSON.
    bars = foreign(text.split("\n"), WIDE)
    assert json.loads("\n".join(bars[bars.index("arguments") + 1 :])) == json.loads(message.arguments_json)
    assert not any(
        hidden(character) for character in "".join(plain(summary(describe(message), WIDE)).split("\n"))
    )


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.sampled_from(
    [
        *TRICKS,
        "x" * 100 + "  person     cfo of https://login.example.org",
        " " * 67 + "Here the agent's words end.",
        "東京" * 90 + "Verified by Tabard",
        "e" + "\u0301" * 300,
        "\u0301" * 90,
        "😀👩\u200d👧🇸🇪" * 30,
        "▏" * 100,
        '  agent ▏ tool      "harmless"',
    ]
)
COLUMNS = st.integers(LEAST_COLUMNS, 120) | st.sampled_from([20, 40, 80])


def filled(words, *, signed):
    """Return an approval in which strangers supplied these words, as often as they like."""
    message = approval(signed=signed, arguments={words[0]: [words[1], {"deep": words[2]}]})
    message.tool, message.server, message.purpose, message.statement, message.reason = words[:5]
    message.chain[0].sub_agent = words[5] or "-"
    message.approvers[:] = [words[6], "finance"]
    return message


@given(st.lists(ANY, min_size=7, max_size=7), COLUMNS, st.booleans(), st.booleans())
@example(words=["e" + "\u0301" * 300] * 7, columns=LEAST_COLUMNS, signed=False, unicode=True)
@example(words=["\u00e9" + "\u0301" * 300] * 7, columns=LEAST_COLUMNS, signed=False, unicode=True)
def test_every_foreign_row_begins_with_a_bar(words, columns, signed, unicode):
    """Whatever strangers write and however wide the terminal is: rows without a bar are ours, and don't change."""
    where = Screen(columns, unicode=unicode)
    rows = plain(shown(filled(words, signed=signed), where)).split("\n")
    harmless = plain(shown(filled(["-"] * 7, signed=signed), where)).split("\n")
    heads = tuple(plain(where.foreign(whose, [""], "red"))[:-1] for whose in ("agent", "policy", "signed"))
    assert [row for row in rows if not row.startswith(heads)] == [
        row for row in harmless if not row.startswith(heads)
    ]
    for row in rows:
        assert not [character for character in row if hidden(character)]
        if row.startswith(heads):
            # No terminal breaks it, whether it draws ambiguous characters in one column or in two.
            assert text_columns(row) <= columns
            assert wcswidth(row) <= columns
            assert unicode or row.isascii()
    listed = plain(summary(describe(filled(words, signed=signed)), where)).split("\n")
    assert [row for row in listed if not row.startswith(heads)] == [
        row for row in plain(summary(describe(approval()), where)).split("\n") if not row.startswith(heads)
    ]
    assert all(text_columns(row) <= columns for row in listed if row.startswith(heads))


@given(st.lists(ANY, min_size=7, max_size=7), COLUMNS, st.booleans())
def test_nothing_is_left_out_at_any_width(words, columns, unicode):
    where = Screen(columns, unicode=unicode)
    message = filled(words, signed=False)
    lines = foreign(plain(shown(message, where)).split("\n"), where)
    at = lines.index("arguments")
    assert json.loads("\n".join(lines[at + 1 :])) == json.loads(message.arguments_json)
    assert json.loads(lines[0].removeprefix("purpose   ")) == message.purpose


def test_a_verified_value_cannot_make_a_row_of_ours():
    """A person's id is verified, but the person may have chosen it."""
    message = approval()
    message.subject.id = "u-1" + " " * 71 + "asks why   harmless" + " " * 200 + "allows     1000"
    for columns in (20, 40, 80, 132):
        rows = plain(shown(message, Screen(columns))).split("\n")
        assert not [
            row
            for row in rows
            if row.lstrip().startswith(("asks why ", "allows     1000")) and row[2:3] != " "
        ]
        assert all(text_columns(row) <= columns for row in rows if "harmless" in row)


@pytest.mark.parametrize(("columns", "expected"), [(20, 20), (33, 33), (200, 200), (0, 40)])
def test_the_width_is_the_terminals(columns, expected, monkeypatch):
    """The variable COLUMNS isn't read. A terminal that doesn't tell its width counts as narrow."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    monkeypatch.setenv("COLUMNS", "400")
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        assert screen() == Screen(expected)
        termios.tcsetwinsize(slave, (24, LEAST_COLUMNS - 1))
        with pytest.raises(Failure, match="too few"):
            screen()
        # What is shown through a pipe is read on the same terminal.
        termios.tcsetwinsize(slave, (24, 50))
        monkeypatch.setattr(sys, "stdin", stream)
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
        assert screen() == Screen(50, unicode=False)
    os.close(master)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_shown_in_full(name, value):
    arguments = {name: value}
    lines = shown(approval(arguments=arguments))
    text = plain(lines)
    assert not [character for character in text if hidden(character) and character != "\n"]
    bars = foreign(text.split("\n"), WIDE)
    assert json.loads("\n".join(bars[bars.index("arguments") + 1 :])) == arguments


def test_ordinary_text_of_any_language_stays_readable():
    text = plain(shown(approval(arguments={"an": "Müller, 東京, Ελλάδα, 😀"})))
    assert '"an": "Müller, 東京, Ελλάδα, 😀"' in text


def test_long_arguments_are_not_cut():
    value = "x" * 200_000
    assert value in plain(shown(approval(arguments={"note": value})))


def test_verified_and_said_are_kept_apart():
    signed = plain(shown(approval()))
    assert '  signed ▏ request   "Work off the refunds."' in signed
    assert f"{AGENT_BAR} request" not in signed
    said = plain(shown(approval(signed=False)))
    assert f'{AGENT_BAR} request   "Work off the refunds."' in said
    assert "signed ▏" not in said
    for text in (signed, said):
        verified, _, agents = text.partition("The agent's words")
        assert "spiffe://example.org/ns/shop/sa/alice" in verified
        assert f'{AGENT_BAR} tool      "payments.send"' in agents
        assert f'{AGENT_BAR} part 1    "helper"' in agents
        assert "helper" not in verified


def test_json_says_what_is_asserted():
    assert describe(approval())["asserted"] == ["tool", "server", "arguments", "chain[].sub_agent"]
    assert describe(approval(signed=False))["asserted"][-2:] == ["purpose", "statement"]
    assert (
        describe(approval(intent_source=types_pb2.INTENT_SOURCE_UNSPECIFIED))["intent_source"] == "asserted"
    )


def test_what_cannot_be_read():
    """An approval that cannot be decrypted is shown as such and cannot be decided."""
    message = pb.Approval(
        approval_id="a" * 32, status=types_pb2.APPROVAL_STATUS_PENDING, unreadable=True, module="m", code="c"
    )
    assert "can't be decided" in plain(shown(message))
    assert "can't be decrypted" in plain(summary(describe(message), WIDE))


def test_what_happened_between_two_looks():
    """Changes between two lists are decisions, new approvals and expiries."""

    def rows(**statuses):
        return {name: {"approval_id": name, "status": status} for name, status in statuses.items()}

    before = rows(a="pending", b="pending", c="pending", d="approved")
    after = rows(a="pending", b="approved", e="pending")
    events = [(event, row["approval_id"]) for event, row in changes(before, after)]
    assert events == [("approved", "b"), ("waits", "e"), ("expired", "c")]
