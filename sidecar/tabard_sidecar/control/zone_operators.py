"""The operators' services of one zone: those of a sidecar's operator socket, on the zone's state store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import grpc
from tabard.authz.v1 import (
    approval_service_pb2_grpc,
    lease_operator_service_pb2_grpc,
    revocation_service_pb2_grpc,
    task_operator_service_pb2_grpc,
)

from tabard_sidecar.approvals import ApprovalDecider
from tabard_sidecar.approvals.prompt import KEYS_INFO
from tabard_sidecar.control.operator_callers import CALLER
from tabard_sidecar.control.operator_rights import roles
from tabard_sidecar.errors import Refused
from tabard_sidecar.health import About
from tabard_sidecar.keys.sealing import DerivedSealingKeys
from tabard_sidecar.model import Agent
from tabard_sidecar.pipeline.changes import ChangeRecorder
from tabard_sidecar.server.operator import RevocationServicer, TaskOperatorServicer
from tabard_sidecar.server.operator_approvals import ApprovalServicer
from tabard_sidecar.server.operator_changes import OperatorChanges
from tabard_sidecar.server.operator_leases import LeaseOperatorServicer
from tabard_sidecar.server.registration import Intake, lenient
from tabard_sidecar.server.zone_gate import told

if TYPE_CHECKING:
    from tabard_sidecar.approvals.approvers import ApproverTokens
    from tabard_sidecar.control.operator_callers import Operator
    from tabard_sidecar.control.operators_conf import Role
    from tabard_sidecar.control.reached import ReachedZone
    from tabard_sidecar.identity.subject import SubjectTokens
    from tabard_sidecar.interfaces import Clock, DecisionLog
    from tabard_sidecar.model import Subject
    from tabard_sidecar.server.edge import Edge

_LARGE_BYTES = 256 * 1024
_NOBODY = Agent("", "")
"""No workload; revocations of workloads concern none of this name."""


class OwnTokens:
    """Verifies approvers' tokens: people decide with tokens of their own; a workload may pass on anyone's.

    Args:
        tokens: verifies them.
    """

    def __init__(self, tokens: ApproverTokens) -> None:
        self._tokens = tokens

    async def verify_claims(self, token: str) -> tuple[Subject, Mapping[str, Any]]:
        """Return the token's subject and all its claims.

        Raises:
            Refused: it isn't acceptable, or it is another person's than the one who calls.
        """
        person, claims = await self._tokens.verify_claims(token)
        caller = CALLER.get()
        if caller is None or (
            caller.person is not None
            and (caller.person.issuer, caller.person.id) != (person.issuer, person.id)
        ):
            raise Refused(
                "approver_not_entitled", "the approver's token is another person's than the one who calls"
            )
        return person, claims


class _Collected:
    """Stands for a server while services are added to it, and keeps their handlers."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self.handlers += handlers


class ZoneOperators:
    """Answers operators of one zone.

    Args:
        zone: the zone, as it is reached.
        people: verifies the tokens of people who operate zones; approvers' come from the same issuers.
        edge: bounds requests of all zones together.
        log: where changes are recorded.
        about: the service's configuration and process.
        clock: wall-clock time in seconds.

    Attributes:
        told: metadata of every answer.
    """

    def __init__(  # noqa: PLR0913 - one argument per dependency
        self,
        zone: ReachedZone,
        people: SubjectTokens,
        edge: Edge,
        log: DecisionLog,
        about: About,
        *,
        clock: Clock,
    ) -> None:
        self._zone = zone
        self._clock = clock
        self._only_issuer = next(iter(people.issuers)) if len(people.issuers) == 1 else ""
        self.told = told(About(zone.name, about.config, about.pid))
        changes = OperatorChanges(ChangeRecorder(log, clock), self._by)
        issuers = people.issuers | frozenset(zone.config.subject_issuers)
        collected = _Collected()
        server = lenient(cast("grpc.aio.Server", collected), Intake(_LARGE_BYTES))
        approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server(
            ApprovalServicer(self._decider(people), edge, changes), server
        )
        revocation_service_pb2_grpc.add_RevocationServiceServicer_to_server(
            RevocationServicer(zone.revoking.admin, issuers, edge, changes), server
        )
        task_operator_service_pb2_grpc.add_TaskOperatorServiceServicer_to_server(
            TaskOperatorServicer(zone.revoking.task_views, edge), server
        )
        lease_operator_service_pb2_grpc.add_LeaseOperatorServiceServicer_to_server(
            LeaseOperatorServicer(zone.revoking.lease_views, edge), server
        )
        self._handlers = tuple(collected.handlers)

    def roles(self, caller: Operator) -> frozenset[Role]:
        """Return the caller's roles in the zone."""
        return roles(caller, self._zone.config.operators, self._only_issuer)

    async def check(self, caller: Operator) -> None:
        """Check that the zone can be asked, and that the caller's token wasn't issued before a revocation of the person.

        Raises:
            NoDecision: the state store can't be reached.
            Refused: the person was revoked.
        """
        self._zone.check_reached()
        if caller.person is not None:
            person, now = caller.person, self._clock()
            await self._zone.revoking.checks.check_start(_NOBODY, person, issued_at=person.issued_at, now=now)

    def handler(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a method."""
        found = (each.service(details) for each in self._handlers)
        return next((handler for handler in found if handler is not None), None)

    def _by(self, peer: str) -> Mapping[str, Any]:
        del peer
        caller = CALLER.get()
        return {"zone": self._zone.name, "operator": {} if caller is None else caller.told()}

    def _decider(self, people: SubjectTokens) -> ApprovalDecider:
        config = self._zone.config.approvals
        tokens = people.for_audience(config.audience, max_auth_age_seconds=config.max_auth_age_seconds)
        return ApprovalDecider(
            config,
            self._zone.store,
            DerivedSealingKeys(self._zone.keys, KEYS_INFO),
            OwnTokens(tokens),
            self._zone.revoking.checks,
            self._clock,
        )
