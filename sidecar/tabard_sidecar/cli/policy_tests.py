"""``tabard policy test``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.opa import opa_program
from tabard_sidecar.cli.options import Existing, config_options, json_option
from tabard_sidecar.cli.policy_target import GUIDE, Target, broken, catalogue_option, find_target
from tabard_sidecar.cli.terminal import echo, echo_json, style

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.cases import CaseReport, CaseResult
    from tabard_sidecar.policy.authoring.testing import TestReport

_MANY = 10
"""With more failed cases, each is told in one line."""

_SOURCE_SUFFIXES = frozenset({".json", ".rego", ".yaml", ".yml"})


@click.command()
@click.argument("paths", nargs=-1, type=Existing())
@click.option(
    "--run", "pattern", default="", metavar="REGEX", help="Only tests and cases whose name matches."
)
@click.option(
    "--coverage/--no-coverage",
    default=True,
    help="Measure which lines of the policy the Rego tests run. On by default.",
)
@click.option("--threshold", type=click.FloatRange(0, 100), default=0.0, help="Least coverage in percent.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Print every test and case, and all about each failed one."
)
@catalogue_option
@config_options
@json_option
@click.pass_context
def test(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Run the Rego tests (`*_test.rego`) and the decision cases (`*_cases.yaml`) below PATHS.

    The cases below a PATH are decided by the whole policy at that PATH. Rego tests need the package tabard-opa-cli
    (`pip install 'tabard[policy]'`), cases don't. Exit code 0 if there are tests or cases and all
    pass, 1 if not, 4 if the policy or a file with cases can't be used.
    """
    targets = [
        find_target(path, given["catalogue_file"], given["config_file"], given["assignments"])
        for path in given["paths"] or (None,)
    ]
    program = _program(targets)
    cases = _run_cases(targets, given["pattern"], flag=given["catalogue_file"] is not None)
    tests = _run_tests(program, targets, coverage=given["coverage"], pattern=given["pattern"])
    low = given["coverage"] and (tests.coverage or 0.0) < given["threshold"]
    ok = tests.passed + cases.passed > 0 and not tests.failed and not cases.failed and not low
    if given["as_json"]:
        echo_json(_as_json(tests, cases, ok=ok))
    else:
        _print(tests, cases, verbose=given["verbose"])
    ctx.exit(exit_codes.OK if ok else exit_codes.NEGATIVE)


def _program(targets: Sequence[Target]) -> Path | None:
    """Return the `opa` program if there are Rego tests; cases need none."""
    from tabard_sidecar.policy.authoring.testing import has_tests  # noqa: PLC0415

    return opa_program() if has_tests([target.path for target in targets]) else None


def _run_tests(
    program: Path | None, targets: Sequence[Target], *, coverage: bool, pattern: str
) -> TestReport:
    from tabard_sidecar.policy.authoring.testing import TestReport, TestRunError, run_tests  # noqa: PLC0415

    if program is None:
        return TestReport(passed=0, failed=(), skipped=0, output="")
    try:
        return run_tests(
            program,
            [target.path for target in targets],
            insecure_builtins=frozenset().union(*(target.options.insecure_builtins for target in targets)),
            coverage=coverage,
            pattern=pattern,
        )
    except TestRunError as error:
        raise Failure(f"the tests can't be run\n{error}", exit_codes.POLICY, see=GUIDE) from error


def _run_cases(targets: Sequence[Target], pattern: str, *, flag: bool) -> CaseReport:
    """Run the cases of every folder and bundle among the targets.

    Args:
        targets: what was named, or what is configured.
        pattern: only cases whose name matches.
        flag: whether the targets' catalogue was named by a flag, which overrides a file's own.
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.cases import CaseReport, Catalogues, run_cases  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.testing import has_tests  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.workbench import deciding  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    results: list[CaseResult] = []
    with Engine() as engine:
        for target in targets:
            if target.path.is_file() and target.path.suffix in _SOURCE_SUFFIXES:
                _refuse_case_file(target.path)
                continue
            try:
                catalogues = Catalogues(target.catalogue, for_all=target.catalogue if flag else None)
                report = run_cases(engine, target.path, target.options, catalogues, pattern=pattern)
                if not report.results and not has_tests([target.path]):
                    with deciding(engine, target.path, target.options):
                        pass  # nothing else compiles it
            except PolicyBrokenError as error:
                raise broken(error.problems, "the policy or its cases") from error
            except NoDecision as error:
                raise Failure(f"a case can't be decided: {error}", exit_codes.POLICY, see=GUIDE) from error
            except re.error as error:
                raise click.UsageError(f"--run {pattern}: {error}") from error
            results += report.results
    return CaseReport(tuple(results))


def _refuse_case_file(path: Path) -> None:
    from tabard_sidecar.policy.loading.sources import CASES_SUFFIXES  # noqa: PLC0415

    if path.name.endswith(CASES_SUFFIXES):
        raise click.UsageError(
            f"{path} doesn't say which policy decides: name the policy's folder and choose cases with --run"
        )


def _as_json(tests: TestReport, cases: CaseReport, *, ok: bool) -> Mapping[str, object]:
    return {
        "ok": ok,
        "passed": tests.passed + cases.passed,
        "failed": [*tests.failed, *(f"{result.place} {result.case.name}" for result in cases.failed)],
        "skipped": tests.skipped,
        "coverage": tests.coverage,
        "uncovered": {file: list(rows) for file, rows in tests.uncovered},
        "cases": {"passed": cases.passed, "failed": [result.as_json() for result in cases.failed]},
    }


def _print(tests: TestReport, cases: CaseReport, *, verbose: bool) -> None:
    if verbose or tests.failed:
        echo(tests.output.rstrip().expandtabs(), lines=True)
    many = len(cases.failed) > _MANY
    for result in cases.results if verbose else cases.failed:
        _print_case(result, short=not verbose and (many or result.case.cell))
    for file, rows in tests.uncovered:
        echo(f"{file}: no test reaches line {', '.join(map(str, rows))}")
    passed, failed = tests.passed + cases.passed, len(tests.failed) + len(cases.failed)
    if not passed and not failed:
        echo(style("there are no tests and no cases", fg="red"))
        return
    share = f", {tests.coverage:.4g} % of the lines covered" if tests.coverage is not None else ""
    parts = f" ({_counted(tests.passed, 'test')}, {_counted(cases.passed, 'case')})" if cases.results else ""
    failures = style(f"{failed} failed", fg="red") if failed else "0 failed"
    echo(f"{passed} passed{parts}, {failures}{share}")


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
