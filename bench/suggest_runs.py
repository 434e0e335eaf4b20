"""Measures `tabard suggest` on logs of single runs: the demo's and AgentDojo's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tabard_opa import Engine
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.records.reading import Entry, joined
from tabard_sidecar.replay.merging import merged
from tabard_sidecar.replay.recorded import Recorded, Skipped, recorded
from tabard_sidecar.replay.world import loaded
from tabard_sidecar.suggest.learning import Learner
from tabard_sidecar.suggest.module import DEFAULT_NAME, module_text
from tabard_sidecar.suggest.proposing import Proposal, propose
from tabard_sidecar.suggest.thresholds import Thresholds
from tabard_sidecar.suggest.trying import Policy, put_beside
from tabard_sidecar.suggest.written import data_text, data_tree

from bench.harness import Figure

_OPEN = """package policy.open

start contains {"code": "any", "limits": {
	"tools": ["*"],
	"max_depth": 9,
	"max_children": 90,
	"ttl_seconds": 3600,
}}

delegate contains {"code": "any"}

renew contains {"code": "any", "ttl_seconds": 60}

grant contains {"code": "any"}
"""
_FOLDS = 5
_ONE_DAY = Thresholds(decisions=10, tasks=3, days=1, settled=0, repeated=0.9)
"""For logs of one run, which has no days."""


def of_demo() -> Iterator[Figure]:
    """Yield figures of the demo's log: six agents, one run of half a minute."""
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--keep", "--json"], capture_output=True, text=True, check=True
    )
    kept = done.stderr.rpartition("kept: ")[2].split("\n", 1)[0].strip()
    logs = sorted(Path(kept).rglob("decisions.log"))
    yield from _of_runs("demo", logs, lambda item: item.task_id)


def of_agentdojo() -> Iterator[Figure]:
    """Yield figures of AgentDojo's calls, if ``$AGENTDOJO_LOGS`` names what ``python -m bench.agentdojo --logs`` wrote."""
    home = os.environ.get("AGENTDOJO_LOGS")
    for log in sorted(Path(home).glob("*.jsonl")) if home else ():
        yield from _of_runs(f"agentdojo {log.stem}", [log], _statement)


def _statement(item: Recorded) -> str:
    return str(json.loads(item.input_json)["task"]["statement"]) if item.input_json else ""


def _of_runs(name: str, logs: list[Path], group: Callable[[Recorded], str]) -> Iterator[Figure]:
    """Yield what a proposal from some tasks says of other ones, beside a policy that allows everything.

    Calls that the real policy allowed are legitimate; those that it denied stand for authority that is never used.
    """
    every = [(entry, item) for entry, item in entries_of(logs) if item.outcome is None]
    calls = [(entry, item) for entry, item in every if item.operation == "authorize" and item.input_json]
    default = Learner(every[0][1].time)
    for entry, item in every:
        default.learn(entry, item)
    yield Figure(
        f"{name}: restrictions by default", len(propose(default.usage, Thresholds()).restrictions), ""
    )
    groups = sorted({group(item) for _, item in calls})
    legitimate = denied = others = stopped = restrictions = 0
    for fold in range(_FOLDS):
        held = set(groups[fold::_FOLDS])
        learner = Learner(every[0][1].time)
        for entry, item in every:
            if group(item) not in held:
                learner.learn(entry, item)
        proposal = propose(learner.usage, _ONE_DAY)
        restrictions += len(proposal.restrictions)
        tried = [(item.verdict.allowed, item.input_json) for _, item in calls if group(item) in held]
        gone = asyncio.run(_alone(proposal, [text for _, text in tried]))
        for (allowed, _), one in zip(tried, gone, strict=True):
            legitimate, denied = legitimate + allowed, denied + (allowed and one)
            others, stopped = others + (not allowed), stopped + (not allowed and one)
    yield Figure(f"{name}: restrictions from four fifths of the tasks", restrictions / _FOLDS, "")
    yield Figure(
        f"{name}: calls of other tasks denied", 100 * denied / max(1, legitimate), "%", "", f"of {legitimate}"
    )
    yield Figure(
        f"{name}: calls denied that its policy refused",
        100 * stopped / max(1, others),
        "%",
        "",
        f"of {others}",
    )


async def _alone(proposal: Proposal, inputs: list[bytes]) -> list[bool]:
    """Tell of each call whether the proposal denies it beside a policy that allows everything."""
    if not proposal.restrictions:
        return [False] * len(inputs)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tabard-suggest-")))
        (folder / "open").mkdir()
        (folder / "open" / "open.rego").write_text(_OPEN, encoding="utf-8")
        tried = beside(Policy(folder / "open", CompileOptions(), Catalogue()), proposal, folder / "policy")
        policy = stack.enter_context(
            loaded(stack.enter_context(Engine()), tried.path, CompileOptions(), Catalogue())
        )
        asked = Recorded("probe", 0.0, "", "authorize", "probe")
        return [not (await policy.decide(asked, one))[1].allowed for one in inputs]


def entries_of(files: list[Path]) -> Iterator[tuple[Entry, Recorded]]:
    """Yield what logs hold that can be decided again."""
    for entry in joined(merged(files, lambda _: None, lambda _: None)):
        item = recorded(entry)
        if not isinstance(item, Skipped):
            yield entry, item


def beside(policy: Policy, proposal: Proposal, folder: Path) -> Policy:
    """Return a copy of a policy in a folder, with a proposal in it."""
    files = {
        f"{DEFAULT_NAME}/{DEFAULT_NAME}.rego": module_text(DEFAULT_NAME),
        f"{DEFAULT_NAME}/data.yaml": data_text(data_tree(proposal), []),
    }
    return put_beside(policy, files, folder)
