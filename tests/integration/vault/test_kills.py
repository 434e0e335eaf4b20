"""Kills the process of a sidecar (SIGKILL) between every two steps of obtaining a login of a database.

Whatever is on its way to Vault at that moment still arrives there, unless a moment says otherwise. No login may work 30
seconds later whose answer no caller received, what was charged stays charged, and a new process ends what lasts.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import tempfile
import time
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tabard

from testbed.world import PERSON, World
from tests.integration.vault.test_issuing import POLICY, section
from tests.support.operators import operators
from tests.support.pausing_proxy import Pause, PausingProxy, Way, pausing_proxy
from tests.support.relay import Relay, relay
from tests.support.waiting import eventually

NEWBORN_SECONDS = 30
SLOW_SECONDS = 2.0
"""Vault ends tokens in whole seconds, and the database's logins a moment later."""

BUDGET = 5
AT_ONCE = 3
CREATE, CREDS, RENEW, REVOKE = "/create/tabard", "/creds/orders-read", "/renew-self", "/revoke-self"
LOGIN = "/jwt/login"
COUNTED = """
grant contains {
	"code": "counted_alone",
	"charges": {"reads": 1},
	"credential": credentials.vault("counted", "postgres://orders", 300),
} if input.tool.name == "orders.counted"
"""


@dataclass(frozen=True)
class Moment:
    """When a process is killed, and what exists then.

    Attributes:
        path, way: where the request is at which it is killed.
        drops: the request never arrives, as if it had not been sent.
        unheard: the agent gets no answer, because it leaves the sidecar and is lost.
        locked: the journal can't be written meanwhile.
        leaves: the agent goes away before the login is there.
        login: a login was made, or will be by what is on its way.
        received: the agent has its answer.
    """

    path: str
    way: Way
    drops: bool = False
    unheard: bool = False
    locked: bool = False
    leaves: bool = False
    login: bool = False
    received: bool = False


MOMENTS = {
    "logging in": Moment(LOGIN, Way.ASKED),
    "logged in": Moment(LOGIN, Way.ANSWERED),
    "asking for a token": Moment(CREATE, Way.ASKED),
    "the token is made": Moment(CREATE, Way.ANSWERED),
    "the token is noted, the login asked for": Moment(CREDS, Way.ASKED, login=True),
    "the login is made, the token not noted": Moment(CREDS, Way.ANSWERED, login=True, locked=True),
    "the login is made": Moment(CREDS, Way.ANSWERED, login=True),
    "the agent left, the login isn't ended": Moment(REVOKE, Way.ASKED, drops=True, login=True, leaves=True),
    "recorded, not extended, the answer lost": Moment(RENEW, Way.ASKED, drops=True, login=True, unheard=True),
    "answered, not extended": Moment(RENEW, Way.ASKED, drops=True, login=True, received=True),
    "answered, the extension on its way": Moment(RENEW, Way.ASKED, login=True, received=True),
    "answered and extended": Moment(RENEW, Way.ANSWERED, login=True, received=True),
}


@dataclass
class Aftermath:
    """What was seen of one moment.

    Attributes:
        answer: the agent's answer, or the error that it got.
        logins: what Vault made for the call.
        worked: whether they worked right after the kill.
        late: whether one worked when every unanswered one had to be gone.
        noted: ids of credentials that the journal had after the kill.
        more: how many further calls a new process allowed until the budget was used up.
        refused: with which code the next one was denied.
        left: ids that the journal had after the task was revoked.
        last: whether one worked then.
    """

    answer: Any = None
    logins: list[dict[str, str]] = field(default_factory=list)
    worked: bool = False
    late: bool = False
    noted: list[str] = field(default_factory=list)
    more: int = 0
    refused: str = ""
    left: list[str] = field(default_factory=list)
    last: bool = False


