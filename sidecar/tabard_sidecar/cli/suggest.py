"""Implements ``tabard suggest``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.replaying import decisions_between, jobs_for, jobs_option, replayed_log, write_page
from tabard_sidecar.cli.suggest_view import KINDS, print_suggestion
from tabard_sidecar.operating.failure import Failure, file_failure
from tabard_sidecar.operating.log_filters import time_options
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.operating.options import Existing, config_options, json_option, zone_option
from tabard_sidecar.operating.policy_target import broken, catalogue_option, find_target, policy_option
from tabard_sidecar.operating.terminal import echo_json, progress
from tabard_sidecar.records.reading import joined
from tabard_sidecar.replay.merging import merged
from tabard_sidecar.suggest.module import DEFAULT_NAME
from tabard_sidecar.suggest.refusals import NEXT_STEPS
from tabard_sidecar.suggest.thresholds import MEANINGS, MOST_MEMBERS, Thresholds
from tabard_sidecar.util.config_file import find_file

if TYPE_CHECKING:
    from tabard_sidecar.records.reading import Entry
    from tabard_sidecar.replay.judging import Sides
    from tabard_sidecar.replay.recorded import Recorded
    from tabard_sidecar.suggest.proposing import Kind
    from tabard_sidecar.suggest.running import Suggestion, Wanted
    from tabard_sidecar.suggest.wishing import Widening

_PASSES = 4
_DEFAULTS = Thresholds()
_OPTIONS: Mapping[str, tuple[str, Any]] = {
    "decisions": ("--min-decisions", click.IntRange(1)),
    "tasks": ("--min-tasks", click.IntRange(1, 200)),
    "days": ("--min-days", click.IntRange(1)),
    "settled": ("--settled-days", click.IntRange(0)),
    "repeated": ("--repeated", click.FloatRange(0, 1)),
    "most_members": ("--most-members", click.IntRange(1, MOST_MEMBERS)),
    "slack": ("--slack", click.FloatRange(0, 100)),
}


def _threshold_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each threshold."""
    for name, (option, kind) in reversed(list(_OPTIONS.items())):
        text = f"{MEANINGS[name][0].upper()}{MEANINGS[name][1:]}."
        default = getattr(_DEFAULTS, name)
        command = click.option(option, name, type=kind, default=default, show_default=True, help=text)(
            command
        )
    return command


