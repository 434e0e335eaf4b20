"""Fetches how a candidate policy fares beside the one that decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating.revocations import seconds

if TYPE_CHECKING:
    from tabard.authz.v1 import shadow_service_pb2 as pb
    from tabard.authz.v1 import shadow_service_pb2_grpc as pb_grpc

    from tabard_sidecar.operating.operator import Operator


def stub(asked: Operator) -> pb_grpc.ShadowServiceStub:
    """Return what calls the service."""
    from tabard.authz.v1 import shadow_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    return pb_grpc.ShadowServiceStub(asked.channel)


def fetch_status(asked: Operator) -> dict[str, Any]:
    """Return how the candidate fares, as ``--json`` prints it; times are seconds since the epoch.

    Raises:
        Failure: no sidecar answered, or it has no candidate.
    """
    from tabard.authz.v1 import shadow_service_pb2 as pb  # noqa: PLC0415

    found = asked.call(stub(asked).GetShadow, pb.GetShadowRequest())
    return {
        "state": pb.ShadowState.Name(found.state).removeprefix("SHADOW_STATE_").lower(),
        "path": found.path,
        "modules": list(found.modules),
        "revision": found.revision,
        "live_revision": found.live_revision,
        "base_revision": found.base_revision,
        "loaded_at": seconds(found.load_time) if found.HasField("load_time") else None,
        "decided": found.decided,
        "changed": found.changed,
        "changes": dict(sorted(found.changes.items())),
        "not_decided": dict(sorted(found.not_decided.items())),
        "unrecorded": found.unrecorded,
        "dropped": dict(sorted(found.dropped.items())),
        "waiting": found.waiting,
        "failures": found.failures,
        "problems": list(found.problems),
    }


def fetch_changes(asked: Operator, limit: int) -> dict[str, Any]:
    """Return what the candidate would have decided otherwise, in at most ``limit`` groups, as ``--json`` prints it.

    Raises:
        Failure: no sidecar answered, or the candidate doesn't run.
    """
    from tabard.authz.v1 import shadow_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import

    return _changes(asked.call(stub(asked).ListShadowChanges, pb.ListShadowChangesRequest(limit=limit)))


def _changes(answer: pb.ListShadowChangesResponse) -> dict[str, Any]:
    """Return changes as ``tabard replay --json`` prints them."""
    return {
        "decided": answer.decided,
        "changed": answer.changed,
        "revision": answer.revision,
        "effects": [{"before": one.before, "now": one.now, "count": one.count} for one in answer.effects],
        "not_decided": dict(sorted(answer.not_decided.items())),
        "groups": [
            {
                "change": group.change,
                "agent": group.agent,
                "tool": group.tool,
                "rules": list(group.rules),
                "count": group.count,
                "by_state": group.by_state,
                "examples": [_example(one) for one in group.examples],
            }
            for group in answer.groups
        ],
        "more_groups": answer.more_groups,
    }


def _example(one: pb.ShadowExample) -> dict[str, Any]:
    return {
        "timestamp": one.timestamp,
        "decision_id": one.decision_id,
        "task_id": one.task_id,
        "operation": one.operation,
        "person": one.person,
        "carried": one.by_state,
        "before": json.loads(one.before_json),
        "now": json.loads(one.now_json),
    }
