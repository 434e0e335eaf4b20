"""Whatever is sent to the operator socket gets a proper answer, and what is acknowledged is listed."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard.authz.v1 import decision_operator_service_pb2 as decision_pb
from tabard.authz.v1 import decision_operator_service_pb2_grpc as decision_grpc
from tabard.authz.v1 import lease_operator_service_pb2 as lease_pb
from tabard.authz.v1 import lease_operator_service_pb2_grpc as lease_grpc
from tabard.authz.v1 import revocation_service_pb2 as pb
from tabard.authz.v1 import revocation_service_pb2_grpc as pb_grpc
from tabard.authz.v1 import shadow_service_pb2 as shadow_pb
from tabard.authz.v1 import shadow_service_pb2_grpc as shadow_grpc
from tabard.authz.v1 import task_operator_service_pb2 as operator_pb
from tabard.authz.v1 import task_operator_service_pb2_grpc as operator_grpc

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.support.proto_strategies import messages
from tests.unit.fuzz.test_requests import PROPER, Target

REVOCATIONS, TASKS = pb_grpc.RevocationServiceStub, operator_grpc.TaskOperatorServiceStub
LEASES = lease_grpc.LeaseOperatorServiceStub
SHADOW = shadow_grpc.ShadowServiceStub
DECISIONS = decision_grpc.DecisionOperatorServiceStub
METHODS = [
    (REVOCATIONS, "Revoke", pb.RevokeRequest),
    (REVOCATIONS, "LiftRevocation", pb.LiftRevocationRequest),
    (REVOCATIONS, "ListRevocations", pb.ListRevocationsRequest),
    (TASKS, "ListTasks", operator_pb.ListTasksRequest),
    (TASKS, "GetTaskTree", operator_pb.GetTaskTreeRequest),
    (LEASES, "ListLeases", lease_pb.ListLeasesRequest),
    (DECISIONS, "ExplainDecision", decision_pb.ExplainDecisionRequest),
    (SHADOW, "GetShadow", shadow_pb.GetShadowRequest),
    (SHADOW, "ListShadowChanges", shadow_pb.ListShadowChangesRequest),
    (SHADOW, "PromoteShadow", shadow_pb.PromoteShadowRequest),
]


class Operators(Target):
    """The operator socket of a sidecar, with one task under way."""

    async def _connect(self):
        return grpc.aio.insecure_channel(self.zone.operator())


@pytest.fixture(scope="module")
def target():
    """One sidecar for all examples: state that examples leave behind is part of the test."""
    started = Operators()
    yield started
    started.close()


def known(target):
    """Values with which requests get past the first check."""
    (task,) = target.call(TASKS, "ListTasks", operator_pb.ListTasksRequest()).tasks
    return {
        "task_id": st.sampled_from([task.task_id, "no-such-task"]),
        "link_id": st.sampled_from([task.root_id, "f" * 64, "F" * 64]),
        "agent_id": st.sampled_from([spiffe_id("orchestrator"), spiffe_id("triage"), "triage"]),
        "issuer": st.sampled_from([ISSUER, "a b"]),
        "id": st.sampled_from([PERSON, "\x00\u202e"]),
        "credential_id": st.sampled_from(["3f2b8c1e-5d0a-4c7b-9e61-0a1b2c3d4e5f", "c 1"]),
        "limit": st.sampled_from([0, 1, 1000, 1001, -1]),
    }


@pytest.mark.parametrize(("stub", "method", "request_type"), METHODS, ids=[m[1] for m in METHODS])
def test_any_request_gets_a_proper_answer(target, stub, method, request_type):
    """No request crashes the server or surfaces as an internal error; what is revoked is listed."""

    @settings(max_examples=60, deadline=None)
    @given(request=messages(request_type, known(target)))
    def law(request):
        found = target.call(stub, method, request)
        # This sidecar has no candidate policy.
        proper = PROPER | ({grpc.StatusCode.FAILED_PRECONDITION} if stub is SHADOW else set())
        assert not isinstance(found, grpc.StatusCode) or found in proper, found
        if method == "Revoke" and not isinstance(found, grpc.StatusCode):
            listed = target.call(REVOCATIONS, "ListRevocations", pb.ListRevocationsRequest(limit=1000))
            targets = [(one.kind, one.target, one.subject.id) for one in listed.revocations]
            made = found.revocation
            assert (made.kind, made.target, made.subject.id) in targets

    law()
