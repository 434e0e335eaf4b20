"""Tells which lines of a policy ran: in its Rego tests, which OPA measures, and in its decision cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tabard_opa import Engine, EvaluationError, FileCoverage, Policy, Range

from tabard_sidecar.policy.authoring.workbench import EVALUATION_SECONDS, Evaluation
from tabard_sidecar.policy.loading.compiling import (
    CompileOptions,
    library_modules,
    read_policy,
    with_settings,
)
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.resources import ENTRYPOINT
from tabard_sidecar.util.lean import dataclass

Files = Mapping[str, FileCoverage]


@dataclass(frozen=True, slots=True)
class ModuleCoverage:
    """Coverage of one module: how many of its lines ran, and which didn't. Lines that do nothing don't count."""

    file: str
    covered: int
    uncovered: tuple[int, ...]

    @property
    def percent(self) -> float:
        """Share of the lines that ran; 100 for a module that has none."""
        every = self.covered + len(self.uncovered)
        return 100.0 * self.covered / every if every else 100.0

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return {"coverage": self.percent, "covered": self.covered, "uncovered": list(self.uncovered)}


def by_module(files: Files) -> list[ModuleCoverage]:
    """Return the coverage of each module, by file. A line counts as covered only if all of it ran."""
    found = []
    for file, told in sorted(files.items()):
        uncovered = _rows(told.not_covered)
        found.append(ModuleCoverage(file, len(_rows(told.covered) - uncovered), tuple(sorted(uncovered))))
    return found


def percent(modules: Iterable[ModuleCoverage]) -> float:
    """Return the share of the lines of all modules that ran; 0 without any line."""
    every = [(one.covered, len(one.uncovered)) for one in modules]
    covered, uncovered = (sum(counts) for counts in zip(*every, strict=True)) if every else (0, 0)
    return 100.0 * covered / (covered + uncovered) if covered + uncovered else 0.0


def united(reports: Iterable[Files]) -> dict[str, FileCoverage]:
    """Return what ran in one of several runs of the same modules."""
    whole: dict[str, FileCoverage] = {}
    for report in reports:
        for file, told in report.items():
            before = whole.get(file)
            whole[file] = told if before is None else _joined(before, told)
    return whole


def _joined(one: FileCoverage, other: FileCoverage) -> FileCoverage:
    # What a run reports as not covered, the others report as well, or have covered.
    return FileCoverage(one.covered | other.covered, one.not_covered & other.not_covered)


def written_rows(rows: Iterable[int]) -> str:
    """Return lines as text, such as ``3, 7-9``."""
    parts = []
    for _, group in groupby(enumerate(sorted(rows)), key=lambda pair: pair[1] - pair[0]):
        run = [row for _, row in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]))
    return ", ".join(parts)


class CaseCoverage:
    """Finds out which lines the decision cases of a policy run.

    Args:
        engine: compiles and evaluates.
        path: the policy: folder or bundle.
        options: as the sidecar would compile it.
    """

    def __init__(self, engine: Engine, path: Path, options: CompileOptions) -> None:
        self._engine = engine
        self._path = path
        self._options = options
        self._rules: RuleIndex | None = None
        self._inputs: dict[bytes, None] = {}

    def note(self, evaluation: Evaluation) -> None:
        """Note what a case asked the policy."""
        self._rules = evaluation.rules
        self._inputs[json.dumps(evaluation.input, sort_keys=True).encode()] = None

    def files(self) -> dict[str, FileCoverage]:
        """Return what ran, by module; nothing if no case asked the policy.

        Raises:
            PolicyBrokenError: the policy can't be read any more.
            EngineError: it doesn't compile any more.
        """
        if self._rules is None:
            return {}
        source = read_policy(self._engine, self._path, self._options.bundle_keys, sizes=self._options.sizes)
        modules = {**library_modules(self._rules), **source.modules}
        data = with_settings(source.data, self._options)
        with self._engine.compile(modules, data, entrypoints=[ENTRYPOINT], as_written=True) as policy:
            return united(_ran(policy, text, list(source.modules)) for text in self._inputs)


def _ran(policy: Policy, text: bytes, files: Sequence[str]) -> Files:
    try:
        return policy.cover(ENTRYPOINT, text, files, deadline_seconds=EVALUATION_SECONDS).files
    except EvaluationError:  # it was cut before it could tell anything
        return {}


def _rows(parts: Iterable[Range]) -> set[int]:
    return {row for part in parts for row in part.rows()}
