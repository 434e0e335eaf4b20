"""The list of decisions, and one decision with its chain and the reasons."""

from __future__ import annotations

import re

import pytest
from tabard_sidecar.operating.failure import Failure

from tests.support.waiting import eventually

LINK = re.compile(r'href="[^"]*/decisions/([0-9a-f-]{36})"')


@pytest.fixture
async def console(desk, start_console):
    async with start_console(desk.operator("refunds"), desk.decision_logs) as client:
        await client.sign_in()
        yield await client.settled()


def rows(text):
    """Return the rows of a list as texts."""
    found = re.findall(r"<tr role=\"row\"><td.*?</tr>", text)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


async def explained(client, decision_id):
    """Return the page of a decision once policy has answered."""

    async def look():
        status, text, headers = await client.get(f"/decisions/{decision_id}")
        assert status == 200
        return text if "Refresh" not in headers else ""

    return await eventually(look)


async def test_the_list(desk, console):
    """Newest first, with who asked on whose behalf, and why."""
    status, text, headers = await console.get()
    assert status == 200
    found = rows(text)
    assert len(found) == 30
    assert "Refresh" not in headers
    assert re.fullmatch(
        r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d Denied mail.send support-manager-8 support/refunds desk.untrusted_outbound",
        found[0],
    )
    assert "start a task support-manager-7 support/orchestrator" in found[-1]
    assert "Asked" in " ".join(found)
    assert "support" in text
    assert "read-only" in text


FILTERS = [
    ("effect=deny", 4),
    ("effect=asked", 1),
    ("subject=support-manager-7", 12),
    ("tool=mail.send", 3),
    ("tool=mail.send&effect=deny", 1),
    ("agent=spiffe://shop.example/ns/support/sa/triage&tool=shell.run", 1),
    ("code=desk.untrusted_outbound", 1),
    ("code=budget_exhausted", 1),
    ("since=1h", 30),
    ("since=2000-01-01&tool=none.such", 0),
]


async def test_filters(console):
    for query, count in FILTERS:
        _, text, _ = await console.get(f"/?{query}")
        assert (query, len(rows(text))) == (query, count)


async def test_a_time_that_is_none(console):
    status, text, _ = await console.get("/?since=yesterday")
    assert status == 200
    assert "isn&#x27;t a time" in text


async def test_pages(console, monkeypatch):
    """The list goes on where it ended, and nothing is shown twice or left out."""
    monkeypatch.setattr("tabard_sidecar.console.decisions.SIZE", 7)
    found, path = [], "/"
    for _ in range(10):
        _, text, _ = await console.get(path)
        found += LINK.findall(text)
        older = re.search(r'href="([^"]*before=[^"]*)"', text)
        if older is None:
            break
        path = older[1].removeprefix(console.base).replace("&amp;", "&")
    assert len(found) == len(set(found)) == 30


async def test_live(desk, console):
    """The page reloads by itself if it is asked to, and new decisions come first."""
    _, _, headers = await console.get("/?live=1")
    assert headers["Refresh"] == "4"
    task = await desk.agent("orchestrator").start_task(
        desk.issuer.access_token("newcomer-1"),
        intent_token=desk.intent("refunds", "More.", subject="newcomer-1"),
    )
    assert task

    async def look():
        return "newcomer-1" in rows((await console.get("/?live=1"))[1])[0]

    await eventually(look)


async def test_why_a_call_was_denied(console):
    """The rule, its line, the conditions and their values; and what a grant lacked."""
    _, text, _ = await console.get("/?code=desk.untrusted_outbound")
    page = await explained(console, LINK.search(text)[1])
    plain = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "It was denied by desk.untrusted_outbound ." in plain
    assert "drop@paste.example is outside the shop" in plain
    assert re.search(r"Denied by desk.deny untrusted_outbound \S*desk.rego:\d+", plain)
    assert "holds line" in plain
    assert "No rule grants. Missing for desk.grant mail" in plain
    assert "fails line" in plain


async def test_the_chain(console):
    """The person, then each holder with what it narrowed, and the one that asks."""
    _, text, _ = await console.get("/?code=desk.untrusted_outbound")
    page = await explained(console, LINK.search(text)[1])
    tree = re.search(r'<ol class="chain">(.*?)</ol>', page)[1]
    steps = [
        " ".join(re.sub(r"<[^>]+>", " ", step).split())
        for step in re.split(r'<li(?: class="(?:person|asks)")?><p class="node">', tree)[1:]
    ]
    assert len(steps) == 5
    assert steps[0].startswith(
        "person support-manager-8 at https://login.shop.example purpose refunds (signed"
    )
    assert "started support/orchestrator" in steps[1]
    assert "stops calls that together cost more than 20000 cents" in steps[1]
    assert "15000" not in steps[1]
    assert "handed to support/triage" in steps[2]
    assert "15000 cents" in steps[2]
    assert "stops all tools but refunds.*, mail.send" in steps[3]
    assert steps[4].startswith("branch support/refunds part follow-up asks")
    assert "stops all tools but mail.send" in steps[4]


async def test_how_to_stop_it(console):
    """Without --allow-changes the page names commands and has no form for it."""
    _, text, _ = await console.get("/?code=desk.untrusted_outbound")
    page = await explained(console, LINK.search(text)[1])
    assert "tabard revoke task " in page
    assert "tabard revoke agent spiffe://shop.example/ns/support/sa/refunds" in page
    assert "tabard revoke subject --issuer https://login.shop.example support-manager-8" in page
    assert "/revoke" not in "".join(re.findall(r'(?:href|action)="([^"]*)"', page))


async def test_an_unknown_decision(console):
    status, text, _ = await console.get("/decisions/00000000-0000-0000-0000-000000000000")
    assert status == 404
    assert "doesn&#x27;t hold this decision" in text


async def test_policy_that_cannot_be_asked(desk, start_console):
    """The page shows what the log says, and why there isn't more."""

    def explain(_entry):
        raise Failure("nothing answers", 6)

    async with start_console(desk.operator("refunds"), desk.decision_logs, explain=explain) as client:
        await client.sign_in()
        await client.settled()
        _, text, _ = await client.get("/?code=desk.untrusted_outbound")
        page = await explained(client, LINK.search(text)[1])
        assert "outside the shop" in page
        assert "nothing answers" in page


async def test_no_sidecar_and_no_log(start_console):
    """Every page says what is missing; none fails."""
    async with start_console("unix:/nonexistent/s") as client:
        await client.sign_in()
        status, text, _ = await client.get()
        assert status == 200
        assert "no log" in text
        assert "no zone answers" in text
        assert (await client.get("/decisions/00000000-0000-0000-0000-000000000000"))[0] == 404


async def test_a_log_of_another_zone(desk, start_console):
    async with start_console(desk.operator("refunds"), desk.decision_logs, zone="other") as client:
        await client.sign_in()

        async def look():
            return "these records are of zone" in (await client.get())[1]

        await eventually(look)


async def test_a_log_with_damage(desk, start_console, tmp_path):
    """Lines that aren't records are counted, and the others are shown."""
    lines = desk.decision_logs[0].read_text().splitlines()
    damaged = tmp_path / "decisions.log"
    damaged.write_text("\n".join([*lines[:2], "{", "[]", '{"event": 7}', *lines[2:]]) + "\n")
    async with start_console(desk.operator("refunds"), [damaged]) as client:
        await client.sign_in()
        await client.settled()
        _, text, _ = await client.get()
        assert len(rows(text)) >= 3
        assert re.search(r"\d lines of the log aren", text)