class Killed(World):
    """One sidecar, as a process of its own, whose Vault is behind a proxy."""

    @property
    def sidecar(self):
        """The sidecar."""
        return self.sidecars["orchestrator"]

    async def launch(self) -> None:
        """Start the sidecar, for the first time or again."""
        await self._start(self.sidecar)

    async def kill(self) -> None:
        """End its process at once, unless that was done."""
        if self.sidecar.process.returncode is None:
            self.sidecar.process.kill()
        await self.sidecar.process.wait()

    def intends(self) -> bool:
        """Tell whether it has recorded that it is about to obtain a credential: the charge is reserved before."""
        return '"event":"intent"' in (self.sidecar.folder / "decisions.log").read_text()

    def journal(self) -> list[str]:
        """Return the ids of leases that the journal has and that haven't expired."""
        with closing(sqlite3.connect(f"file:{self.folder}/state.db?mode=ro", uri=True)) as database:
            found = database.execute("SELECT lease_id FROM leases WHERE expires_at > ?", (time.time(),))
            return [lease_id for (lease_id,) in found]


class Trial:
    """Tries one moment."""

    def __init__(self, moment: Moment, vault, postgres, token_issuer, places: asyncio.Semaphore) -> None:
        self._moment = moment
        self._vault, self._postgres, self._tokens = vault, postgres, token_issuer
        self._places = places
        self._found = Aftermath()

    async def run(self) -> Aftermath:
        """Start a sidecar, kill it at the moment, wait, and start it again."""
        async with AsyncExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="tbk", dir="/tmp"))
            stack.callback(shutil.rmtree, folder)
            proxy = stack.enter_context(pausing_proxy(self._vault.address))
            world = Killed(
                folder,
                workloads=("orchestrator",),
                policy={"last_mile.rego": POLICY + COUNTED},
                overrides={"vault.main": self._section(folder, proxy.address)},
            )
            world.prepare()
            stack.push_async_callback(world.stop)
            async with self._places:
                grant = await self._die(world, proxy, stack)
            await asyncio.sleep(NEWBORN_SECONDS + SLOW_SECONDS)
            self._found.late = self._works()
            async with self._places:
                await self._come_back(world, grant)
        return self._found

    def _section(self, folder: Path, address: str) -> dict[str, Any]:
        for name, audience in (("token", "tabard-vault"), ("reaper-token", "tabard-reaper-vault")):
            (folder / name).write_text(self._tokens.token(audience))
        found = section(self._vault, address=address)
        found["auth"] = found["auth"] | {"token_file": str(folder / "token")}
        found["reaper"] = {
            "method": "jwt",
            "role": "tabard-reaper",
            "token_file": str(folder / "reaper-token"),
        }
        found["roles"]["counted"] = {
            "engine": "database",
            "name": "orders-read",
            "audiences": ["postgres://orders"],
            "reuse": False,
        }
        return json.loads(json.dumps(found))

    async def _die(self, world: Killed, proxy: PausingProxy, stack: AsyncExitStack) -> str:
        """Kill the sidecar at the moment, while it decides about a call; return the task's grant."""
        moment = self._moment
        pause = proxy.pause(moment.path, moment.way, drops=moment.drops) if moment.path == LOGIN else None
        await world.launch()
        way = await stack.enter_async_context(
            relay(f"{world.folder}/relay", f"{world.sidecar.folder}/agent/s")
        )
        client = tabard.aio.connect(f"unix:{world.folder}/relay", timeout_seconds=60)
        stack.push_async_callback(client.close)
        task = await client.start_task(
            world.issuer.access_token(PERSON), intent_token=world.intent("refunds", "Read the orders.")
        )
        call = asyncio.create_task(self._call(task))
        if pause is None:
            pause = await self._reach(world, proxy, call, way)
        await _reached(pause)
        await eventually(world.intends)
        if moment.way is Way.ASKED and moment.path == CREDS:
            await eventually(world.journal)
        if moment.received:
            await asyncio.wait_for(asyncio.shield(call), 10)
        await world.kill()
        pause.over.set()
        if moment.login:
            await eventually(lambda: proxy.logins)
        self._found.logins = list(proxy.logins)
        self._found.worked = self._works()
        self._found.noted = world.journal()
        with suppress(asyncio.CancelledError):
            self._found.answer = await call
        return task.grant

    async def _call(self, task: tabard.aio.Task) -> tabard.Decision | tabard.TabardError:
        try:
            return await task.authorize("orders.counted", {"n": 0})
        except tabard.TabardError as error:
            return error

    async def _reach(self, world: Killed, proxy: PausingProxy, call: asyncio.Task[Any], way: Relay) -> Pause:
        """Arm the moment's pause, after what has to be so before it."""
        moment = self._moment
        way.answers = not moment.unheard
        if moment.locked:
            before = proxy.pause(CREATE, Way.ANSWERED)
            await _reached(before)
            lock = sqlite3.connect(world.folder / "state.db", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            pause = proxy.pause(moment.path, moment.way)
            before.over.set()
            await _reached(pause)
            assert not world.journal()
            await world.kill()
            lock.close()
            return pause
        if moment.leaves:
            before = proxy.pause(CREDS, Way.ANSWERED)
            await _reached(before)
            call.cancel()
            pause = proxy.pause(moment.path, moment.way, drops=moment.drops)
            before.over.set()
            return pause
        return proxy.pause(moment.path, moment.way, drops=moment.drops)

    def _works(self) -> bool:
        """Tell whether the database lets one of the logins in."""
        return any(not self._postgres.refuses(login) for login in self._found.logins)

    async def _come_back(self, world: Killed, grant: str) -> None:
        """Start the sidecar again, use up the task's budget and revoke the task."""
        await world.launch()
        task = world.agent("orchestrator").task(grant)
        for number in range(BUDGET + 1):
            try:
                await task.authorize("orders.counted", {"again": number})
            except tabard.Denied as denied:
                self._found.refused = denied.code
                break
            self._found.more += 1
        async with operators(world.sidecar.operator) as operator:
            await operator.revoke(task_id=(await task.get()).task_id)
        await eventually(lambda: not world.journal())
        self._found.left = world.journal()
        await eventually(lambda: not self._works())
        self._found.last = self._works()


async def _reached(pause: Pause) -> None:
    assert await asyncio.to_thread(pause.reached.wait, 30), f"no request came to {pause.path}"


@pytest.fixture(scope="module")
def aftermaths(vault, postgres, token_issuer):
    """What was seen of each moment; all wait for the end of their tokens at the same time."""

    async def trials() -> list[Aftermath]:
        places = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(
            *(Trial(moment, vault, postgres, token_issuer, places).run() for moment in MOMENTS.values())
        )

    return dict(zip(MOMENTS, asyncio.run(trials()), strict=True))


@pytest.fixture(params=MOMENTS)
def name(request):
    """The name of a moment."""
    return request.param


def test_no_login_outlives_its_killed_sidecar_unless_it_was_answered(aftermaths, name):
    found, moment = aftermaths[name], MOMENTS[name]
    assert bool(found.logins) is moment.login
    assert found.worked is moment.login, "the login worked when the process was killed"
    if moment.received:
        assert found.answer.credential.fields == found.logins[0]
    else:
        assert not isinstance(found.answer, tabard.Decision)
        assert not found.late


def test_an_answered_login_lasts_as_long_as_was_said_only_if_it_was_extended(aftermaths, name):
    moment = MOMENTS[name]
    assert aftermaths[name].late is (moment.received and not moment.drops)


def test_whatever_lasts_longer_than_its_first_seconds_stands_in_the_journal(aftermaths, name):
    found, moment = aftermaths[name], MOMENTS[name]
    if moment.path in {RENEW, REVOKE} or (moment.login and not moment.locked):
        assert len(found.noted) == 1
    else:
        assert not moment.received
    if moment.received:
        assert found.noted == [found.answer.credential.credential_id]


def test_the_charge_of_a_killed_call_stays(aftermaths, name):
    assert aftermaths[name].more == BUDGET - 1
    assert aftermaths[name].refused == "budget_exhausted"


def test_a_new_process_ends_what_lasts_when_the_task_is_revoked(aftermaths, name):
    assert not aftermaths[name].left
    assert not aftermaths[name].last
