"""Measures `tabard suggest`: how much unused authority goes, and how many later calls of the same habits it would have denied.

The invented wholesaler of :mod:`bench.company` works for two months. A proposal is made from the first one, as the command makes
it: learned from its first three quarters, tried on the rest. Then it meets the second month, of which it knows nothing.

*Held authority* is what a hijacked agent could do: calls of each tool that the policy grants it, with arguments drawn from all
that the policy lets pass, for each purpose for which the agent really gets tasks in the second month. What no habit of either
month would do is *unused*. For each agent and purpose the share of unused calls that the proposal denies is measured. The figure
is the mean of these shares, weighted by the tasks of the second month: what goes, if any of these tasks is hijacked. The mean
over all agents and purposes alike is given, too; rare ones, of which too little is known to propose anything, count in it as much
as daily ones.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from tabard_opa import Engine
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.replay.judging import Plan, Side, Sides
from tabard_sidecar.replay.processes import replay
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.world import loaded
from tabard_sidecar.suggest.learning import Learner
from tabard_sidecar.suggest.module import DEFAULT_NAME
from tabard_sidecar.suggest.proposing import REGULAR, Kind, accepting, propose
from tabard_sidecar.suggest.running import crossed, cut_of
from tabard_sidecar.suggest.thresholds import Thresholds
from tabard_sidecar.suggest.trying import Policy

from bench.company.authority import ANYTHING
from bench.company.habits import START, habitual, pairs
from bench.company.log import POLICY, request, tool, write_log
from bench.company.values import FIRST_DAYS
from bench.harness import Figure, publish
from bench.suggest_runs import beside, entries_of, of_agentdojo, of_demo

PUBLISHED_SEEDS = (31, 32, 33, 34)
"""Worlds whose figures are published, chosen before any figure of theirs was known. The thresholds were chosen on the seeds 1 to
3. Lower ends were opened by default after a look at the figures of the seeds 11 to 14. What `--accept-later` learns from the
whole log came after a look at those of the seeds 1, 2 and 21 to 23."""
_SECOND_MONTH = START.timestamp() + FIRST_DAYS * 86_400
_HELD_OUT = 0.25
_DRAWS = 10
_DEFAULT = Thresholds()
_AXES: dict[str, tuple[Any, ...]] = {
    "decisions": (200,),
    "tasks": (50,),
    "settled": (0, 1, 6),
    "repeated": (0.0,),
    "most_members": (200,),
    "slack": (0.0, 0.25, 2.0),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the curve: thresholds, kinds of restrictions, and whether what the held-out part used is accepted."""

    name: str
    thresholds: Thresholds = _DEFAULT
    kinds: frozenset[Kind] = REGULAR
    accept_later: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a setting in one world.

    Attributes:
        weighted: share of unused authority that goes, weighted by tasks; 0 to 1.
        plain: the same over all agents and purposes alike.
        calls: decisions of the second month.
        denied: of them, that the proposal denies.
        told: decisions of the held-out part that it denies, which an author is told.
        restrictions: that are proposed.
        codes: of the denials of the second month.
    """

    weighted: float
    plain: float
    calls: int
    denied: int
    told: int
    restrictions: int
    codes: frozenset[str]


class World(NamedTuple):
    """One world: what was learned from its first month, and what it is measured by.

    Attributes:
        learner: learned from the part before the cut.
        whole: learned from all of the first month.
        held_out: decisions of the first month after the cut.
        later: decisions of the second month.
        probes: calls that the policy allows.
        weights: tasks of the second month by agent and purpose.
    """

    learner: Learner
    whole: Learner
    held_out: list[Recorded]
    later: list[Recorded]
    probes: list[Probe]
    weights: Counter[tuple[str, str]]


class Probe(NamedTuple):
    """A call: who makes it for which purpose, whether a habit makes such calls, and the policy input."""

    pair: tuple[str, str]
    habitual: bool
    input_json: bytes


def settings() -> list[Setting]:
    """Return the default, its options, each threshold changed alone, and all of them at their ends."""
    loose = Thresholds(5, 2, 2, 0, 0.0, 200, 0.0, close_lower=True)
    strict = Thresholds(200, 50, 10, 5, 1.0, 20, 2.0)
    found = [
        Setting("default"),
        Setting("default, later part accepted", accept_later=True),
        Setting("closed tools, later part accepted", kinds=REGULAR | {Kind.KNOWN}, accept_later=True),
        Setting("closed purposes, later part accepted", kinds=REGULAR | {Kind.PURPOSES}, accept_later=True),
        Setting("closed lower ends", replace(_DEFAULT, close_lower=True)),
        Setting(
            "closed lower ends, later part accepted", replace(_DEFAULT, close_lower=True), accept_later=True
        ),
        Setting("all at their loosest", loose),
        Setting("all at their loosest, later part accepted", loose, accept_later=True),
        Setting("all at their strictest", strict),
    ]
    for name, values in _AXES.items():
        found += [Setting(f"{name} {value:g}", replace(_DEFAULT, **{name: value})) for value in values]
    return found


def run(*, quick: bool) -> bool:
    """Run every measurement and tell whether every goal is met."""
    seeds = PUBLISHED_SEEDS[:1] if quick else PUBLISHED_SEEDS
    chosen = settings()[:2] if quick else settings()
    figures = [*of_company(seeds, chosen), *(() if quick else of_demo()), *(() if quick else of_agentdojo())]
    return True if quick else publish("suggest", figures)


def of_company(seeds: Iterable[int], chosen: list[Setting]) -> Iterator[Figure]:
    """Yield the curve over some worlds."""
    by_setting: dict[str, list[Found]] = {one.name: [] for one in chosen}
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="tabard-suggest-") as folder:
            world = _world(seed, Path(folder))
            for number, one in enumerate(chosen):
                found = _measured(world, one, Path(folder) / str(number))
                by_setting[one.name].append(found)
                sys.stderr.write(f"seed {seed}, {one.name}: {found}\n")
    for name, every in by_setting.items():
        yield from _figures(name, every)


def _figures(name: str, every: list[Found]) -> Iterator[Figure]:
    weighted, plain = ([100 * getattr(one, field) for one in every] for field in ("weighted", "plain"))
    denied, told = [one.denied for one in every], [one.told for one in every]
    goals = (">= 80", "<= 0") if name == "default, later part accepted" else ("", "")
    spread = f"worlds {min(weighted):.1f}-{max(weighted):.1f}"
    yield Figure(f"{name}: unused authority that goes", statistics.mean(weighted), "%", goals[0], spread)
    spread = f"worlds {min(plain):.1f}-{max(plain):.1f}"
    yield Figure(f"{name}: the same, agents and purposes alike", statistics.mean(plain), "%", "", spread)
    codes = ", ".join(sorted(frozenset().union(*(one.codes for one in every))))
    spread = f"of {sum(one.calls for one in every)}; worlds {', '.join(map(str, denied))}; {codes}".rstrip(
        "; "
    )
    yield Figure(f"{name}: calls of the second month denied", sum(denied), "calls", goals[1], spread)
    spread = f"worlds {', '.join(map(str, told))}"
    yield Figure(f"{name}: calls of the held-out part denied", sum(told), "calls", "", spread)
    yield Figure(f"{name}: restrictions", statistics.mean(one.restrictions for one in every), "")


def _world(seed: int, folder: Path) -> World:
    log = folder / "log.jsonl"
    write_log(log, seed)
    every = list(entries_of([log]))
    first = [item.time for _, item in every if item.time < _SECOND_MONTH]
    cut = cut_of((first[0], first[-1]), _HELD_OUT)
    learner, whole = Learner(first[0]), Learner(first[0])
    for entry, item in every:
        if item.time < cut:
            learner.learn(entry, item)
        if item.time < _SECOND_MONTH:
            whole.learn(entry, item)
    later = [item for _, item in every if item.time >= _SECOND_MONTH]
    held_out = [item for _, item in every if cut <= item.time < _SECOND_MONTH]
    probes = list(_probes(random.Random(seed)))  # noqa: S311 - a seeded world, no secret
    return World(learner, whole, held_out, later, probes, _weights(later))


def _weights(later: list[Recorded]) -> Counter[tuple[str, str]]:
    tasks = set()
    for item in later:
        if item.operation == "authorize":
            purpose = json.loads(item.input_json)["task"]["purpose"]
            tasks.add((item.about.agent.rpartition("/")[2], purpose, item.task_id))
    return Counter((agent, purpose) for agent, purpose, _ in tasks)


def _measured(world: World, one: Setting, folder: Path) -> Found:
    proposal = propose(world.learner.usage, one.thresholds, one.kinds)
    if one.accept_later:
        proposal = accepting(proposal, world.whole.usage, one.thresholds, one.kinds)
    tried = beside(Policy(POLICY, CompileOptions(), Catalogue()), proposal, folder)
    plan = Plan(partial(_sides, tried.path))
    later, held_out = replay(plan, world.later, 1), replay(plan, world.held_out, 1)
    if crossed(later, narrower=False) or crossed(held_out, narrower=False):
        raise RuntimeError("the proposal allows something new")
    denied = asyncio.run(_denied(tried, [probe.input_json for probe in world.probes]))
    shares = _shares(world.probes, denied)
    codes = (code for key in later.groups for code in key.rules if code.startswith(f"{DEFAULT_NAME}."))
    return Found(
        sum(world.weights[pair] * share for pair, share in shares.items()) / sum(world.weights.values()),
        statistics.mean(shares.values()),
        later.decided,
        crossed(later, narrower=True),
        crossed(held_out, narrower=True),
        len(proposal.restrictions),
        frozenset(code.partition(".")[2] for code in codes),
    )


def _shares(probes: list[Probe], denied: list[bool]) -> dict[tuple[str, str], float]:
    """Return which share of the unused calls is denied, by agent and purpose."""
    unused: Counter[tuple[str, str]] = Counter()
    gone: Counter[tuple[str, str]] = Counter()
    for probe, one in zip(probes, denied, strict=True):
        unused[probe.pair] += not probe.habitual
        gone[probe.pair] += one and not probe.habitual
    return {pair: gone[pair] / count for pair, count in unused.items() if count}


def _probes(rng: random.Random) -> Iterator[Probe]:
    """Yield calls that the policy allows."""
    data = yaml.safe_load((POLICY / "company" / "data.yaml").read_text(encoding="utf-8"))
    agents = {name.rpartition("/")[2]: department for name, department in data["agents"].items()}
    days = range(FIRST_DAYS, FIRST_DAYS + 28)
    for agent, purpose in pairs():
        for name in data["departments"][agents[agent]]:
            for _ in range(_DRAWS):
                arguments = _drawn(rng, name, days)
                start = _SECOND_MONTH + rng.randrange(20 * 86_400)
                about = {"task": {"id": "probe"}, "tool": tool(name, arguments)}
                document = request(agent, purpose, "authorize", start + 30, start, **about)
                fits = habitual(agent, purpose, name, arguments)
                yield Probe((agent, purpose), fits, json.dumps(document).encode())


def _drawn(rng: random.Random, name: str, days: range) -> dict[str, Any]:
    """Return arguments that the policy lets pass. What a tool doesn't need is given in half of the calls."""
    sources = ANYTHING[name].items()
    drawn = {argument: source.draw(rng, rng.choice(days)) for argument, source in sources}
    if rng.random() < 0.5:
        drawn.pop("bcc", None)
    return drawn


async def _denied(tried: Policy, inputs: list[bytes]) -> list[bool]:
    """Tell of each call whether the policy with the proposal denies it; all are allowed without."""
    found = []
    with Engine() as engine:
        for path in (POLICY, tried.path):
            with loaded(engine, path, CompileOptions(), Catalogue()) as policy:
                asked = Recorded("probe", 0.0, "", "authorize", "probe")
                found.append([not (await policy.decide(asked, one))[1].allowed for one in inputs])
    if any(found[0]):
        raise RuntimeError("the policy doesn't grant what is drawn")
    return found[1]


def _sides(path: Path) -> Sides:
    return Sides(Side(path, CompileOptions(), Catalogue()), None)
