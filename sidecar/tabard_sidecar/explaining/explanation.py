"""Explains a recorded decision with the policy at hand: the rules that made it, and what an allow lacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabard_opa import Engine

from tabard_sidecar.explaining.caveats import limiting
from tabard_sidecar.policy.authoring.conditions import Condition, Module, clause_at, conditions
from tabard_sidecar.policy.authoring.explaining import Trial, Tried, trial
from tabard_sidecar.policy.authoring.workbench import Evaluation, Holding, evaluate
from tabard_sidecar.policy.loading.compiling import CompileOptions, read_policy
from tabard_sidecar.reasons import describe
from tabard_sidecar.records.reading import Entry
from tabard_sidecar.replay.recorded import Recorded, Skipped, recorded
from tabard_sidecar.replay.verdict import ASK


def explain_decision(engine: Engine, path: Path, options: CompileOptions, entry: Entry) -> dict[str, Any]:
    """Return why a decision was made, for ``--json``.

    Args:
        engine: compiles.
        path: the policy at hand: folder or bundle.
        options: as the sidecar compiles it.
        entry: the decision, from a log.

    Raises:
        PolicyBrokenError: the policy can't be used.
        NoDecision: the input is too large for it.
    """
    found, item = describe_decision(entry), recorded(entry)
    if found["not_explained"] or not isinstance(item, Recorded):
        return found
    evaluation = evaluate(engine, path, options, entry.input)
    found["policy"] = _policy(item, evaluation)
    found["rules"] = _rules(evaluation)
    source = read_policy(engine, path, options.bundle_keys, sizes=options.sizes)
    modules = {file: Module(file, text, engine.parse(file, text)) for file, text in source.modules.items()}
    with trial(engine, path, options, entry.input) as tried:
        explaining = _Explaining(tried, modules)
        if evaluation.decision.allowed:
            found["granted"] = explaining.granted()
        else:
            found["missing"] = explaining.missing()
    found["caveats"] = limiting(entry.input, evaluation.decision.charges)
    return found


def describe_decision(entry: Entry) -> dict[str, Any]:
    """Return what the log alone says of a decision; ``not_explained`` tells why policy can't be asked again, if it can't."""
    item = recorded(entry)
    shown = entry.as_json()
    kept = (
        "decision_id",
        "time",
        "operation",
        "effect",
        "subject",
        "agent",
        "chain",
        "task_id",
        "tool",
        "server",
    )
    reasons = entry.result.get("reasons")
    return {name: shown[name] for name in kept} | {
        "revision": shown["policy"],
        "reasons": [
            _reason(one) for one in (reasons if isinstance(reasons, list) else ()) if isinstance(one, dict)
        ],
        "input": entry.input,
        "not_explained": item.why if isinstance(item, Skipped) else item.not_replayable,
        "policy": None,
        "rules": [],
        "granted": [],
        "missing": None,
        "caveats": [],
    }


def _reason(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded reason; of a code of the sidecar with what it means."""
    code, module = str(one.get("code") or ""), str(one.get("module") or "").removeprefix("policy.")
    known = describe(code)
    return {
        "code": code,
        "module": module,
        "message": str(one.get("message") or ""),
        "what_happened": known.operator if known is not None else "",
        "next_step": known.next_step if known is not None else "",
    }


def _policy(item: Recorded, evaluation: Evaluation) -> dict[str, Any]:
    """Return how the policy at hand stands to the one that decided."""
    decision, before = evaluation.decision, item.verdict
    effect = "allow" if decision.allowed else ASK if decision.asks else "deny"
    return {
        "revision": decision.revision,
        "same": decision.revision == item.revision,
        "effect": effect,
        "agrees": effect == before.effect or before.own,
        # Policy had allowed it, or asked.
        "sidecar_refused": before.own,
    }


def _rules(evaluation: Evaluation) -> list[dict[str, str]]:
    return [
        {
            "code": str(reason.code),
            "module": reason.module.removeprefix("policy."),
            "message": reason.message,
            "place": places,
        }
        for reason, places in evaluation.reasons()
    ]


class _Explaining:
    """Looks at the clauses of a policy for one input.

    Args:
        tried: tries them.
        modules: of the policy, by file.
    """

    def __init__(self, tried: Trial, modules: Mapping[str, Module]) -> None:
        self._trial = tried
        self._modules = modules
        self._holding = Holding(tried.compiled.decision, tried.document)

    def granted(self) -> list[dict[str, Any]]:
        """Return the clauses that grant, with their conditions."""
        return [self._clause(one) for one in self._trial.explain().tried if not one.failed]

    def missing(self) -> dict[str, Any]:
        """Return the smallest set of conditions that an allow lacks.

        ``grant`` is the clause of which the fewest conditions fail, ``None`` if one grants or none is for this request;
        ``deny`` and ``ask`` are the clauses that hold and must not.
        """
        explained = self._trial.explain()
        grants = [self._clause(one) for one in explained.tried if one.failed]
        granting = any(not one.failed for one in explained.tried)
        nearest = None if granting else min(grants, key=_nearness, default=None)
        return {
            "grant": nearest,
            "granted": granting,
            "other_grants": 0 if nearest is None else len(grants) - 1,
            "for_other_tools": explained.others,
            "deny": list(self._holds("deny")),
            "ask": list(self._holds("ask")),
            "errors": list(explained.errors),
        }

    def _holds(self, rule: str) -> Iterator[dict[str, Any]]:
        index = self._trial.compiled.rules
        for module in sorted(index.sites):
            if not index.knows(module, rule):
                continue
            held = self._holding.places(module, rule)
            for site in index.sites[module][rule]:
                if (site.file, site.row) in held:
                    place = f"{site.file}:{site.row}"
                    one = Tried(f"data.policy.{module}.{rule}", site.code or "", place, "", "")
                    yield self._clause(one)

    def _clause(self, one: Tried) -> dict[str, Any]:
        """Return a clause with all its conditions, and how many of them it lacks."""
        file, _, row = one.place.rpartition(":")
        found: Sequence[Condition] = ()
        module = self._modules.get(file)
        rule = clause_at(module, int(row)) if module is not None else None
        if module is not None and rule is not None:
            found = conditions(self._trial, module, rule)
        lacking = [each for each in found if each.holds is not True]
        lacks = len(lacking) if lacking or not one.failed else 1
        name = one.rule.removeprefix("data.policy.")
        return {
            "rule": name,
            "code": one.code,
            "place": one.place,
            "lacks": lacks,
            "conditions": [asdict(each) for each in found],
            # Where the conditions can't be taken apart, the first one that fails, as the engine tells it.
            "stops_at": {"condition": one.failed, "at": one.at, "values": dict(one.values)}
            if one.failed
            else None,
        }


def _nearness(clause: Mapping[str, Any]) -> tuple[int, str, int]:
    """Return what orders clauses: the fewest conditions that fail, then the place."""
    file, _, row = clause["place"].rpartition(":")
    return clause["lacks"], file, int(row)
