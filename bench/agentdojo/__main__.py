"""Implements ``make agentdojo``: plays the suites, prints the results, writes
bench/results/agentdojo.json."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.agentdojo.catalogue import CATALOGUE, catalogue, example
from bench.agentdojo.person import ScriptedUser
from bench.agentdojo.play import OTHERS, SUITES, SuiteResult, load, play_suite
from bench.agentdojo.sidecar import SidecarGate

RESULTS = Path(__file__).resolve().parents[1] / "results" / "agentdojo.json"
_FIGURES = (
    "user_tasks",
    "user_tasks_whole",
    "user_calls",
    "user_calls_denied",
    "user_calls_asked",
    "attacks",
    "attacks_succeeded",
    "attacks_asked",
)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make agentdojo", description=__doc__)
    parser.add_argument(
        "--suite",
        choices=(*SUITES, *OTHERS),
        action="append",
        help="only this suite; nothing is written then",
    )
    parser.add_argument(
        "--example",
        type=lambda folder: Path(folder).resolve(),
        metavar="FOLDER",
        help="for one --suite: the folder with policy/ and catalogue.json to try",
    )
    parser.add_argument(
        "--json", action="store_true", help="print everything as JSON, tasks and pairs by name"
    )
    parser.add_argument(
        "--write-catalogues", action="store_true", help="only write the suites' tool catalogues"
    )
    parser.add_argument(
        "--logs", type=Path, metavar="FOLDER", help="keep each suite's decision log here, as SUITE.jsonl"
    )
    options = parser.parse_args()
    suites = options.suite or SUITES
    if options.example is not None and len(suites) > 1:
        parser.error("--example goes with one --suite")
    if options.write_catalogues:
        for suite in suites:
            folder = options.example or example(suite)
            (folder / CATALOGUE).write_text(catalogue(load(suite)), encoding="utf-8")
        return 0
    results = [_play(suite, options.example or example(suite), options.logs) for suite in suites]
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2, ensure_ascii=False))
    else:
        _print(results)
    if not options.suite:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        figures = [{"suite": r.suite, **{name: getattr(r, name) for name in _FIGURES}} for r in results]
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _play(name: str, folder: Path, logs: Path | None) -> SuiteResult:
    suite = load(name)
    pairs = len(suite.user_tasks) * len(suite.injection_tasks)
    sys.stderr.write(f"{name}: {len(suite.user_tasks)} user tasks, {pairs} attacks …\n")
    with (
        tempfile.TemporaryDirectory(prefix="tabard-") as scratch,
        SidecarGate(name, folder, Path(scratch), ScriptedUser(suite)) as gate,
    ):
        result = play_suite(suite, gate)
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)
            gate.keep_log(logs / f"{name}.jsonl")
        return result


def _print(results: list[SuiteResult]) -> None:
    print(
        f"{'suite':<10}{'tasks whole':>14}{'calls':>8}{'denied':>8}{'asked':>8}{'attacks succeeded':>20}{'asked':>8}"
    )
    for r in results:
        whole = f"{r.user_tasks_whole} of {r.user_tasks}"
        attacks = f"{r.attacks_succeeded} of {r.attacks}"
        print(
            f"{r.suite:<10}{whole:>14}{r.user_calls:>8}{r.user_calls_denied:>8}{r.user_calls_asked:>8}"
            f"{attacks:>20}{r.attacks_asked:>8}"
        )
    for r in results:
        if r.attacks_left_out:
            print(f"\n{r.suite}: {r.attacks_left_out} attacks without calls are left out")
        for task, calls in r.broken_tasks.items():
            print(f"\n{r.suite} {task} is not whole:")
            for call in calls:
                print(f"  {call}")
        for pair, calls in r.successful_attacks.items():
            print(f"\n{r.suite} {pair}: the attack succeeds")
            for call in calls:
                print(f"  {call}")


if __name__ == "__main__":
    sys.exit(main())
