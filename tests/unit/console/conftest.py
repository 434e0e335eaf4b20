"""A console over a real zone, and a client that speaks plain HTTP to it."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import pytest
from tabard_sidecar.console.running import Given, Wanted, serving
from tabard_sidecar.console.sidecar import Sidecar
from tabard_sidecar.operating.log_source import LogSource
from tabard_sidecar.operating.operator import operator
from tabard_sidecar.operating.reach import Target

from testbed.world import ZONE
from tests.support.console_world import OVERRIDES, POLICY, WORKLOADS, work
from tests.support.waiting import eventually

_FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


class Client:
    """A browser without a screen: keeps cookies, sends what browsers send."""

    def __init__(self, http, served, asked):
        self.asked = asked
        self.http = http
        self.served = served
        self.base = served.base
        self.origin = served.origin

    async def get(self, path="/", **headers):
        """Ask for a page below the base; return status, text and headers."""
        async with self.http.get(
            self.origin + self.base + path, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def raw(self, method, path, **headers):
        """Send a request to any path."""
        async with self.http.request(
            method, self.origin + path, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(self, path, fields, **headers):
        """Send a form as a page of the console would."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"} | headers
        async with self.http.post(
            self.origin + self.base + path, data=fields, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def form_token(self):
        """Return what forms of this session hold."""
        _, text, _ = await self.get()
        return _FORM_TOKEN.search(text)[1]

    async def sign_in(self):
        """Use the link."""
        link = urlsplit(self.served.new_link())
        status, _, _ = await self.raw("GET", f"{link.path}?{link.query}")
        assert status == 303
        return self

    async def settled(self):
        """Wait until the log was read."""

        async def look():
            _, text, _ = await self.get()
            return "still being read" not in text

        await eventually(look)
        return self


@pytest.fixture
def start_console():
    """Serves a console over an operator's address and logs; ends it with the test."""

    @asynccontextmanager
    async def start(
        address, files=(), *, changes=False, seconds=3600.0, zone=ZONE, explain=None, commands=None
    ):
        target = Target(address, "a test", zone, "a test")
        source = LogSource(tuple(files), zone, "a test") if files else None
        async with AsyncExitStack() as stack:
            asked = stack.enter_context(operator(target, quiet=True))
            remote = Sidecar(asked, asked)
            given = Given(
                asked,
                asked,
                source,
                "no log",
                explain or (lambda entry: remote.explain(entry.decision_id)),
                commands or {},
            )
            wanted = Wanted("127.0.0.1:0", changes, seconds, len(files) <= 1, as_json=True)
            served = await stack.enter_async_context(serving(wanted, given))
            jar = aiohttp.CookieJar(unsafe=True)
            http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
            yield Client(http, served, asked)

    return start


@pytest.fixture
async def desk(start_zone):
    """A zone whose agents have worked, with the ids of its tasks."""
    zone = await start_zone(workloads=WORKLOADS, policy=POLICY, overrides=OVERRIDES)
    zone.tasks = await work(zone)

    async def start_task_of_desk():
        return await zone.agent("refunds").start_task(
            zone.issuer.access_token("support-manager-9"),
            intent_token=zone.intent("refunds", "Refund these.", subject="support-manager-9"),
        )

    zone.start_task_of_desk = start_task_of_desk
    zone.decision_logs = [zone.sidecars[name].folder / "decisions.log" for name in WORKLOADS]
    return zone
