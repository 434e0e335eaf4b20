"""The scenario: a support manager starts a task, and a chain of agents processes the refunds.

Every step states the expected result. The scenario never decides by itself what counts as a success.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import tabard
from tabard import base64url, macaroon
from tabard.caveats import Arguments, Constraint, Hop, Limits, Tools, encode_caveat

from demo.backend import RefundBackend
from demo.callbacks import DeskWorld, callbacks
from demo.leases import HOW, leases
from demo.steps import Step, tried
from testbed.world import PERSON, WORKLOADS, ZONE, Signer, World, http_get, spiffe_id

CALLS = 2_000
SUB_AGENTS = 20
STATEMENT = "Work off today's refund tickets, up to 100 euros each."
REFUND = {"order_id": "o-1001", "customer_id": "c-17", "amount_cents": 4200, "reason": "arrived broken"}
REPAIRED = "the policy file is repaired"
_POLICY_SECONDS = 30.0


@dataclass(slots=True)
class Story:
    """The results of a run."""

    steps: list[Step] = field(default_factory=list)
    calls: int = 0
    allowed: int = 0
    holders: int = 0
    workloads: int = 0
    depth: int = 0
    call_seconds: float = 0.0
    seconds: float = 0.0
    hint: str = ""

    @property
    def met(self) -> bool:
        """True if every step had the expected result and every ordinary call was allowed."""
        return (
            bool(self.steps) and all(step.met for step in self.steps) and self.calls == self.allowed == CALLS
        )

    def as_json(self) -> str:
        """Return the story for machines."""
        return json.dumps(
            {
                "met": self.met,
                "calls": self.calls,
                "allowed": self.allowed,
                "holders": self.holders,
                "workloads": self.workloads,
                "depth": self.depth,
                "call_seconds": round(self.call_seconds, 3),
                "seconds": round(self.seconds, 3),
                "hint": self.hint,
                "steps": [
                    {"name": s.name, "expected": s.expected, "actual": s.actual, "met": s.met, "note": s.note}
                    for s in self.steps
                ],
            },
            indent=1,
        )


Progress = Callable[[str], None]


async def play(world: DeskWorld, progress: Progress) -> Story:
    """Play the whole scenario in a world that has been started."""
    story = Story(workloads=len(WORKLOADS))
    began = time.perf_counter()
    progress("the front end signs the intent; the grant goes five hops deep")
    chain = await _delegate_down(world)
    workers = [chain[-1].branch(f"worker-{n:02d}") for n in range(SUB_AGENTS)]
    holders = [*chain, *workers]
    story.holders = len(holders)
    story.depth = len((await workers[0].get()).chain)
    progress(f"{len(holders)} holders make {CALLS:,} calls; a policy file breaks half-way and is repaired")
    await _work(story, world, holders)
    progress("now everything that must not work")
    for step in (
        _child_widens_scope,
        _wrong_tools_and_arguments,
        _wrong_purpose,
        _grant_attacks,
        _expired,
        _unknown_issuer,
    ):
        async for found in step(world, chain, workers[0]):
            story.steps.append(found)
    progress("a backend that checks what it is given")
    story.steps.extend(await _backend(world, workers[0]))
    progress("what many calls add up to, a person who is asked, an operator who revokes a task")
    story.steps.extend(await callbacks(world))
    progress("a credential that a vault made for one call")
    room = world.folder / "v"
    room.mkdir(mode=0o700)
    found = await leases(room)
    story.steps.extend(found)
    story.hint = "" if found else HOW
    story.seconds = time.perf_counter() - began
    return story


async def _delegate_down(world: World) -> list[tabard.aio.Task]:
    """Start the task and delegate it from workload to workload; return the grant of each."""
    first = await world.agent(WORKLOADS[0]).start_task(
        world.issuer.access_token(PERSON), intent_token=world.intent("refunds", STATEMENT)
    )
    chain = [first]
    for workload in WORKLOADS[1:]:
        grant = await chain[-1].delegate(spiffe_id(workload))
        chain.append(world.agent(workload).task(grant))
    return chain


def _ordinary_calls(count: int) -> Iterator[tabard.ToolCall]:
    kinds = (
        ("tickets.search", {"query": "refund"}),
        ("tickets.read", {"ticket_id": "t-1"}),
        ("orders.read", {"order_id": "o-1001"}),
        ("customers.read", {"customer_id": "c-17"}),
        ("refunds.create", REFUND),
    )
    for n in range(count):
        name, arguments = kinds[n % len(kinds)]
        yield tabard.ToolCall(name, arguments)


async def _work(story: Story, world: World, holders: list[tabard.aio.Task]) -> None:
    """Make the ordinary calls, all holders at once; break the policy in the middle and repair it."""
    shares = [CALLS // len(holders) + (n < CALLS % len(holders)) for n in range(len(holders))]
    repaired = asyncio.create_task(_break_and_repair(story, world))

    async def one(holder: tabard.aio.Task, share: int) -> tuple[int, int]:
        made = allowed = 0
        # The second half comes after the policy was broken, so the previous policy decides it.
        for part in (share // 2, share - share // 2):
            async for _, decision in holder.stream(_ordinary_calls(part)):
                made += 1
                allowed += decision.allowed
        return made, allowed

    began = time.perf_counter()
    results = await asyncio.gather(*(one(h, n) for h, n in zip(holders, shares, strict=True)))
    story.call_seconds = time.perf_counter() - began
    story.calls = sum(made for made, _ in results)
    story.allowed = sum(allowed for _, allowed in results)
    await repaired


async def _break_and_repair(story: Story, world: World) -> None:
    """Break a policy file: the previous policy must stay and health must report it; then repair the file."""
    file = next(path for path in sorted(world.policy.rglob("*.rego")) if not path.name.endswith("_test.rego"))
    good = file.read_text()
    file.write_text(good + "\nthis is not Rego {\n")
    told = await _health_becomes(world, "degraded")
    story.steps.append(
        Step("a policy file breaks while agents work", "old policy stays", told, note=file.name)
    )
    file.write_text(good)
    told = await _health_becomes(world, "serving")
    story.steps.append(Step(REPAIRED, "serving again", told))


async def _health_becomes(world: World, wanted: str) -> str:
    socket = world.sidecars["worker"].http
    deadline = time.monotonic() + _POLICY_SECONDS
    state = "unknown"
    while time.monotonic() < deadline:
        ready, _ = await http_get(socket, "/readyz")
        _, body = await http_get(socket, "/healthz")
        state = json.loads(body).get("status", "unknown") if body else "unknown"
        if state == wanted and ready == 200:  # noqa: PLR2004 - OK
            return {"degraded": "old policy stays", "serving": "serving again"}[wanted]
        await asyncio.sleep(0.05)
    return f"health stayed {state}"


Steps = AsyncIterator[Step]


async def _child_widens_scope(_world: World, _chain: list[tabard.aio.Task], worker: tabard.aio.Task) -> Steps:
    wide = worker.narrow(Limits(scopes=("refunds:write", "admin:write")))
    yield await tried(
        "a child widens a scope",
        "scope_not_granted",
        wide.authorize("refunds.create", REFUND, scopes=["admin:write"]),
    )


async def _wrong_tools_and_arguments(
    _world: World, _chain: list[tabard.aio.Task], worker: tabard.aio.Task
) -> Steps:
    yield await tried(
        "a tool outside the grant",
        "tool_not_granted",
        worker.authorize("exports.create", {"table": "customers"}),
    )
    capped = worker.narrow(
        Limits(
            arguments=(
                Arguments("refunds.create", (Constraint("amount_cents", "range", {"max": 5000}),), open=True),
                Arguments(
                    "tickets.search",
                    (Constraint("query", "max_length", 80),),
                    open=False,
                ),
            )
        )
    )
    yield await tried(
        "an argument over its limit",
        "argument_not_granted",
        capped.authorize("refunds.create", REFUND | {"amount_cents": 9900}),
    )
    yield await tried(
        "an argument that no constraint names",
        "argument_unknown",
        capped.authorize("tickets.search", {"query": "refund", "limit": 5}),
    )


async def _wrong_purpose(_world: World, _chain: list[tabard.aio.Task], worker: tabard.aio.Task) -> Steps:
    other = worker.narrow(Limits(purposes=("newsletter",)))
    yield await tried(
        "a purpose that doesn't match",
        "purpose_not_granted",
        other.authorize("tickets.read", {"ticket_id": "t-1"}),
    )


async def _grant_attacks(world: World, chain: list[tabard.aio.Task], worker: tabard.aio.Task) -> Steps:
    read = ("tickets.read", {"ticket_id": "t-1"})
    yield await tried("a chain one too deep", "depth_exceeded", worker.branch("one-more").authorize(*read))
    stolen = world.agent("triage").task(chain[0].grant)
    yield await tried("a grant replayed by another workload", "holder_mismatch", stolen.authorize(*read))
    hop = encode_caveat(Hop(spiffe_id("triage"), "A" * 43))
    thief = world.agent("triage").task(macaroon.append(chain[0].grant, [hop]))
    yield await tried("a thief's own hop", "hop_unsealed", thief.authorize(*read))
    forged = world.agent("worker").task(forge_caveat(chain[-1].grant))
    yield await tried("a forged caveat", "grant_signature", forged.authorize(*read))


async def _expired(_world: World, _chain: list[tabard.aio.Task], worker: tabard.aio.Task) -> Steps:
    brief = worker.narrow(Limits(ttl_seconds=1))
    await asyncio.sleep(2.1)
    yield await tried(
        "an expired grant", "grant_expired", brief.authorize("tickets.read", {"ticket_id": "t-1"})
    )


async def _unknown_issuer(world: World, _chain: list[tabard.aio.Task], _worker: tabard.aio.Task) -> Steps:
    stranger = Signer.create("https://stranger.example", world.folder / "stranger.json")
    yield await tried(
        "a token of an unknown issuer",
        "subject_token_unknown_issuer",
        world.agent(WORKLOADS[0]).start_task(
            stranger.access_token(PERSON), intent_token=world.intent("refunds", STATEMENT)
        ),
    )


def forge_caveat(grant: str) -> str:
    """Insert a caveat into a grant without its key: the rest, the signature included, stays the same."""
    raw = base64url.decode(grant)
    text = encode_caveat(Tools(("*",)))
    # Version 2 of the binary format: field 2 is an identifier, field 0 ends a section, field 6 is the signature.
    caveat = bytes((2, len(text))) + text + bytes((0,))
    end_of_caveats = raw.rindex(bytes((0, 6, 32)))
    forged = raw[:end_of_caveats] + caveat + raw[end_of_caveats:]
    return base64url.encode(forged)


async def _backend(world: World, worker: tabard.aio.Task) -> list[Step]:
    """Use one credential at a real HTTP backend: for its call, then with other arguments, then twice."""
    steps = []
    keys = world.folder / "zone-keys.json"
    _, published = await http_get(world.sidecars["worker"].http, "/.well-known/jwks.json")
    keys.write_bytes(published)
    with RefundBackend(world.folder, issuer=f"urn:tabard:zone:{ZONE}", jwks=keys) as backend:
        decision = await worker.authorize("refunds.create", REFUND)
        headers = decision.credential.headers if decision.credential is not None else {}
        changed = await asyncio.to_thread(backend.post, REFUND | {"amount_cents": 4300}, headers)
        steps.append(
            Step("the backend gets changed arguments", "refused", _outcome(changed), note=str(changed))
        )
        first = await asyncio.to_thread(backend.post, REFUND, headers)
        steps.append(
            Step("the backend gets the call as authorized", "accepted", _outcome(first), note=str(first))
        )
        second = await asyncio.to_thread(backend.post, REFUND, headers)
        steps.append(Step("the same credential comes again", "refused", _outcome(second), note=str(second)))
    return steps


def _outcome(status: int) -> str:
    return "accepted" if status == 200 else "refused" if status in {401, 403} else f"status {status}"  # noqa: PLR2004 - HTTP
