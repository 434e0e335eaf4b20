"""Runs the Rego tests and decision cases of policies, and prints what they found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.opa import opa_program
from tabard_sidecar.cli.policy_slow import slowest_json, warn_if_slow
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.policy_target import GUIDE, Target, broken
from tabard_sidecar.operating.terminal import echo, style

if TYPE_CHECKING:
    from tabard_opa import Engine, FileCoverage

    from tabard_sidecar.policy.authoring.case_results import CaseReport, CaseResult
    from tabard_sidecar.policy.authoring.coverage import ModuleCoverage
    from tabard_sidecar.policy.authoring.testing import TestReport

    Files = Mapping[str, FileCoverage]

_MANY = 10
"""With more failed cases, each is told in one line."""

_SOURCE_SUFFIXES = frozenset({".json", ".rego", ".yaml", ".yml"})


class Wanted(NamedTuple):
    """What to run.

    Attributes:
        pattern: only tests and cases whose name matches this regular expression.
        coverage: whether to measure which lines run.
        own_catalogue: whether a flag named the targets' catalogue, which overrides that of a file with cases.
        described: whether every Rego test is told, and not only failed ones.
    """

    pattern: str = ""
    coverage: bool = False
    own_catalogue: bool = False
    described: bool = False


class Suite(NamedTuple):
    """What the tests and cases found.

    Attributes:
        tests: the Rego tests.
        cases: the decision cases.
        modules: coverage of each module; ``None`` if it wasn't measured: it isn't wanted, or something failed.
        percent: share of the lines that ran, ``None`` likewise.
        deadline_seconds: how long a sidecar lets one evaluation take.
    """

    tests: TestReport
    cases: CaseReport
    modules: Sequence[ModuleCoverage] | None
    percent: float | None
    deadline_seconds: float

    @property
    def passed(self) -> int:
        """Number of tests and cases that passed."""
        return self.tests.passed + self.cases.passed

    @property
    def ok(self) -> bool:
        """Whether there are tests or cases, and all pass."""
        return self.passed > 0 and not self.tests.failed and not self.cases.failed

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        failed = (f"{result.place} {result.case.name}" for result in self.cases.failed)
        modules = self.modules or ()
        return {
            "passed": self.passed,
            "failed": [*self.tests.failed, *failed],
            "skipped": self.tests.skipped,
            "coverage": self.percent,
            "uncovered": {one.file: list(one.uncovered) for one in modules if one.uncovered},
            "modules": {one.file: one.as_json() for one in modules},
            "cases": {
                "passed": self.cases.passed,
                "failed": [result.as_json() for result in self.cases.failed],
                "slowest": slowest_json(self.cases, self.deadline_seconds),
            },
        }


def run_suite(targets: Sequence[Target], wanted: Wanted) -> Suite:
    """Run the Rego tests and the decision cases of these policies.

    Raises:
        Failure: a policy or a file with cases can't be used, or there are Rego tests and no `opa` program.
        click.UsageError: a target is a file with cases, or the pattern isn't a regular expression.
    """
    deadline = min(target.deadline_seconds for target in targets)
    program = _program(targets)
    cases, ran = _run_cases(targets, wanted)
    tests = _run_tests(program, targets, wanted)
    if not wanted.coverage or tests.failed or cases.failed or not (tests.covered or ran):
        return Suite(tests, cases, None, None, deadline)
    from tabard_sidecar.policy.authoring import coverage  # noqa: PLC0415 - loads the engine

    modules = coverage.by_module(coverage.united([*([tests.covered] if tests.covered else []), *ran]))
    return Suite(tests, cases, modules, coverage.percent(modules), deadline)


def _program(targets: Sequence[Target]) -> Path | None:
    """Return the `opa` program if there are Rego tests; cases need none."""
    from tabard_sidecar.policy.authoring.testing import has_tests  # noqa: PLC0415

    return opa_program() if has_tests([target.path for target in targets]) else None


def _run_tests(program: Path | None, targets: Sequence[Target], wanted: Wanted) -> TestReport:
    from tabard_sidecar.policy.authoring.testing import TestReport, TestRunError, run_tests  # noqa: PLC0415

    if program is None:
        return TestReport(passed=0, failed=(), skipped=0, output="")
    try:
        return run_tests(
            program,
            [target.path for target in targets],
            insecure_builtins=frozenset().union(*(target.options.insecure_builtins for target in targets)),
            coverage=wanted.coverage,
            described=wanted.described,
            pattern=wanted.pattern,
        )
    except TestRunError as error:
        raise Failure(f"the tests can't be run\n{error}", exit_codes.POLICY, see=GUIDE) from error


def _run_cases(targets: Sequence[Target], wanted: Wanted) -> tuple[CaseReport, list[Files]]:
    """Run the cases of every folder and bundle among the targets; return also what ran of each, if that is wanted."""
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.case_results import CaseReport  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    results: list[CaseResult] = []
    covered: list[Files] = []
    with Engine() as engine:
        for target in targets:
            if target.path.is_file() and target.path.suffix in _SOURCE_SUFFIXES:
                _refuse_case_file(target.path)
                continue
            try:
                report, ran = _cases_of(engine, target, wanted)
            except PolicyBrokenError as error:
                raise broken(error.problems, "the policy or its cases") from error
            except NoDecision as error:
                raise Failure(f"a case can't be decided: {error}", exit_codes.POLICY, see=GUIDE) from error
            except re.error as error:
                raise click.UsageError(f"--run {wanted.pattern}: {error}") from error
            results += report.results
            covered.append(ran)
    return CaseReport(tuple(results)), [ran for ran in covered if ran]


def _cases_of(engine: Engine, target: Target, wanted: Wanted) -> tuple[CaseReport, Files]:
    from tabard_sidecar.policy.authoring.cases import Catalogues, run_cases  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.coverage import CaseCoverage  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.testing import has_tests  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.workbench import deciding  # noqa: PLC0415

    catalogues = Catalogues(target.catalogue, for_all=target.catalogue if wanted.own_catalogue else None)
    coverage = CaseCoverage(engine, target.path, target.options)
    report = run_cases(
        engine, target.path, target.options, catalogues, pattern=wanted.pattern, seen=coverage.note
    )
    if not report.results and not has_tests([target.path]):
        with deciding(engine, target.path, target.options):
            pass  # nothing else compiles it
    return report, coverage.files() if wanted.coverage and not report.failed else {}


def _refuse_case_file(path: Path) -> None:
    from tabard_sidecar.policy.loading.sources import CASES_SUFFIXES  # noqa: PLC0415

    if path.name.endswith(CASES_SUFFIXES):
        raise click.UsageError(
            f"{path} doesn't say which policy decides: name the policy's folder and choose cases with --run"
        )


def print_suite(suite: Suite, *, verbose: bool) -> None:
    """Print what failed, what isn't covered, and the sums; with ``verbose`` every test, case and module."""
    if verbose or suite.tests.failed:
        echo(suite.tests.output.rstrip().expandtabs(), lines=True)
    failed_cases = suite.cases.failed
    for result in suite.cases.results if verbose else failed_cases:
        _print_case(result, short=not verbose and (len(failed_cases) > _MANY or result.case.cell))
    for module in suite.modules or ():
        if module.uncovered or verbose:
            _print_module(module)
    warn_if_slow(suite.cases, suite.deadline_seconds)
    passed, failed = suite.passed, len(suite.tests.failed) + len(failed_cases)
    if not passed and not failed:
        echo(style("there are no tests and no cases", fg="red"))
        return
    share = f", {suite.percent:.4g} % of the lines covered" if suite.percent is not None else ""
    counts = (_counted(suite.tests.passed, "test"), _counted(suite.cases.passed, "case"))
    parts = f" ({', '.join(counts)})" if suite.cases.results else ""
    failures = style(f"{failed} failed", fg="red") if failed else "0 failed"
    echo(f"{passed} passed{parts}, {failures}{share}")


def _print_module(module: ModuleCoverage) -> None:
    from tabard_sidecar.policy.authoring.coverage import written_rows  # noqa: PLC0415

    missing = written_rows(module.uncovered)
    lines = f"; no test or case reaches line{'s' * (len(module.uncovered) != 1)} {missing}" if missing else ""
    echo(f"{module.file}: {module.percent:.4g} % covered{lines}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _print_case(result: CaseResult, *, short: bool) -> None:
    status = style("FAIL", fg="red") if result.differences else style("PASS", fg="green")
    line = f"{result.place}: {status} {result.case.name}"
    if short and result.differences:
        echo(f"{line}: {result.differences[0]}; {result.effect} by {', '.join(result.codes)}")
        return
    echo(line)
    for difference in result.differences:
        echo(f"    {difference}")
    for reason in result.reasons if result.differences else ():
        echo(f"    decided by {reason}")
