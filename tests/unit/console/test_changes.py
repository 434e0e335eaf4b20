"""Tasks, approvals and revocations: what pages show, and what they do where changes are allowed."""

from __future__ import annotations

import asyncio
import html
import re
from urllib.parse import urlencode

import pytest
import tabard
from tabard_sidecar.console.sidecar import Sidecar

from testbed.world import ISSUER, spiffe_id

GROUP = re.compile(r"group-[0-9a-zA-Z-]+")
ORDERS = [
    {"order_id": f"o-2{number}", "amount_cents": 5000 + number, "reason": "late"} for number in range(2)
]


def plain(text):
    """Return a page's text."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
async def console(desk, start_console):
    async with start_console(desk.operator("refunds"), desk.decision_logs, changes=True) as client:
        await client.sign_in()
        yield await client.settled()


@pytest.fixture
async def reading(desk, start_console):
    """The same, read-only."""
    async with start_console(desk.operator("refunds"), desk.decision_logs) as client:
        yield await client.sign_in()


def links(text, console, part):
    """Return the addresses below a part of the console, without its base."""
    found = re.findall(rf'href="{re.escape(console.base)}(/{part}[^"]*)"', text)
    return [one.replace("&amp;", "&") for one in found]


def action(text, console):
    """Return where the form that asks for a reason goes, below the console's base."""
    found = re.search(rf'<form method="post" action="{re.escape(console.base)}(/revoke[^"]*)"', text)
    return html.unescape(found[1])


async def revoke(console, fields):
    """Send a confirmation, as if its page had been shown."""
    return await console.post(f"/revoke?{urlencode(fields)}", {"form_token": await console.form_token()})


async def test_tasks(desk, console):
    _, text, _ = await console.get("/tasks")
    assert [link.rpartition("/")[2] for link in links(text, console, "tasks/")] == desk.tasks[::-1]
    _, text, _ = await console.get("/tasks?subject_id=support-manager-7")
    assert len(links(text, console, "tasks/")) == 1
    _, text, _ = await console.get("/tasks?label=none")
    assert "No such task is here." in plain(text)


async def test_pages_of_tasks(desk, console, monkeypatch):
    monkeypatch.setattr("tabard_sidecar.console.tasks.SIZE", 1)
    found, path = [], "/tasks"
    for _ in range(5):
        _, text, _ = await console.get(path)
        found += [link.rpartition("/")[2] for link in links(text, console, "tasks/")]
        more = links(text, console, r"tasks\?")
        if not more:
            break
        path = more[0]
    assert found == desk.tasks[::-1]


async def test_a_task(desk, console):
    """What it spent at each place of the chain, its holders, and its decisions."""
    status, text, _ = await console.get(f"/tasks/{desk.tasks[-1]}")
    assert status == 200
    shown = plain(text)
    assert "9,100 of 20,000 spent, 10,900 left" in shown
    assert "9,100 of 12,000 spent, 2,900 left" in shown
    assert "support/refunds part follow-up" in shown
    assert text.count('<ul class="tree">') == 1
    assert len(links(text, console, "decisions/")) == 18
    assert len(links(text, console, r"revoke\?kind=link")) == 3


async def test_an_unknown_task(console):
    status, text, _ = await console.get("/tasks/none")
    assert status == 400
    assert "That didn" in text


async def test_revoking_a_task(desk, console):
    """Asked first, with what it reaches; then it is ended, and the list says why."""
    _, text, _ = await console.get(f"/tasks/{desk.tasks[0]}")
    [path] = links(text, console, r"revoke\?kind=task")
    _, text, _ = await console.get(path)
    assert "End this task?" in text
    assert "support-manager-7" in text
    fields = {"reason": "too many mails", "form_token": await console.form_token()}
    status, text, _ = await console.post(action(text, console), fields)
    assert status == 200
    assert "1 live task(s) and 3 holder(s)" in plain(text)
    _, text, _ = await console.get("/revocations")
    assert "too many mails" in text
    assert "Ended" in (await console.get(f"/tasks/{desk.tasks[0]}"))[1]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "agent", "target": spiffe_id("triage")}, "2 live task(s)"),
        ({"kind": "subject", "target": "support-manager-7", "issuer": ISSUER}, "1 live task(s)"),
    ],
)
async def test_revoking_others(desk, console, fields, told):
    status, text, _ = await revoke(console, fields)
    assert status == 200
    assert told in plain(text)


async def test_what_is_revoked_is_what_was_asked_about(desk, console):
    """An id may hold what pages show as an escape; it is revoked as it is."""
    person = "taro\u3000yamada\u00ad\u202e&<\"'+ %20"
    _, text, _ = await console.get(
        f"/revoke?{urlencode({'kind': 'subject', 'target': person, 'issuer': ISSUER})}"
    )
    fields = {"reason": "r", "form_token": await console.form_token()}
    assert (await console.post(action(text, console), fields))[0] == 200
    asked = console.asked
    [made] = await asyncio.to_thread(Sidecar(asked, asked).revocations)
    assert made["subject"] == {"issuer": ISSUER, "id": person}


