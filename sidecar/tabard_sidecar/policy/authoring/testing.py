"""Runs a policy's Rego tests with `opa test`, together with Tabard's library."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tabard_opa import FileCoverage

from tabard_sidecar.policy.loading.compiling import CompileOptions, capabilities
from tabard_sidecar.policy.loading.sources import DATA_NAMES
from tabard_sidecar.policy.resources import rego_root
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

TIMEOUT_SECONDS = 600

_ONE_TEST = "60s"
"""Longest run of one test. OPA's own limit of 5 s ends a test that compares many texts on a busy machine."""

_FOR_TESTS = frozenset({"rand.intn", "time.now_ns", "uuid.rfc4122"})
"""Builtins that tests may use although policies may not: none of them leaves the process."""


_TEST_RULE = re.compile(r"^(todo_)?test_", re.MULTILINE)
"""What `opa test` runs, in a file of any name."""


class TestRunError(Exception):
    """The tests couldn't be run."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class TestReport:
    """Results of the Rego tests.

    Attributes:
        passed: how many passed.
        failed: names of the failed tests, with their places.
        skipped: how many are marked as to do.
        output: what `opa test` prints for people; empty if nothing failed and it wasn't wanted.
        covered: what ran of each of the policy's files; ``None`` if it wasn't measured.
    """

    __test__ = False

    passed: int
    failed: tuple[str, ...]
    skipped: int
    output: str
    covered: Mapping[str, FileCoverage] | None = None


def has_tests(paths: Sequence[Path]) -> bool:
    """Tell whether a Rego file at or below ``paths`` has a test. Without one, the `opa` program isn't needed."""
    sources = (file for path in paths for file in _arguments(path) if file.endswith(".rego"))
    return any(
        _TEST_RULE.search(Path(file).read_text(encoding="utf-8", errors="replace")) for file in sources
    )


def run_tests(  # noqa: PLR0913 - one argument per part
    opa: Path,
    paths: Sequence[Path],
    *,
    insecure_builtins: frozenset[str] = frozenset(),
    coverage: bool,
    described: bool = False,
    pattern: str = "",
) -> TestReport:
    """Run every test below ``paths``, without network and without the environment of this process.

    Args:
        opa: the `opa` program.
        paths: folders with modules, tests and data.
        insecure_builtins: withheld builtins that the policy may use after all.
        coverage: whether to measure which lines run.
        described: whether to tell of tests that pass, too.
        pattern: only tests whose name matches this regular expression.

    Raises:
        TestRunError: the modules don't compile, or there is nothing to test.
    """
    files = [argument for path in paths for argument in _arguments(path)]
    if not files:
        raise TestRunError("there is no .rego file below " + ", ".join(map(str, paths)))
    library = [str(path) for path in sorted((rego_root() / "tabard").rglob("*.rego")) if not _is_test(path)]
    chosen = ["--run", pattern] if pattern else []
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".json") as allowed:
        json.dump(capabilities(CompileOptions(insecure_builtins | _FOR_TESTS)), allowed)
        allowed.flush()
        limits = ["--capabilities", allowed.name, "--timeout", _ONE_TEST]
        common = [str(opa), "test", *limits, *library, *files, *chosen]
        return _report(common, set(files), coverage=coverage, described=described)


def _report(common: list[str], files: set[str], *, coverage: bool, described: bool) -> TestReport:
    results = _results(_run([*common, "--format", "json"]))
    failed = tuple(_name(result) for result in results if result.get("fail") or result.get("error"))
    skipped = sum(1 for result in results if result.get("skip"))
    passed = len(results) - len(failed) - skipped
    # The tests run once more for it, which takes as long again.
    shown = _run([*common, "--format", "pretty", "--verbose"]) if failed or described else None
    report = TestReport(passed, failed, skipped, shown.stdout + shown.stderr if shown else "")
    if not coverage or failed or not passed:
        return report
    told = json.loads(_run([*common, "--coverage", "--format", "json"]).stdout)
    own = {
        file: FileCoverage.of(one)
        for file, one in (told.get("files") or {}).items()
        if file in files and not file.endswith("_test.rego")
    }
    return replace(report, covered=own)


def _arguments(path: Path) -> list[str]:
    """Return the arguments for the modules, and for the data at the path where the sidecar loads it."""
    if path.is_file():
        return [str(path)]
    found: list[str] = []
    for file in sorted(path.rglob("*")):
        relative = PurePosixPath(file.relative_to(path).as_posix())
        if any(part.startswith(".") for part in relative.parts) or not file.is_file():
            continue
        if file.suffix == ".rego":
            found.append(str(file))
        elif file.name in DATA_NAMES:
            prefix = ".".join(relative.parent.parts)
            found.append(f"{prefix}:{file}" if prefix else str(file))
    return found


def _is_test(path: Path) -> bool:
    return path.name.endswith("_test.rego")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # our own binary, no shell
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise TestRunError(f"the tests ran longer than {TIMEOUT_SECONDS} s") from error


def _results(run: subprocess.CompletedProcess[str]) -> list[dict[str, Json]]:
    try:
        results = json.loads(run.stdout or "[]")
    except ValueError:
        results = None
    if not isinstance(results, list) or (not results and run.returncode):
        raise TestRunError((run.stderr or run.stdout).strip())
    return results


def _name(result: dict[str, Json]) -> str:
    location = result.get("location") or {}
    return f"{location.get('file', '')}:{location.get('row', 0)} {result.get('package', '')}.{result.get('name', '')}"
