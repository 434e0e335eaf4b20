"""Five agents of a refund desk, in pods of two namespaces, each with its sidecar as the injector made it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.folders import short_folder
from tests.support.markdown import code_of
from tests.support.pod_agent import PodAgent
from tests.support.pods_world import (
    BILLING,
    SUPPORT,
    Namespace,
    PodsWorld,
    pods_world,
    stores,
    vault_of,
)
from tests.support.redis_server import RedisServer
from tests.support.vault_server import VaultServer

CHAIN = {
    "orchestrator": SUPPORT,
    "triage": SUPPORT,
    "research": SUPPORT,
    "refunds": BILLING,
    "review": BILLING,
}
"""The chain's agents, in its order, each with its namespace."""
READS, CENTS = 60, 10_000
"""What a task may spend in each zone."""

PAGE = "docs/two-namespaces.md"


@dataclass
class Desk:
    """The agents, and what is behind their sidecars."""

    world: PodsWorld
    redis: dict[str, RedisServer]
    vault: VaultServer

    def agent(self, name: str) -> PodAgent:
        """Return an agent by its ServiceAccount."""
        return self.world.agents[name]

    def of(self, zone: str) -> list[str]:
        """Return the names of a zone's agents."""
        return [name for name, its in CHAIN.items() if its == zone]

    def start(self, task: str) -> str:
        """Have the first agent start a task of the person; return its id."""
        given = {"token": self.world.token(), "intent_token": self.world.intent(SUPPORT)}
        return str(self.agent("orchestrator").ask("start", task=task, **given)["task_id"])

    def chain(self, task: str) -> dict[str, list[str]]:
        """Start a task and delegate it from agent to agent, over the border of the zones; return what each agent's chain is.

        Each agent knows the task by the same name.
        """
        self.start(task)
        first, *others = CHAIN
        holders = {first: self.agent(first).ask("get", task=task)["holders"]}
        giver = first
        for name in others:
            crossing = {} if CHAIN[name] == CHAIN[giver] else {"zone": CHAIN[name]}
            receiver = self.agent(name)
            grant = self.agent(giver).ask("delegate", task=task, to=receiver.id, **crossing)["grant"]
            taken = ("start", {"token": grant}) if crossing else ("take", {"grant": grant})
            holders[name] = receiver.ask(taken[0], task=task, **taken[1])["holders"]
            giver = name
        return holders

    def call(self, name: str, task: str) -> str:
        """Have an agent make one call of its zone; return what came of it."""
        (outcome,) = self.calls([name], task)[name]
        return outcome

    def outcomes(self, task: str) -> dict[str, str]:
        """Have every agent make one call; return what came of each."""
        return {name: next(iter(found)) for name, found in self.calls([*CHAIN], task).items()}

    def calls(self, names: list[str], task: str, times: int = 1) -> dict[str, dict[str, int]]:
        """Have several agents call at once; return for each how often came what."""

        def ask(name: str) -> dict[str, int]:
            tool = {SUPPORT: "tickets.read", BILLING: "refunds.create"}[CHAIN[name]]
            arguments = {"tasks": [task], "tool": tool, "arguments": {"id": "1"}, "times": times}
            found: dict[str, int] = self.agent(name).ask("many", **arguments)
            return found

        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(ask, names), strict=True))

    def workers(self, task: str, count: int) -> list[str]:
        """Have the last agent make sub-agents; return the names of their tasks."""
        names = [f"worker-{number:02d}" for number in range(count)]
        self.agent("review").ask("branch", task=task, names=names)
        return [f"{task}/{name}" for name in names]

    def revision(self, name: str) -> str:
        """Return the revision of the policy that the sidecar beside an agent has loaded last."""
        loaded = [line for line in self.agent(name).pod.log().splitlines() if '"policy loaded"' in line]
        return str(json.loads(loaded[-1])["revision"])

    def certificate(self, task: str) -> str:
        """Have the last agent's tasks get a certificate of Vault; return its serial number."""
        call = {"tool": "bills.read", "arguments": {"day": "today"}}
        credential = self.agent("review").ask("authorize", task=task, **call)["credential"]
        return str(credential["fields"]["serial_number"])

    def is_revoked(self, serial: str) -> bool:
        """Whether Vault has revoked a certificate."""
        return bool(self.vault.client().read(f"pki/cert/{serial}")["data"]["revocation_time"])

    def revoke(self, name: str, task_id: str) -> None:
        """Revoke a task as an operator does, beside one sidecar of its zone."""
        answer = self.agent(name).pod.execute("tabard", ["tabard", "revoke", "task", task_id])
        assert answer.returncode == 0, answer.stderr


def _page(name: str) -> Any:
    ((_, text),) = code_of(PAGE, name)
    return yaml.safe_load(text)


def _namespaces(world: PodsWorld, redis: dict[str, RedisServer], vault: VaultServer) -> list[Namespace]:
    """Return what the page says of the two namespaces, with the addresses of this machine."""
    found = []
    for name in (SUPPORT, BILLING):
        ((_, policy),) = code_of(PAGE, f"{name}-policy")
        config = _page(f"{name}-config")
        # People's tokens are signed with keys that are made here.
        del config["identity"]
        config["state"]["url"] = redis[name].url
        found.append(Namespace(name, policy, config))
    (trusted,) = found[1].sections["handover"]["accept"]
    trusted["jwks_url"] = f"{world.control_url}/zones/{SUPPORT}/jwks.json"
    found[1].sections["vault"]["main"]["address"] = vault.address
    # The Vault of this test speaks HTTP.
    found[1].sections["insecure"] = {"allow_http": True}
    return found


@contextmanager
def refund_desk() -> Iterator[Desk]:
    """Run the five pods for the length of a block; all are ready."""
    with ExitStack() as stack:
        world = stack.enter_context(pods_world())
        world.start(**_page("injector"))
        redis = stack.enter_context(stores(stack.enter_context(short_folder("redis"))))
        vault = stack.enter_context(vault_of(world, *[name for name, its in CHAIN.items() if its == BILLING]))
        for namespace in _namespaces(world, redis, vault):
            world.add(namespace)
        for name, its in CHAIN.items():
            world.run(its, name)
        yield Desk(world, redis, vault)