@click.command()
@click.argument("files", nargs=-1, type=Existing())
@policy_option("policy_path", "to narrow")
@catalogue_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the proposed module, its data and its cases into a folder below this one.",
)
@click.option(
    "--patch",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the same as a diff for git apply, with paths in the policy's folder.",
)
@click.option(
    "--widen",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="WIDENING: also write into this folder what would allow calls that were denied. Read it with care.",
)
@click.option(
    "--name", default=DEFAULT_NAME, show_default=True, help="Name of the proposed module and of its data."
)
@click.option(
    "--held-out",
    type=click.FloatRange(0.05, 0.9),
    default=0.25,
    show_default=True,
    help="Share of the log's time, its end, of which nothing is learned and on which the proposal is tried.",
)
@_threshold_options
@click.option(
    "--close-purposes",
    is_flag=True,
    help="Also deny an agent the signed purposes for which it has no tasks.",
)
@click.option(
    "--close-tools",
    is_flag=True,
    help="Also deny an agent, for every purpose, the tools that it uses for none.",
)
@click.option(
    "--close-lower",
    is_flag=True,
    help="Also deny numbers that are smaller than those that were used. Without it only negative ones are.",
)
@click.option(
    "--accept-later",
    is_flag=True,
    help="Learn from the later part of the log, too: what it used stays allowed. For use when its denied calls were reviewed.",
)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(KINDS),
    help="Propose no restrictions of this kind. Repeatable.",
)
@click.option(
    "--ignore-unreadable",
    is_flag=True,
    help="Propose although allowed decisions can't be read, as if they weren't there.",
)
@time_options
@jobs_option
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what the held-out replay found to this file, as `tabard replay --html` does.",
)
@zone_option
@config_options
@json_option
@click.pass_context
def suggest(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Propose narrower permissions from what allowed decisions used.

    FILES are decision logs, as for `tabard replay`. Without FILES it is audit.path of the
    configuration. From the earlier part of the log it learns, for each agent and purpose, which
    tools, arguments, values, depth, children, budgets and time were used. It proposes one module
    that denies the rest, with its data and its decision cases, beside the author's own rules. A
    proposal needs the evidence that the options state.

    The proposal is replayed, with state, on the later part of the log. Every call that it would
    have denied there is listed. If these are legitimate, --accept-later learns from the later part,
    too, so that they stay allowed. If it would have allowed anything else than before, nothing is written.

    Exit code 0 if nothing is denied in the later part, 1 if something is or the proposal is
    refused. Examples:

        tabard suggest decisions.jsonl --policy policy

        tabard suggest *.jsonl.gz --policy policy --out proposal
    """
    from tabard_sidecar.policy.authoring.scaffold import ScaffoldError  # noqa: PLC0415 - not needed for --help
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415
    from tabard_sidecar.replay.processes import ReplayError  # noqa: PLC0415
    from tabard_sidecar.suggest.running import as_json  # noqa: PLC0415
    from tabard_sidecar.suggest.sketches import TooMuchError  # noqa: PLC0415

    odd = OddLines()
    try:
        found, wanted, widening, skipped = _suggested(given, odd)
        written = _write(found, given)
        wider = _write_files(given["widen"], widening.files) if widening is not None else []
    except ScaffoldError as error:
        raise Failure(str(error), exit_codes.USAGE, next_step="Choose another --name or --out.") from error
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    except ReplayError as error:
        raise Failure(str(error), exit_codes.UNREACHABLE, next_step="Try again with --jobs 1.") from error
    except TooMuchError as error:
        step = "Take a shorter time with --since."
        raise Failure(str(error), exit_codes.NEGATIVE, next_step=step) from error
    except OSError as error:
        raise file_failure(error) from error
    odd.finish()
    told = as_json(found, wanted) | {"odd_lines": odd.count, "skipped": skipped, "written": written}
    told["widening"] = widening.as_json(wider) if widening is not None else None
    _tell(told, given)
    ctx.exit(exit_codes.NEGATIVE if found.refused or found.denied else exit_codes.OK)


def _suggested(
    given: Mapping[str, Any], odd: OddLines
) -> tuple[Suggestion, Wanted, Widening | None, dict[str, int]]:
    from tabard_sidecar.suggest.running import Wanted, suggest  # noqa: PLC0415 - not needed for --help
    from tabard_sidecar.suggest.span import span_of  # noqa: PLC0415
    from tabard_sidecar.suggest.trying import Policy  # noqa: PLC0415
    from tabard_sidecar.suggest.wishing import widen  # noqa: PLC0415

    source = replayed_log(given)
    config = find_file(given["config_file"], os.environ)
    target = find_target(given["policy_path"], given["catalogue_file"], config, given["assignments"])
    size = sum(file.stat().st_size for file in source.files)
    wanted = Wanted(
        Policy(target.path, target.options, target.catalogue),
        Thresholds(**{name: given[name] for name in _OPTIONS}, close_lower=given["close_lower"]),
        given["name"],
        given["held_out"],
        _kinds(given),
        given["accept_later"],
        given["ignore_unreadable"],
        jobs_for(given["jobs"], size),
    )
    passes: list[Counter[str]] = []
    with progress(_PASSES * size, "suggesting", steps=2**20) as advance:

        def entries() -> Iterator[tuple[Entry, Recorded]]:
            passes.append(Counter())
            tell = odd if len(passes) == 1 else _quiet
            records = joined(source.checked(merged(source.files, tell, advance)))
            return decisions_between(records, given["since"], given["until"], passes[-1])

        span = span_of(source.files, given["since"], given["until"], advance)
        sides = partial(_sides, dict(given), config)
        found = suggest(wanted, entries, span, sides)
        widening = widen(wanted, entries, span[0], sides) if given["widen"] is not None else None
    return found, wanted, widening, dict(sorted(passes[0].items())) if passes else {}


def _kinds(given: Mapping[str, Any]) -> frozenset[Kind]:
    """Return the kinds of restrictions that are wanted."""
    from tabard_sidecar.suggest.proposing import REGULAR, Kind  # noqa: PLC0415 - not needed for --help

    more = {Kind.PURPOSES: given["close_purposes"], Kind.KNOWN: given["close_tools"]}
    return (REGULAR | {kind for kind, wanted in more.items() if wanted}) - set(map(Kind, given["without"]))


def _quiet(_: object) -> None:
    """Tell nothing: what is odd about a line was told when it was read first."""


def _sides(given: Mapping[str, Any], config: Path | None, narrowed: Path) -> Callable[[], Sides]:
    """Return what loads the policy of a folder, and the one that is narrowed, as the configuration would compile them."""
    return partial(_loaded_sides, given, config, narrowed)


def _loaded_sides(given: Mapping[str, Any], config: Path | None, narrowed: Path) -> Sides:
    from dataclasses import replace  # noqa: PLC0415 - not needed for --help

    from tabard_sidecar.replay.judging import Side, Sides  # noqa: PLC0415

    target = find_target(given["policy_path"], given["catalogue_file"], config, given["assignments"])
    plain = replace(target.options, bundle_keys=None)
    return Sides(Side(narrowed, plain, target.catalogue), Side(target.path, target.options, target.catalogue))


def _write(found: Suggestion, given: Mapping[str, Any]) -> list[str]:
    """Write the proposal where it is wanted; return the files. Nothing is written of a refused one."""
    from tabard_sidecar.suggest.patch import patch_text  # noqa: PLC0415 - not needed for --help

    if found.refused or not found.files:
        return []
    patch = given["patch"]
    written = _write_files(given["out"], found.files) if given["out"] is not None else []
    if patch is not None:
        patch.write_text(patch_text(found.files), encoding="utf-8")
        written.append(str(patch))
    return written


def _write_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write files below a folder, all or none; return their paths.

    Raises:
        ScaffoldError: one exists already or can't be written.
    """
    from tabard_sidecar.policy.authoring.scaffold import ScaffoldError  # noqa: PLC0415 - not needed for --help
    from tabard_sidecar.util.fresh_files import FreshFiles  # noqa: PLC0415

    try:
        with FreshFiles(folder) as fresh:
            for name, text in files.items():
                fresh.text(folder / name, text)
    except OSError as error:
        raise ScaffoldError(f"{error.filename} can't be written: {error.strerror}") from error
    return [str(folder / name) for name in files]


def _tell(told: dict[str, Any], given: Mapping[str, Any]) -> None:
    if given["page"] and told["held_out"] is not None:
        write_page(given["page"], {**told["held_out"], "stateful": True, "odd_lines": 0})
    if given["as_json"]:
        echo_json(told)
        return
    print_suggestion(told)
    if told["refused"]:
        raise Failure(
            "the proposal is refused, and nothing of it was written",
            exit_codes.NEGATIVE,
            next_step=NEXT_STEPS[told["refused"]],
        )
