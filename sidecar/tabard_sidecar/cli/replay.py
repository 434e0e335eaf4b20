"""Implements ``tabard replay``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.replay_view import print_report
from tabard_sidecar.cli.replaying import decisions_between, jobs_for, jobs_option, replayed_log, write_page
from tabard_sidecar.operating.failure import Failure, file_failure
from tabard_sidecar.operating.log_filters import time_options
from tabard_sidecar.operating.log_source import LogSource
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.operating.options import Existing, config_options, json_option, zone_option
from tabard_sidecar.operating.policy_target import broken, catalogue_option, find_target, policy_option
from tabard_sidecar.operating.terminal import echo_json, progress
from tabard_sidecar.records.reading import joined
from tabard_sidecar.replay.comparing import Change
from tabard_sidecar.replay.merging import merged
from tabard_sidecar.util.config_file import find_file

if TYPE_CHECKING:
    from tabard_sidecar.replay.judging import Sides
    from tabard_sidecar.replay.report import Report


@click.command()
@click.argument("files", nargs=-1, type=Existing())
@policy_option("new", "to try")
@click.option(
    "--against",
    "old",
    type=Existing(),
    help="Compare with this policy instead of with what was recorded.",
)
@catalogue_option
@click.option(
    "--data",
    multiple=True,
    type=Existing(),
    help="Decide with the data of this policy instead of one's own. Repeatable: then each is for what its revision decided.",
)
@click.option(
    "--stateless",
    is_flag=True,
    help="Judge each decision alone, on the budgets, labels, history and facts that were recorded.",
)
@time_options
@click.option(
    "--examples",
    default=3,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Decisions that are shown of each group of changes.",
)
@jobs_option
@click.option(
    "--fail-on",
    "fatal",
    multiple=True,
    type=click.Choice([*map(str, Change), "not_replayable", "nothing"]),
    help="Exit with 1 only if there are changes of this kind. Repeatable. Default: any kind.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a report with charts to this file.",
)
@zone_option
@config_options
@json_option
@click.pass_context
def replay(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Decide recorded decisions again, by another policy, and show what changes.

    FILES are decision logs of any number of sidecars, plain or compressed with gzip, also those
    that OPA wrote itself; they are read together, in the order of time. A single file is read with
    the closed ones beside it. Without FILES it is audit.path of the configuration.

    What the new policy charges, labels, notes and denies changes what later calls of the same task
    see. A changed decision would also have changed what the agent did next, which no replay can
    know. What can't be decided again is counted, with the reason, and never guessed.

    Exit code 0 if nothing changes, 1 if something does (see --fail-on). Examples:

        tabard replay decisions.jsonl --policy new-policy

        tabard replay *.jsonl.gz --policy new --against old --html report.html
    """
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415 - not needed for --help
    from tabard_sidecar.replay.processes import ReplayError  # noqa: PLC0415

    source = replayed_log(given)
    odd = OddLines()
    try:
        report = _replayed(given, source, odd)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    except ReplayError as error:
        raise Failure(str(error), exit_codes.UNREACHABLE, next_step="Try again with --jobs 1.") from error
    except OSError as error:
        raise file_failure(error) from error
    odd.finish()
    told = report.as_json() | {"stateful": not given["stateless"], "odd_lines": odd.count}
    if given["page"]:
        write_page(given["page"], told)
    if given["as_json"]:
        echo_json(told)
    else:
        print_report(told)
    ctx.exit(exit_codes.NEGATIVE if _fails(report, given["fatal"]) else exit_codes.OK)


def _sides(given: Mapping[str, Any], config: Path | None) -> Sides:
    """Return the policies of a replay, as the configuration would compile them."""
    from tabard_sidecar.replay.judging import Side, Sides  # noqa: PLC0415 - loads the engine

    def side(path: Path | None) -> Side:
        target = find_target(path, given["catalogue_file"], config, given["assignments"])
        return Side(target.path, target.options, target.catalogue, given["data"])

    return Sides(side(given["new"]), side(given["old"]) if given["old"] is not None else None)


def _replayed(given: dict[str, Any], source: LogSource, odd: OddLines) -> Report:
    from tabard_sidecar.replay.judging import Plan  # noqa: PLC0415 - loads the engine
    from tabard_sidecar.replay.processes import replay as replay_all  # noqa: PLC0415

    config = find_file(given["config_file"], os.environ)
    sides = partial(_sides, given, config)
    size = sum(file.stat().st_size for file in source.files)
    # A pipe doesn't say how much will come.
    whole = all(file.is_file() for file in source.files)
    jobs = jobs_for(given["jobs"], size if whole else sys.maxsize)
    if jobs == 1:
        sides()  # what is wrong with a policy is told before anything is read
    skipped: Counter[str] = Counter()
    with progress(size, "replaying", steps=2**20) as advance:
        records = source.checked(merged(source.files, odd, advance))
        chosen = decisions_between(joined(records), given["since"], given["until"], skipped)
        plan = Plan(sides, given["stateless"], given["examples"])
        report = replay_all(plan, (item for _, item in chosen), jobs)
    report.skipped.update(skipped)
    return report


def _fails(report: Report, fatal: tuple[str, ...]) -> bool:
    """Tell whether what was found is what the caller takes for a failure."""
    if not fatal:
        return bool(report.changed)
    found = {change.value for change, count in report.totals().items() if count}
    return bool(found & set(fatal)) or ("not_replayable" in fatal and bool(report.not_replayable))
