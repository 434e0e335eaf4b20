"""The approval prompt shows the whole call, and escapes text that would control the terminal or imitate the prompt."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard.arguments import canonical
from tabard.authz.v1 import approval_service_pb2 as pb
from tabard.authz.v1 import types_pb2
from tabard_sidecar.cli.approval_prompt import changes, describe, prompt_lines, summary
from tabard_sidecar.cli.terminal import hidden

AGENT_BAR = "  agent ▏"
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


def shown(message):
    return list(prompt_lines(describe(message)))


def plain(lines):
    """Return the lines without the colours that are ours."""
    ours = [f"\x1b[{code}m" for code in (0, 1, 31, 32, 33, 35)]
    text = "\n".join(lines)
    for code in ours:
        text = text.replace(code, "")
    return text


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
    bars = [line.removeprefix(AGENT_BAR) for line in text.split("\n") if line.startswith(AGENT_BAR)]
    at = next(number for number, line in enumerate(bars) if line.strip() == "arguments")
    assert json.loads("\n".join(bars[at + 1 :])) == json.loads(message.arguments_json)
    assert not any(hidden(character) for character in plain([summary(describe(message))]))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_shown_in_full(name, value):
    arguments = {name: value}
    lines = shown(approval(arguments=arguments))
    text = plain(lines)
    assert not [character for character in text if hidden(character) and character != "\n"]
    bars = [line.removeprefix(AGENT_BAR) for line in text.split("\n") if line.startswith(AGENT_BAR)]
    at = next(number for number, line in enumerate(bars) if line.strip() == "arguments")
    assert json.loads("\n".join(bars[at + 1 :])) == arguments


def test_ordinary_text_of_any_language_stays_readable():
    text = plain(shown(approval(arguments={"an": "Müller, 東京, Ελλάδα, 😀"})))
    assert '"an": "Müller, 東京, Ελλάδα, 😀"' in text


def test_long_arguments_are_not_cut():
    value = "x" * 200_000
    assert value in plain(shown(approval(arguments={"note": value})))


def test_verified_and_said_are_kept_apart():
    signed = plain(shown(approval()))
    assert 'request    "Work off the refunds.", signed by the front end' in signed
    assert f"{AGENT_BAR} request" not in signed
    said = plain(shown(approval(signed=False)))
    assert f'{AGENT_BAR} request   "Work off the refunds."' in said
    assert "signed by the front end" not in said
    for text in (signed, said):
        verified, _, agents = text.partition("The agent's words")
        assert "spiffe://example.org/ns/shop/sa/alice" in verified
        assert f'{AGENT_BAR} tool      "payments.send"' in agents


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
    assert "can't be decrypted" in summary(describe(message))


def test_what_happened_between_two_looks():
    """Changes between two lists are decisions, new approvals and expiries."""

    def rows(**statuses):
        return {name: {"approval_id": name, "status": status} for name, status in statuses.items()}

    before = rows(a="pending", b="pending", c="pending", d="approved")
    after = rows(a="pending", b="approved", e="pending")
    events = [(event, row["approval_id"]) for event, row in changes(before, after)]
    assert events == [("approved", "b"), ("waits", "e"), ("expired", "c")]