async def test_long_arguments_are_shown_to_their_end(desk, console):
    """Indented, they would be cut: what an approver isn't shown can't be approved."""
    task = await desk.start_task_of_desk()
    nested = [*range(9000), "the end"]
    for _ in range(40):
        nested = [nested]
    await task.batch([tabard.ToolCall("refunds.create", ORDERS[0] | {"notes": nested})])
    paths = links((await console.get("/approvals"))[1], console, "approvals/")
    pages = [(await console.get(path))[1] for path in paths]
    assert sum("the end" in page for page in pages) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kind": "task"},
        {"kind": "state", "target": "x"},
        {"kind": "subject", "target": "x"},
        {"kind": "agent", "target": "spiffe://a/b", "issuer": "https://x.example"},
        {"kind": "task", "target": "x" * 3000},
    ],
)
async def test_nothing_that_can_be_revoked(desk, console, fields):
    status, _, _ = await revoke(console, fields)
    assert status == 400
    assert "Nothing is revoked" in (await console.get("/revocations"))[1]


async def test_what_cannot_match_is_told(console):
    fields = {"kind": "subject", "target": "u-1", "issuer": "https://unknown.example"}
    status, text, _ = await revoke(console, fields)
    assert status == 400
    assert "unknown.example" in text or "issuer" in text


async def test_read_only(desk, reading):
    """Without --allow-changes no form and no address changes anything."""
    for path in (f"/tasks/{desk.tasks[0]}", "/approvals", "/revocations", "/policy", "/"):
        _, text, _ = await reading.get(path)
        posts = re.findall(r'<form method="post" action="([^"]*)"', text)
        assert {post.removeprefix(reading.base) for post in posts} <= {"/sign-out", "/policy/suggest"}
    token = await reading.form_token()
    assert (await reading.get(f"/revoke?kind=task&target={desk.tasks[0]}"))[0] == 403
    assert (await revoke(reading, {"kind": "task", "target": desk.tasks[0]}))[0] == 403
    _, text, _ = await reading.get("/approvals")
    [path] = links(text, reading, "approvals/")
    sent = {"decision": "approve", "token": desk.approver(), "form_token": token}
    assert (await reading.post(path, sent))[0] == 403
    assert "Nothing is revoked" in (await reading.get("/revocations"))[1]
    assert "tabard approvals approve" in (await reading.get(path))[1]


async def test_approving_a_call(desk, console):
    """Whose words are whose is told; the approver's token decides, and isn't shown again."""
    _, text, _ = await console.get("/approvals")
    [path] = links(text, console, "approvals/")
    _, text, _ = await console.get(path)
    shown = plain(text)
    for part in ("Verified by Tabard", "Signed by the front end", "Policy asks", "The agent&#x27;s words"):
        assert part in shown
    assert "&quot;amount_cents&quot;: 9900" in text
    token = desk.approver()
    fields = {"decision": "approve", "token": token, "form_token": await console.form_token()}
    status, text, _ = await console.post(path, fields)
    assert status == 200
    assert "Approved" in plain(text)
    assert token not in text
    assert "Nothing waits" in (await console.get("/approvals"))[1]
    assert "Approved" in plain((await console.get("/approvals?all=1"))[1])


@pytest.mark.parametrize("token", ["", "nonsense"])
async def test_a_bad_token_decides_nothing(desk, console, token):
    _, text, _ = await console.get("/approvals")
    [path] = links(text, console, "approvals/")
    fields = {"decision": "approve", "token": token, "form_token": await console.form_token()}
    assert (await console.post(path, fields))[0] == 400
    assert links((await console.get("/approvals"))[1], console, "approvals/") == [path]


async def test_a_group(desk, console):
    """All calls are shown with what they come to; one can be denied; a changed group decides nothing."""
    task = await desk.start_task_of_desk()
    calls = [tabard.ToolCall("refunds.create", order) for order in ORDERS]
    await task.batch(calls)
    _, text, _ = await console.get("/approvals")
    [path] = [one for one in links(text, console, "approvals/") if GROUP.search(one)]
    _, text, _ = await console.get(path)
    shown = plain(text)
    assert "2 calls" in shown
    assert "Counted by Tabard" in shown
    assert "10,001" in shown
    seen = re.findall(r'name="seen" value="([^"]+)"', text)
    assert len(seen) == 2
    fields = [("decision", "approve"), ("token", desk.approver()), ("form_token", await console.form_token())]
    status, text, _ = await console.post(path, [*fields, ("seen", seen[0])])
    assert status == 400
    assert "group" in plain(text)
    sent = [
        *fields[:1],
        ("token", desk.approver()),
        fields[2],
        *(("seen", one) for one in seen),
        ("denied", seen[1]),
    ]
    status, text, _ = await console.post(path, sent)
    assert status == 200
    assert plain(text).count("Approved") == 1
    assert plain(text).count("Denied") == 1


async def test_no_sidecar(start_console):
    """Each page says what is missing and what to do."""
    async with start_console("unix:/nonexistent/s") as client:
        await client.sign_in()
        for path in ("/tasks", "/tasks/x", "/approvals", "/approvals/x", "/revocations"):
            status, text, _ = await client.get(path)
            assert status == 502
            assert "no sidecar answers" in text
            assert "Next" in text
        status, text, _ = await client.get("/policy")
        assert status == 200
        assert "no sidecar answers" in text
