"""Prints what a policy says about every case of a file, for `tabard policy eval --cases`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy_lines import EFFECTS, print_line, print_told
from tabard_sidecar.cli.policy_slow import slowest_json, warn_if_slow
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.policy_target import GUIDE, Target, broken
from tabard_sidecar.operating.terminal import echo, echo_json, progress
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.case_results import CaseReport, CaseResult
    from tabard_sidecar.policy.authoring.explaining import Trial


@dataclass(frozen=True, slots=True)
class TableChoice:
    """What is printed about the cases of a file.

    Attributes:
        flag: the catalogue that a flag named, which overrides the file's own.
        pattern: only cases whose name matches this regular expression.
        effects: only cases with one of these effects; all if empty.
        expressions: what to evaluate for each case.
        explain: whether to tell of each call that isn't allowed which conditions failed.
    """

    flag: Path | None = None
    pattern: str = ""
    effects: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    explain: bool = False

    @property
    def tries(self) -> bool:
        """Whether rules are tried for single cases."""
        return bool(self.expressions) or self.explain


_Told = dict[str, Any]


def table_choice(given: Mapping[str, Any]) -> TableChoice:
    """Return the choice that the flags of a command state.

    Raises:
        click.UsageError: the pattern is no regular expression.
    """
    try:
        re.compile(given["pattern"])
    except re.error as error:
        raise click.UsageError(f"--run: {given['pattern']!r} is no regular expression: {error}") from error
    return TableChoice(
        given["catalogue_file"], given["pattern"], given["effects"], given["expressions"], given["explain"]
    )


def print_table(target: Target, files: Sequence[Path], choice: TableChoice, *, as_json: bool) -> None:
    """Print a line for each case: effect, codes, name; and below it what expressions are worth for it.

    The calls of one request stand below its words, which say whether it runs whole.

    Args:
        target: the policy and its catalogue.
        files: the files with cases.
        choice: which cases, and what about them.
        as_json: whether to print JSON.

    Raises:
        Failure: the policy or a file can't be used.
        click.UsageError: an expression isn't one.
    """
    from tabard_sidecar.cli.policy_sentences import print_sentences, sentence_counts  # noqa: PLC0415

    report, told = _decided(target, files, choice)
    effects = choice.effects or EFFECTS
    chosen = [
        (result, found)
        for result, found in zip(report.results, told, strict=True)
        if result.effect in effects
    ]
    if as_json:
        echo_json({
            "cases": [
                result.as_json(compared=False)
                | ({"request": result.case.sentence} if result.case.sentence else {})
                | found
                for result, found in chosen
            ],
            **sentence_counts(report.results),
            "slowest": slowest_json(report, target.deadline_seconds),
        })  # fmt: skip
        return
    single = [(result, found) for result, found in chosen if not result.case.sentence]
    width = max((len(", ".join(result.codes)) for result, _ in single), default=0)
    for result, found in single:
        print_line(result, result.case.name, width)
        print_told(found, indent="       ")
    print_sentences(report.results, chosen, every=bool(choice.pattern or choice.effects))
    if single or not chosen:
        count = Counter(result.effect for result, _ in single)
        verb = "chosen" if choice.pattern or choice.effects else "decided"
        echo(f"{len(single)} {verb}: {', '.join(f'{count[effect]} {effect}' for effect in EFFECTS)}")
    warn_if_slow(report, target.deadline_seconds)


def _decided(target: Target, files: Sequence[Path], choice: TableChoice) -> tuple[CaseReport, list[_Told]]:
    """Return the matching cases, and for each of the chosen ones what is told about it."""
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.case_files import read_case_file  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.cases import Catalogues, decide_matching  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.explaining import trial_of, wide  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    catalogues = Catalogues(target.catalogue, for_all=target.catalogue if choice.flag else None)
    told: list[_Told] = []
    try:
        every = [case for file in files for case in read_case_file(file)]
        with Engine() as engine, progress(len(every), "deciding", steps=1) as advance:
            # The same compiled policy decides and is tried: compiling takes longer than all decisions.
            options = wide(target.options) if choice.tries else target.options
            report = decide_matching(
                engine,
                target.path,
                options,
                catalogues,
                every,
                pattern=choice.pattern,
                progress=advance,
                then=lambda compiled, decided: told.extend(
                    _told(trial_of(compiled, engine, target.path, options, {}), decided.results, choice)
                ),
            )
            return report, told or [{} for _ in report.results]
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy or the cases") from error
    except NoDecision as error:
        raise Failure(f"a case can't be decided: {error}", exit_codes.POLICY, see=GUIDE) from error


def _told(tried: Trial, results: Sequence[CaseResult], choice: TableChoice) -> list[_Told]:
    """Return for each case what the expressions are worth, and why it isn't allowed."""
    from tabard_sidecar.policy.authoring.explaining import ExpressionError  # noqa: PLC0415

    found: list[_Told] = []
    for result in results:
        one: _Told = {}
        here = tried.with_input(result.input or {})
        if choice.expressions and (not choice.effects or result.effect in choice.effects):
            try:
                one["shown"] = [here.show(each).as_json() for each in choice.expressions]
            except ExpressionError as error:
                raise click.UsageError(f"--show: {error}") from error
        if choice.explain and result.effect != "allow" and not result.case.never:
            one["explanation"] = here.explain().as_json()
        found.append(one)
    return found
