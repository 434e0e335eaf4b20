"""Explains one decision: from a decision log and a policy here, or by asking a sidecar."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabard.address import OPERATOR

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.explained import NOT_EXPLAINED, helper_line
from tabard_sidecar.operating.failure import Failure, file_failure
from tabard_sidecar.operating.framing import Screen, quoted, screen
from tabard_sidecar.operating.log_source import find_log
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.operating.operator import operator
from tabard_sidecar.operating.options import find_target as find_sidecar
from tabard_sidecar.operating.policy_target import broken, find_target
from tabard_sidecar.operating.terminal import echo, echo_json, progress, style
from tabard_sidecar.util.lean import dataclass

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMEOUT_SECONDS = 60.0
_FOREIGN_COLOUR = "yellow"
_COLOURS = {"allow": "green", "deny": "red", "would_deny": "yellow", "intended": "yellow"}


@dataclass(frozen=True, slots=True)
class Where:
    """Where to find a decision and the policy: files of a log, a policy, a catalogue, a configuration, a sidecar's address, a zone."""

    logs: tuple[Path, ...]
    policy: Path | None
    catalogue: Path | None
    config: Path | None
    assignments: tuple[str, ...]
    address: str
    zone: str


def is_decision_id(text: str) -> bool:
    """Tell whether this is the id of a decision, and neither a code nor a setting."""
    return _ID.fullmatch(text) is not None


def explain_decision(decision_id: str, where: Where, *, as_json: bool) -> None:
    """Print why a decision was made.

    Raises:
        Failure: it isn't in the log, or there is no policy to ask.
    """
    found = _asked(decision_id, where) if where.address else _read(decision_id, where, quiet=as_json)
    if as_json:
        echo_json(found)
    else:
        _print(found, screen(scripts=True))


def _asked(decision_id: str, where: Where) -> dict[str, Any]:
    """Have a sidecar explain it."""
    from tabard.authz.v1 import decision_operator_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import
    from tabard.authz.v1 import decision_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    target = find_sidecar(OPERATOR, where.address, zone=where.zone, config_file=where.config)
    with operator(target, timeout_seconds=_TIMEOUT_SECONDS) as asked:
        stub = pb_grpc.DecisionOperatorServiceStub(asked.channel)
        answer = asked.call(stub.ExplainDecision, pb.ExplainDecisionRequest(decision_id=decision_id))
    found: dict[str, Any] = json.loads(answer.explanation_json)
    return found


def _read(decision_id: str, where: Where, *, quiet: bool) -> dict[str, Any]:
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.explaining.explanation import describe_decision  # noqa: PLC0415
    from tabard_sidecar.explaining.explanation import explain_decision as explained  # noqa: PLC0415
    from tabard_sidecar.explaining.finding import find_decision  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    source = find_log(where.logs, zone=where.zone, config_file=where.config, quiet=quiet)
    odd = OddLines()
    try:
        size = sum(file.stat().st_size for file in source.files)
        with progress(size, "reading", steps=2**20) as advance:
            entry = find_decision(source.files, decision_id, odd, advance)
    except OSError as error:
        raise file_failure(error) from error
    odd.finish()
    if entry is None:
        raise Failure(
            f"no decision {decision_id} is in the log",
            exit_codes.NEGATIVE,
            where=", ".join(map(str, source.files)),
            next_step="Name the log with --log, or ask the sidecar that decided: --operator.",
        )
    found = describe_decision(entry)
    if found["not_explained"]:
        return found
    target = find_target(where.policy, where.catalogue, where.config, where.assignments)
    try:
        with Engine() as engine:
            return explained(engine, target.path, target.options, entry)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    except NoDecision as error:
        raise Failure(error.message, exit_codes.NEGATIVE, where=f"decision {decision_id}") from error


def _print(found: Mapping[str, Any], where: Screen) -> None:
    effect = style(found["effect"], fg=_COLOURS.get(found["effect"]), bold=True)
    echo(f"{found['time'][:19]}Z  {effect} {found['operation']}")
    rows = {
        "person": found["subject"]["id"],
        "agents": " > ".join(dict.fromkeys(filter(None, [*found["chain"], found["agent"]]))),
        "task": found["task_id"],
        "decision": found["decision_id"],
        "policy": found["revision"][:16],
    }
    if found["tool"]:
        for row in where.foreign("agent", [f"tool {quoted(found['tool'])}"], _FOREIGN_COLOUR):
            echo(row)
    for name, text in rows.items():
        for row in where.own(name, text) if text else ():
            echo(row)
    _print_recorded(found, where)
    _print_policys(found, where)


