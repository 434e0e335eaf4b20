"""Implements the operators' gRPC service for the candidate policy, on a socket that agents can't reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tabard.authz.v1 import shadow_service_pb2 as shadow_pb
from tabard.authz.v1 import shadow_service_pb2_grpc as shadow_grpc

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.server import convert_operator as convert
from tabard_sidecar.server.convert import bounded, timestamp
from tabard_sidecar.server.edge import Context, Edge, answering
from tabard_sidecar.server.operator_changes import OperatorChanges
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.server.shadowing import Done, Shadowing

_MAX_REVISION_BYTES = 1024
_STATES = {
    "starting": shadow_pb.SHADOW_STATE_STARTING,
    "running": shadow_pb.SHADOW_STATE_RUNNING,
    "broken": shadow_pb.SHADOW_STATE_BROKEN,
    "failing": shadow_pb.SHADOW_STATE_FAILING,
}


@dataclass(frozen=True, slots=True)
class ShadowServicer(shadow_grpc.ShadowServiceServicer):
    """Shows the candidate policy to operators; ``shadowing`` is ``None`` if there is none."""

    OPERATORS: ClassVar = True

    shadowing: Shadowing | None
    edge: Edge
    changes: OperatorChanges

    @answering
    async def GetShadow(
        self, request: shadow_pb.GetShadowRequest, context: Context
    ) -> shadow_pb.GetShadowResponse:
        """Tell how the candidate fares."""
        shadowing = self._required()
        status, config = shadowing.shadow.status, shadowing.config
        return shadow_pb.GetShadowResponse(
            state=_STATES[status.state],
            revision=status.revision,
            live_revision=shadowing.live_revision,
            load_time=timestamp(status.since) if status.since else None,
            decided=status.decided,
            changed=status.changed,
            changes={name: count for name, count in status.changes.items() if count},
            not_decided=dict(status.not_decided),
            unrecorded=status.unrecorded,
            dropped=dict(status.dropped),
            failures=status.failures,
            waiting=shadowing.shadow.waiting,
            problems=status.problems,
            path=str(config.path),
            modules=sorted(config.modules),
            base_revision=status.base,
        )

    @answering
    async def ListShadowChanges(
        self, request: shadow_pb.ListShadowChangesRequest, context: Context
    ) -> shadow_pb.ListShadowChangesResponse:
        """List what the candidate would have decided otherwise."""
        shadow = self._required().shadow
        report = await shadow.differences(convert.limit(request.limit))
        return shadow_pb.ListShadowChangesResponse(
            decided=report["decided"],
            changed=report["changed"],
            groups=[_group(group) for group in report["groups"]],
            more_groups=report["more_groups"],
            effects=[shadow_pb.ShadowEffects(**effect) for effect in report["effects"]],
            not_decided=report["not_replayable"],
            revision=shadow.status.revision,
        )

    @answering
    async def PromoteShadow(
        self, request: shadow_pb.PromoteShadowRequest, context: Context
    ) -> shadow_pb.PromoteShadowResponse:
        """Put the candidate into the place of the policy that decides."""
        shadowing = self._required()
        revision = bounded(request.revision, "revision", _MAX_REVISION_BYTES, required=True)
        base = bounded(request.base_revision, "base_revision", _MAX_REVISION_BYTES)
        done = await self.changes.make(
            "promote_policy",
            context,
            about={"candidate": revision, "policy": shadowing.live_revision},
            work=lambda: shadowing.promote(revision, base),
            told=_told,
            gives=True,
        )
        return shadow_pb.PromoteShadowResponse(
            path=str(done.promoted.path),
            previous_path=str(done.promoted.previous),
            revision=done.revision,
            problems=done.problems,
        )

    def _required(self) -> Shadowing:
        """Return what tries the candidate.

        Raises:
            NoDecision: there is none.
        """
        if self.shadowing is None:
            raise NoDecision("FAILED_PRECONDITION", "shadow_off", "policy.shadow isn't set on this sidecar")
        return self.shadowing


def _told(done: Done) -> dict[str, Any]:
    return {"path": str(done.promoted.path), "previous": str(done.promoted.previous), "policy": done.revision}


def _group(group: dict[str, Any]) -> shadow_pb.ShadowChanges:
    return shadow_pb.ShadowChanges(
        change=group["change"],
        agent=group["agent"],
        tool=group["tool"],
        rules=group["rules"],
        count=group["count"],
        by_state=group["by_state"],
        examples=[
            shadow_pb.ShadowExample(
                decision_id=one["decision_id"],
                task_id=one["task_id"],
                timestamp=one["timestamp"],
                operation=one["operation"],
                person=one["person"],
                before_json=encode(one["before"]).decode(),
                now_json=encode(one["now"]).decode(),
                by_state=one["carried"],
            )
            for one in group["examples"]
        ],
    )
