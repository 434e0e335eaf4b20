"""Formats evaluated decisions, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tabard.caveats import limits_json

from tabard_sidecar.operating.terminal import echo, style
from tabard_sidecar.policy.authoring.workbench import Evaluation

_SINGULAR = {"limits": "limits", "obligations": "obligation"}


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the decision with the rules that made it."""
    decision = evaluation.decision
    return {
        "allowed": decision.allowed,
        "reasons": [
            {"code": reason.code, "message": reason.message, "module": reason.module, "rule": places}
            for reason, places in evaluation.reasons()
        ],
        "credential": asdict(decision.credential) if decision.credential is not None else None,
        "reuse": decision.reuse,
        "obligations": [{"id": one.id, **one.properties} for one in decision.obligations],
        "limits": [limits_json(one) for one in decision.limits],
        "charges": dict(decision.charges),
        "labels": {"task": list(decision.task_labels), "branch": list(decision.branch_labels)},
        "facts": {
            "task": decision.notes.task.as_json() if decision.notes is not None else {},
            "branch": decision.notes.branch.as_json() if decision.notes is not None else {},
        },
        "notes": {name: str(scope) for name, scope in decision.notes.backend.items()}
        if decision.notes is not None
        else {},
        "ttl_seconds": decision.ttl_seconds,
        "revision": decision.revision,
    }


def print_evaluation(shown: Mapping[str, Any]) -> None:
    """Print what :func:`evaluation_json` returned, for people."""
    effect = style("allow", fg="green") if shown["allowed"] else style("deny", fg="red")
    echo(effect)
    for reason in shown["reasons"]:
        who = f" by {reason['module']}" if reason["module"] else ""
        echo(f"  {reason['code']}{who}" + (f" ({reason['rule']})" if reason["rule"] else ""))
        if reason["message"]:
            echo(f"    {reason['message']}")
    credential = shown["credential"]
    if credential is not None:
        stated = {key: value for key, value in credential.items() if value not in (None, "", False, ())}
        echo(f"  credential {json.dumps(stated)}")
    for name in ("obligations", "limits"):
        for one in shown[name]:
            echo(f"  {_SINGULAR[name]} {json.dumps(one)}")
    _print_left_behind(shown)
    if "explanation" in shown:
        _print_explanation(shown["explanation"])
    for one in shown.get("shown", ()):
        print_shown(one)


def _print_left_behind(shown: Mapping[str, Any]) -> None:
    if shown["charges"]:
        echo(f"  charges {json.dumps(shown['charges'])}")
    for scope, labels in shown["labels"].items():
        if labels:
            echo(f"  labels of the {scope} {json.dumps(labels)}")
    for scope, facts in shown["facts"].items():
        if facts:
            echo(f"  facts of the {scope} {json.dumps(facts, ensure_ascii=False)}")
    if shown["notes"]:
        echo(f"  facts that the backend may note {json.dumps(sorted(shown['notes']))}")
    if shown["ttl_seconds"] is not None:
        echo(f"  for {shown['ttl_seconds']:g} s")


def _print_explanation(explained: Mapping[str, Any]) -> None:
    for one in explained["tried"]:
        module = one["rule"].removeprefix("data.").rpartition(".")[0]
        name = module + (f" {one['code']}" if one["code"] else "")
        status = style("stops", fg="red") + " where" if one["failed"] else style("grants", fg="green")
        echo(f"{one['place']}: {name} {status}")
        _print_failed(one, "  ", one["place"])
    if not explained["tried"]:
        echo("no rule that could grant is for this request")
    if explained["for_other_tools"]:
        others = explained["for_other_tools"]
        echo(f"{others} other rule{'s are' if others != 1 else ' is'} for other tools")
    for error in explained["errors"]:
        echo(f"{style('error', fg='red')} {error}; what follows it wasn't tried")


def print_tried(explained: Mapping[str, Any], indent: str) -> None:
    """Print of each rule that could grant a call of a table the first condition that failed."""
    for one in explained["tried"]:
        if one["failed"]:
            echo(f"{indent}{one['code'] or one['rule'].removeprefix('data.')} stops where")
            _print_failed(one, f"{indent}  ", "")
    for error in explained["errors"]:
        echo(f"{indent}{style('error', fg='red')} {error}; what follows it wasn't tried")


def _print_failed(one: Mapping[str, Any], indent: str, seen_from: str) -> None:
    """Print the condition that failed, and below it those of its helpers; ``seen_from`` is the place named before."""
    if not one["failed"]:
        holds = "gets its value" if one["branch"] else "holds"
        echo(f"{indent}{_place(one['place'], seen_from)}: {one['rule'].rpartition('.')[2]} {holds}")
        return
    values = ", ".join(f"{name} is {value}" for name, value in one["values"].items())
    echo(f"{indent}{_place(one['at'], seen_from)}: {one['failed']}" + (f"  ({values})" if values else ""))
    for helper in one["helper"]:
        _print_failed(helper, indent + "  ", one["at"])


def _place(at: str, seen_from: str) -> str:
    file, _, row = at.rpartition(":")
    return f"line {row}" if seen_from.startswith(f"{file}:") else at


def print_shown(shown: Mapping[str, Any], indent: str = "") -> None:
    """Print what an expression is worth, and if it isn't defined, the conditions that failed."""
    name = f"{indent}{shown['expression']}"
    if shown["error"]:
        echo(f"{name}: {style('error', fg='red')} {shown['error']}")
        return
    if not shown["values"]:
        echo(f"{name} isn't defined")
        for one in shown["tried"]:
            _print_failed(one, f"{indent}  ", "")
    for value in shown["values"]:
        echo(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    if shown["more"]:
        echo(f"{indent}and more values")
