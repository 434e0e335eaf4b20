"""Measures the evaluation time of each rule of a policy."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from tabard_opa import Engine, EvaluationError

from tabard_sidecar.policy.loading.compiling import CompileOptions, library_modules, with_settings
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.resources import ENTRYPOINT
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

RUNS = 30
DEADLINE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Evaluation time of one rule, in microseconds: median and maximum over every input and run."""

    rule: str
    place: str
    median_us: float
    worst_us: float

    def as_json(self) -> dict[str, object]:
        """Return the measurement for ``--json``."""
        return asdict(self)


def measure(
    engine: Engine,
    modules: Mapping[str, str],
    data: Mapping[str, Json],
    rules: RuleIndex,
    inputs: Sequence[Mapping[str, Json]],
) -> list[Measurement]:
    """Evaluate the entrypoint and every contract rule on each input; the slowest rule comes first, the entrypoint last.

    Raises:
        EngineError: the policy doesn't compile.
    """
    places = {
        f"data.policy.{module}.{rule}": rules.locate(module, rule)
        for module, by_rule in rules.sites.items()
        for rule in by_rule
    }
    encoded = [json.dumps(document).encode() for document in inputs]
    whole = with_settings(data, CompileOptions())
    with engine.compile(
        {**library_modules(rules), **modules}, whole, entrypoints=[*places, ENTRYPOINT]
    ) as policy:

        def cost(entrypoint: str) -> Measurement:
            spent = []
            for text in encoded:
                for _ in range(RUNS):
                    began = time.perf_counter()
                    with suppress(EvaluationError):  # undefined and failing evaluations are measured, too
                        policy.evaluate_blocking(entrypoint, text, deadline_seconds=DEADLINE_SECONDS)
                    spent.append((time.perf_counter() - began) * 1e6)
            name = entrypoint.removeprefix("data.")
            return Measurement(name, places.get(entrypoint, ""), statistics.median(spent), max(spent))

        each = sorted(map(cost, places), key=lambda one: one.median_us, reverse=True)
        return [*each, cost(ENTRYPOINT)]