def _print_policys(found: Mapping[str, Any], where: Screen) -> None:
    """Print what policy says."""
    if found["not_explained"]:
        echo(
            f"policy can't be asked again: {NOT_EXPLAINED.get(found['not_explained'], found['not_explained'])}"
        )
        return
    _print_standing(found["policy"])
    for clause in found["granted"]:
        _print_clause("granted by", clause)
    if found["missing"] is not None:
        _print_missing(found["missing"])
    if found["granted"] and found["caveats"]:
        echo("the grant would have stopped")
        for one in found["caveats"]:
            for row in where.foreign(
                "stops", [quoted(f"{one['stops']} (since {one['since']})")], _FOREIGN_COLOUR
            ):
                echo(row)
    echo(f"input: tabard log show {found['decision_id']} --input")


def _print_recorded(found: Mapping[str, Any], where: Screen) -> None:
    for reason in found["reasons"]:
        rule = f"{reason['module']}.{reason['code']}" if reason["module"] else reason["code"]
        places = [
            one["place"]
            for one in found["rules"]
            if (one["module"], one["code"]) == (reason["module"], reason["code"])
        ]
        at = f" ({places[0]})" if places and places[0] else ""
        echo(f"because of {style(rule, bold=True)}{at}")
        if reason["message"]:
            for row in where.foreign("why", [quoted(reason["message"])], _FOREIGN_COLOUR):
                echo(row)
        if reason["what_happened"]:
            echo(f"  {reason['what_happened']}")
            echo(f"  {reason['next_step']}")


def _print_standing(policy: Mapping[str, Any]) -> None:
    if not policy["same"]:
        echo(
            f"{style('note', fg='yellow')}: the policy here is another one ({policy['revision'][:16]}); it says what follows"
        )
    if not policy["agrees"]:
        effect = policy["effect"]
        why = "" if not policy["same"] else ", as far as data that isn't in the record plays no part"
        echo(f"{style('note', fg='yellow')}: it decides {effect} now{why}")
    if policy["sidecar_refused"]:
        echo("the sidecar refused what policy doesn't deny")


def _print_missing(missing: Mapping[str, Any]) -> None:
    for rule in ("deny", "ask"):
        for clause in missing[rule]:
            _print_clause("denied by" if rule == "deny" else "asked by", clause)
    nearest = missing["grant"]
    if nearest is not None:
        others = (
            f", of {missing['other_grants'] + 1} that are for this request" if missing["other_grants"] else ""
        )
        _print_clause(f"the nearest rule that could grant{others}:", nearest, only_failing=True)
    elif not missing["granted"]:
        echo("no rule that could grant is for this request")
    if missing["for_other_tools"] and not missing["granted"]:
        count = missing["for_other_tools"]
        echo(f"{count} other rule{'s are' if count != 1 else ' is'} for other tools")
    for error in missing["errors"]:
        echo(f"{style('error', fg='red')} {error}")


def _print_clause(what: str, clause: Mapping[str, Any], *, only_failing: bool = False) -> None:
    name = f"{clause['rule']} {clause['code']}".strip()
    echo(f"{what} {style(name, bold=True)}  {clause['place']}")
    shown = [one for one in clause["conditions"] if not only_failing or one["holds"] is not True]
    for one in shown:
        mark = {True: "holds", False: style("fails", fg="red"), None: style("unknown", fg="yellow")}[
            one["holds"]
        ]
        values = ", ".join(f"{name} is {value}" for name, value in one["values"].items())
        line = one["at"].rpartition(":")[2]
        echo(f"  line {line}: {mark}  {one['text']}" + (f"  ({values})" if values else ""))
        for helper in one["helper"]:
            _print_helper(helper)
    if not shown and clause["stops_at"]:
        echo(f"  {clause['stops_at']['at']}: {style('fails', fg='red')}  {clause['stops_at']['condition']}")


def _print_helper(helper: Mapping[str, Any]) -> None:
    values = ", ".join(f"{name} is {value}" for name, value in helper["values"].items())
    echo(f"    {helper_line(helper)}" + (f"  ({values})" if values else ""))
