"""Builds a whole policy input from short keys, for `tabard policy eval` and for decision cases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.model import Reason
from tabard_sidecar.policy.authoring.samples import AGENT, ISSUER, SUBJECT, sample_input
from tabard_sidecar.policy.catalogue import Catalogue, ToolSpec

CALLS = frozenset({"authorize", "filter_tools"})
"""The operations whose input has a tool."""

_ABOUT_CALLS = CALLS | {"renew"}
_OPERATIONS_WITH = {
    "tool": _ABOUT_CALLS,
    "server": _ABOUT_CALLS,
    "arguments": _ABOUT_CALLS,
    "holder": frozenset({"delegate"}),
    "zone": frozenset({"delegate"}),
    "handover": frozenset({"start_task"}),
    "limits": frozenset({"delegate", "start_task"}),
}
"""Keys that only some operations have."""


FactKeys = dict[str, list[str] | Annotated[int, Field(ge=0)]]
"""Facts as files state them: a list for a set, a number for a counter, which is never negative."""


class Keys(BaseModel):
    """A mapping whose keys are all known and whose values are never converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _require_values(cls, stated: object) -> object:
        """Refuse a key without a value, which would otherwise count as absent."""
        if isinstance(stated, dict):
            for name, value in stated.items():
                if value is None and name in cls.model_fields:
                    raise ValueError(f'the key "{name}" has no value')
        return stated


class HandoverKeys(Keys):
    """Another zone that hands the task over."""

    zone: str = Field(description="Name of the zone.")
    holder: str = Field(default=AGENT, description="SPIFFE ID of the workload there that hands it over.")


class BudgetKeys(Keys):
    """A budget of the task."""

    limit: int = Field(ge=0, description="Amount that the task may spend in all.")
    spent: int = Field(default=0, ge=0, description="Amount that it has spent.")


class CallKeys(Keys):
    """An earlier call of the task."""

    tool: str = Field(description="Name of the tool.")
    labels: list[str] = Field(default=[], description="Labels that the call added.")
    seconds_ago: float = Field(default=60, ge=0, description="Age of the call.")


class OutcomeKeys(Keys):
    """What the backend signs about the call after it was allowed."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    facts: dict[str, list[str]] = Field(
        default={}, description="Elements that it notes, by name; the grant lists each name under `notes`."
    )
    failed: bool = Field(default=False, description="The call failed: what its grant noted is taken back.")

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if bool(self.facts) is self.failed:
            raise ValueError("states either facts or failed: true")
        return self


class ApprovalKeys(Keys):
    """An approval of this call by a person."""

    module: str = Field(description="Name of the module that asked, without `policy.`.")
    code: str = Field(description="Code of the ask.")
    approver: str = Field(default="approver", description="Id of the person who approved.")
    issuer: str = Field(default=ISSUER, description="Issuer of that person.")


def _seconds(value: str | float) -> str | float:
    """Turn an ISO 8601 time into seconds since the epoch.

    Raises:
        ValueError: the text isn't a time, or it has no offset from UTC.
    """
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a time such as 2026-01-05T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("must name its offset from UTC, as 2026-01-05T12:00:00Z does")
    return moment.timestamp()


class RequestKeys(Keys):
    """A request to the policy, by short keys. Every key has a default."""

    operation: Literal["authorize", "start_task", "delegate", "renew", "filter_tools"] = Field(
        default="authorize", description="Operation that is requested."
    )
    tool: str = Field(default="", description="Name of the tool.")
    server: str = Field(default="", description="Server that offers the tool.")
    arguments: dict[str, Any] = Field(default={}, description="Arguments of the call.")
    subject: str = Field(default=SUBJECT, description="Id of the person.")
    issuer: str = Field(default=ISSUER, description="Issuer of the person.")
    claims: dict[str, Any] = Field(default={}, description="Verified claims of the person.")
    authenticated_seconds_ago: float | None = Field(
        default=None, ge=0, description="Time since the person authenticated; absent if the issuer doesn't state it."
    )  # fmt: skip
    agent: str = Field(default=AGENT, description="SPIFFE ID of the workload that asks.")
    sub_agent: str = Field(default="", description="Name of the sub-agent, which the workload asserts.")
    attributes: dict[str, Any] = Field(default={}, description="Verified attributes of the workload.")
    hops: list[str] = Field(default=[], description="SPIFFE IDs of the chain's holders, first to last.")
    holder: str = Field(default="", description="SPIFFE ID that a delegation is to.")
    zone: str = Field(default="", description="Zone of that workload, if it is another one.")
    handover: HandoverKeys | None = Field(
        default=None,
        description="Another zone that hands the task over; absent if a person's token starts it.",
    )
    limits: dict[str, Any] = Field(default={}, description="Limits that the caller asks for.")
    purpose: str = Field(default="", description="Purpose of the task.")
    statement: str = Field(default="", description="Request in the person's words.")
    intent_source: Literal["signed", "asserted"] = Field(
        default="signed", description="Whether purpose and statement are signed."
    )
    labels: list[str] = Field(default=[], description="Labels of the task.")
    budgets: dict[str, BudgetKeys] = Field(
        default={}, description="Budgets of the task, by name; a case without has those of the start rule."
    )
    facts: FactKeys = Field(
        default={}, description="Facts of the task, by name: a list for a set, a number for a counter."
    )
    calls: list[str | CallKeys] = Field(
        default=[], description="Earlier calls of the task, oldest first: names of tools, or mappings."
    )
    approvals: list[ApprovalKeys] = Field(default=[], description="Approvals of this call.")
    context: dict[str, Any] = Field(default={}, description="Context that the caller asserts.")
    time: Annotated[str | float, AfterValidator(_seconds)] | None = Field(
        default=None, description="Time of the request: ISO 8601 with an offset, or seconds since the epoch."
    )


def keys_fault(keys: RequestKeys, stated: frozenset[str] | set[str]) -> str:
    """Return why the keys don't fit the operation; empty if they do.

    Args:
        keys: the request.
        stated: names of the keys that were stated for this very request, not by defaults.
    """
    for name, operations in _OPERATIONS_WITH.items():
        if name in stated and keys.operation not in operations:
            return f"{keys.operation} has no {name}"
    if keys.operation in CALLS and not keys.tool:
        return "the tool is missing"
    if keys.operation == "delegate" and not keys.holder:
        return "the holder is missing"
    return ""


def catalogue_fault(keys: RequestKeys, catalogue: Catalogue) -> Reason | None:
    """Return why the catalogue refuses the call before the policy is evaluated; ``None`` if it doesn't."""
    if keys.operation not in CALLS:
        return None
    spec = catalogue.lookup(keys.tool, keys.server)
    if spec is None:
        message = f"the catalogue doesn't know the tool {keys.tool!a}"
        return Reason("tool_unknown", message) if catalogue.required else None
    fault = spec.validate(keys.arguments) if keys.operation == "authorize" else None
    return None if fault is None else Reason("arguments_invalid", fault.message)


