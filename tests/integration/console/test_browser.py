"""The console in a real Chromium: no script errors, what agents wrote is text, and people can read and reach everything."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress

import pytest
from tabard_sidecar.console.jobs import Kind

from tests.support.browser import chromium
from tests.support.console_pages import AUDIT, MARKUP, Console, hostile_log
from tests.support.console_world import attack
from tests.support.operators import operators
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio


@pytest.fixture
async def console(start_zone):
    async with Console.of(start_zone) as found:
        yield found


async def test_every_page(console):
    """No page complains, is too wide, or has a fault of contrast, labels or structure: light and dark, wide and narrow."""
    async with chromium() as browser:
        tab = await browser.tab()
        await tab.goto(console.link())
        paths = await console.paths(tab)
        for dark, width in ((False, 1280), (True, 1280), (False, 375)):
            await tab.look(width, dark=dark)
            for path in paths:
                assert await tab.goto(console.url(path)) == 200
                found = await tab.run(AUDIT)
                assert (path, dark, width, found) == (path, dark, width, [])
        assert tab.complaints == []


async def read_as_text(tab, url):
    """Return the text of a page that has no element of an attacker's and ran no script."""
    await tab.goto(url)
    found = await tab.run(
        "[...document.querySelectorAll('script,iframe,object,img,x-mark,[onerror],[onload]')].map(e=>e.outerHTML)"
    )
    assert (url, found) == (url, [])
    assert await tab.run("window.pwned === undefined")
    return await tab.run("document.body.textContent")


async def test_what_agents_wrote_is_text(console, tmp_path):
    """In each field of a record: no element of an attacker's, no script, no request elsewhere."""
    log, marks = hostile_log(console.logs[-1], tmp_path)
    async with console.over([log]) as over, chromium() as browser:
        tab = await browser.tab()
        await tab.goto(over.link())
        await over.read(tab)
        seen = ""
        for path in await over.paths(tab):
            seen += await read_as_text(tab, over.url(path))
        assert [mark for mark in marks if mark not in seen] == []
        assert tab.complaints == []


async def test_what_an_agent_writes_live_is_text(console):
    """The same for what comes from the sidecar: approvals, tasks, and why policy decided."""
    marks = await attack(console.zone, MARKUP)
    async with operators(console.zone.operator("refunds")) as operator:
        await operator.revoke(agent_id="spiffe://shop.example/ns/support/sa/other", reason=MARKUP)
    async with chromium() as browser:
        tab = await browser.tab()
        await tab.goto(console.link())
        seen = ""
        paths = await console.paths(tab)
        assert any(path.startswith("/approvals/") for path in paths)
        for path in paths:
            seen += await read_as_text(tab, console.url(path))
        assert [mark for mark in marks if mark not in seen] == []
        assert "\u202e" not in seen
        assert tab.complaints == []


async def test_revoking_with_the_keyboard(console):
    """From a decision to the confirmation and the result, and the agent is stopped."""
    async with chromium() as browser:
        tab = await browser.tab()
        await tab.goto(console.link())
        await console.read(tab)
        await tab.goto(console.url("/?code=desk.untrusted_outbound"))
        await tab.click("td.what a")
        assert await tab.click("a.danger[href*='kind=task']") == 200
        await tab.run("document.querySelector('#reason').value = 'sends mail to strangers'")
        await tab.run("document.querySelector('button.sure').focus()")
        tab.expect()
        await tab.press("Enter")
        await tab.loaded()
        assert await tab.run("document.querySelector('h1').textContent") == "Revoked"
        await tab.goto(console.url("/revocations"))
        assert "sends mail to strangers" in await tab.run("document.body.textContent")
        await tab.goto(console.url(f"/tasks/{console.zone.tasks[-1]}"))
        assert await tab.run("document.querySelector('h1 .badge').textContent") == "Ended"


async def test_a_job_is_started_and_stopped_without_script(console, tmp_path):
    """A replay that would take for ever: the log is a pipe that has no writer."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    commands = {kind: ["--", str(pipe)] for kind in Kind}
    async with console.over(console.logs, commands) as over, chromium() as browser:
        tab = await browser.tab()
        await tab.goto(over.link())
        await tab.send("Emulation.setScriptExecutionDisabled", value=True)
        await tab.goto(over.url("/policy"))
        assert await tab.point_and_click("form[action$='/policy/replay'] button") == 200
        assert await tab.run(AUDIT) == []

        async def stopped() -> bool:
            # The page reloads by itself, perhaps just now.
            with suppress(RuntimeError):
                await tab.point_and_click("form[action$='/policy/replay/stop'] button")
            with suppress(RuntimeError):
                return "It was stopped." in await tab.run("document.querySelector('main').textContent")
            return False

        await eventually(stopped)
        assert "It is running" not in await tab.run("document.querySelector('main').textContent")
        assert await tab.point_and_click("form[action$='/policy/suggest'] button") == 200
        assert "It is running" in await tab.run("document.querySelector('main').textContent")
        assert tab.complaints == []


async def test_the_keyboard_reaches_everything(console):
    """The first stop skips to the content; focus is visible; every control can be reached in order."""
    async with chromium() as browser:
        tab = await browser.tab()
        await tab.goto(console.link())
        await tab.press("Tab")
        assert await tab.run("document.activeElement.textContent") == "Skip to the content"
        assert await tab.run("document.activeElement.getBoundingClientRect().left >= 0")
        count = await tab.run(
            "document.querySelectorAll('a[href],button,input:not([type=hidden]),select,summary').length"
        )
        reached = 1
        for _ in range(count + 5):
            await tab.press("Tab")
            if await tab.run("document.activeElement === document.body"):
                break
            reached += 1
            assert await tab.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert reached >= count


async def test_a_page_of_another_origin_gets_nowhere(console, tmp_path):
    """A form that another origin sends, with the right path and the operator's cookie in the browser, changes nothing."""
    async with chromium() as browser:
        tab = await browser.tab()
        await tab.goto(console.link())

        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            body = (
                f'<!doctype html><form method=post action="{console.url("/sign-out")}"></form>'
                f'<a href="{console.url("/")}">open</a>'
            ).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            for host in ("127.0.0.1", "localhost"):
                await tab.goto(f"http://{host}:{port}/")
                assert await tab.follow("document.forms[0].submit()") == 403
                await tab.goto(f"http://{host}:{port}/")
                assert await tab.click("a") in {401, 403}
        assert await tab.goto(console.url("/")) == 200


async def test_another_port_of_the_machine_gets_no_cookie(console):
    """Browsers send cookies to every port of a host: only the path keeps the session from other servers."""
    got = []

    async def answer(reader, writer):
        got.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with chromium() as browser, server:
        tab = await browser.tab()
        await tab.goto(console.link())
        await tab.goto(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert got
    assert "cookie:" not in "".join(got).lower()
    assert json.dumps(got).count(console.base) == 0
