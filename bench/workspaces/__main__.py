"""Plays requests and attacks of the workspaces against a real sidecar and prints what came of them.

Without options it plays both workspaces and writes bench/results/workspaces.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.workspaces.backend import Backend
from bench.workspaces.check import check
from bench.workspaces.figures import WANTED, Figures, Result, table
from bench.workspaces.formats import Attack, FormatError, Request, load_attacks, load_requests
from bench.workspaces.play import CLAIMS, ROLE, Player
from bench.workspaces.world import FOLDER, WORKSPACES
from bench.zone import NotStartedError, Zone

RESULTS = FOLDER.parent / "results" / "workspaces.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default the process's own; return the exit code."""
    options = _parser().parse_args(arguments)
    names = options.workspace or WORKSPACES
    try:
        tasks = {name: _load(name, options) for name in names}
        problems = [
            f"{name}: {problem}"
            for name, (requests, attacks) in tasks.items()
            for problem in check(name, requests, attacks)
        ]
        if problems:
            sys.stderr.write("".join(f"{problem}\n" for problem in problems))
            return 1
        if options.check:
            for name, (requests, attacks) in tasks.items():
                print(f"{name}: {len(requests)} requests and {len(attacks)} attacks are fine")
            return 0
        policies = {name: _policy(name, options) for name in names}
    except FormatError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        results = {name: play(name, policies[name], *tasks[name]) for name in names}
    except NotStartedError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    figures = {name: result.figures for name, result in results.items()}
    figures["all"] = Figures.total(figures.values())
    if options.json:
        document = {name: asdict(result) for name, result in results.items()}
        print(json.dumps(document | {"all": asdict(figures["all"])}, indent=2, ensure_ascii=False))
    else:
        _print(results, figures, verbose=options.verbose)
    if not (options.workspace or options.sample or options.policy or options.requests or options.attacks):
        counted = {name: asdict(figure) for name, figure in figures.items()}
        RESULTS.write_text(json.dumps(counted, indent=2) + "\n", encoding="utf-8")
    return 0


def play(workspace: str, policy: Path, requests: tuple[Request, ...], attacks: tuple[Attack, ...]) -> Result:
    """Play everything in one sidecar of its own."""
    result = Result()
    with (
        tempfile.TemporaryDirectory(prefix="tbws-", dir="/tmp") as scratch,
        Zone(
            workspace,
            Path(scratch),
            policy=policy,
            catalogue=FOLDER / workspace / "catalogue.yaml",
            roles=(ROLE,),
            kept_claims=CLAIMS,
        ) as zone,
    ):
        backend = Backend(zone, workspace)
        player = Player(zone, backend, workspace)
        by_id = {request.id: request for request in requests}
        for request in requests:
            result.add_request(request.id, player.request(request))
        for attack in attacks:
            result.add_attack(attack.id, *player.attack(by_id[attack.request], attack))
        backend.close()
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make workspaces", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workspace", choices=WORKSPACES, action="append", help="only this workspace")
    parser.add_argument("--sample", action="store_true", help="the samples, which only prove the runner")
    parser.add_argument("--policy", type=Path, metavar="FOLDER", help="for one --workspace: this policy")
    parser.add_argument("--requests", type=Path, metavar="FILE", help="for one --workspace: these requests")
    parser.add_argument("--attacks", type=Path, metavar="FILE", help="for one --workspace: these attacks")
    parser.add_argument("--only", metavar="ID", action="append", help="only the request or attack of this id")
    parser.add_argument(
        "--check", action="store_true", help="try requests and attacks on the worlds alone, without a policy"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print each refused call and what came of each attack"
    )
    return parser


def _load(name: str, options: argparse.Namespace) -> tuple[tuple[Request, ...], tuple[Attack, ...]]:
    if (options.policy or options.requests or options.attacks) and len(options.workspace or WORKSPACES) > 1:
        raise FormatError("--policy, --requests and --attacks go with one --workspace")
    path = options.requests or _place(name, options) / "requests.yaml"
    if not path.exists():
        raise FormatError(f"{path}: there is no such file; --sample plays the samples")
    requests = load_requests(path)
    by_id = {request.id: request for request in requests}
    path = options.attacks or _place(name, options) / "attacks.yaml"
    # Who writes requests has no attacks to check, and gave another place for the requests alone.
    attacks = () if options.requests and not options.attacks else load_attacks(path, by_id)
    if options.only:
        attacks = tuple(attack for attack in attacks if attack.id in options.only)
        # An attack begins with calls of its request.
        wanted = {*options.only, *(attack.request for attack in attacks)}
        requests = tuple(request for request in requests if request.id in wanted)
    return requests, attacks


def _place(name: str, options: argparse.Namespace) -> Path:
    return FOLDER / name / "sample" if options.sample else FOLDER / name


def _policy(name: str, options: argparse.Namespace) -> Path:
    folder: Path = (options.policy or _place(name, options) / "policy").resolve()
    if not folder.exists():
        raise FormatError(f"{folder}: there is no policy; --sample plays the samples")
    return folder


def _print(results: Mapping[str, Result], figures: dict[str, Figures], *, verbose: bool) -> None:
    for name, result in results.items():
        _tell(f"{name}: requests that aren't whole", result.broken_requests)
        succeeded = {
            key: one["calls"] for key, one in result.attacks.items() if one["outcome"] == "succeeded"
        }
        _tell(f"{name}: attacks that succeed", succeeded)
        if verbose:
            _tell(f"{name}: calls of requests that ask", result.asked_calls)
            stopped = {
                f"{key}: {one['outcome']}": one["calls"]
                for key, one in result.attacks.items()
                if one["outcome"] != "succeeded"
            }
            _tell(f"{name}: attacks that are stopped", stopped)
    print(table(figures))
    unread = figures["all"].attacks_unread
    if unread:
        print(
            f"{unread} attacks stand in texts that the agent couldn't read, because a call before was refused"
        )
    print(WANTED)


def _tell(title: str, lines: Mapping[str, list[str]]) -> None:
    if not lines:
        return
    print(f"{title}:")
    for name, calls in lines.items():
        print(f"  {name}")
        for call in calls:
            print(f"    {call}")
    print()


if __name__ == "__main__":
    sys.exit(main())