def build_input(keys: RequestKeys, spec: ToolSpec | None, now: float) -> dict[str, Any]:
    """Return the policy input of a request.

    Args:
        keys: the request.
        spec: the catalogue's entry for the tool, whose annotations policies see.
        now: seconds since the epoch, if the request has no time of its own.
    """
    now = float(keys.time) if keys.time is not None else now
    subject: dict[str, Any] = {"id": keys.subject, "issuer": keys.issuer, "claims": keys.claims}
    if keys.authenticated_seconds_ago is not None:
        subject["authenticated_at"] = now - keys.authenticated_seconds_ago
    document = sample_input(
        keys.operation,
        now,
        subject=subject,
        agent={"id": keys.agent, "sub_agent": keys.sub_agent, "attributes": keys.attributes},
        task={
            "purpose": keys.purpose,
            "statement": keys.statement,
            "intent_source": keys.intent_source,
            **({"facts": _facts(keys)} if keys.facts else {}),
        },
        delegation={
            "depth": len(keys.hops),
            "chain": [{"holder": hop, "sub_agent": "", "caveats": []} for hop in keys.hops],
        },
        context={"asserted": keys.context},
        budgets={name: _budget(budget) for name, budget in keys.budgets.items()},
        history={"calls": [_earlier(call, now) for call in keys.calls], "labels": sorted(keys.labels)},
        approvals=[_approval(approval, now) for approval in keys.approvals],
    )
    if keys.operation in CALLS or (keys.operation == "renew" and keys.tool):
        document["tool"] = {
            "name": keys.tool,
            "server": keys.server,
            "arguments": keys.arguments,
            "annotations": dict(spec.annotations) if spec is not None else {},
        }
    if keys.operation in _OPERATIONS_WITH["limits"]:
        document["request"] = {"limits": keys.limits}
    if keys.operation == "delegate":
        document["request"] |= {"holder": keys.holder} | ({"zone": keys.zone} if keys.zone else {})
    if keys.handover is not None:
        document["request"]["handover"] = keys.handover.model_dump()
    return document


def _facts(keys: RequestKeys) -> dict[str, list[str] | int]:
    """Return the facts as policies get them: no element twice, sorted."""
    return {
        name: sorted(set(value)) if isinstance(value, list) else value for name, value in keys.facts.items()
    }


def _budget(budget: BudgetKeys) -> dict[str, int]:
    return {
        "limit": budget.limit,
        "spent": budget.spent,
        "remaining": max(0, budget.limit - budget.spent),
    }


def _earlier(call: str | CallKeys, now: float) -> dict[str, Any]:
    call = CallKeys(tool=call) if isinstance(call, str) else call
    return {
        "tool": call.tool,
        "allowed": True,
        "labels": sorted(call.labels),
        "at": now - call.seconds_ago,
    }


def _approval(approval: ApprovalKeys, now: float) -> dict[str, Any]:
    return {
        "module": approval.module,
        "code": approval.code,
        "approver": {"id": approval.approver, "issuer": approval.issuer},
        "approved_at": now,
    }
