"""Operators learn which sidecar answers, and no request reaches another zone than the one that it is meant for."""

from __future__ import annotations

import os

import grpc
import pytest
import tabard as sdk
from tabard.authz.v1 import (
    approval_service_pb2,
    decision_operator_service_pb2,
    lease_operator_service_pb2,
    revocation_service_pb2,
    shadow_service_pb2,
    task_operator_service_pb2,
)
from tabard.errors import from_rpc

from testbed.world import PERSON

SERVICES = [
    service
    for module in (
        approval_service_pb2,
        decision_operator_service_pb2,
        lease_operator_service_pb2,
        revocation_service_pb2,
        shadow_service_pb2,
        task_operator_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
]
METHODS = {
    f"/{service.full_name}/{method.name}": method.input_type
    for service in SERVICES
    for method in service.methods
}


@pytest.fixture
async def zone(start_zone):
    """One sidecar."""
    return await start_zone(workloads=("orchestrator",))


async def asked(zone, method, *metadata):
    """Call a method with an empty request; return its error, if any, and who answered."""
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        call = channel.unary_unary(method)(b"", metadata=metadata)
        told = dict(await call.initial_metadata())
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return from_rpc(error, "").code, told
        return "", told


async def test_every_method_of_operators_is_guarded(zone):
    """All that the socket serves, found in the API's descriptors: the answer names the sidecar, another zone is refused."""
    services = {name.split("/")[1] for name in METHODS}
    assert len(services) == 6
    for method in METHODS:
        code, told = await asked(zone, method)
        assert code != "zone_mismatch", method
        assert told["tabard-zone"] == "support"
        assert told["tabard-pid"] == str(os.getpid())
        assert told["tabard-config-bin"].decode() == str(zone.folder / "orchestrator" / "tabard.yaml")
        same, _ = await asked(zone, method, ("tabard-zone", "support"))
        assert same == code, method
        other, told = await asked(zone, method, ("tabard-zone", "other"))
        assert (other, told["tabard-zone"]) == ("zone_mismatch", "support"), method


async def test_a_program_may_insist_on_a_zone(zone):
    """No task is started in another one; what agents learn is no file and no process."""
    address = zone.sidecars["orchestrator"].address
    token = zone.issuer.access_token(PERSON)
    async with sdk.aio.connect(address, zone="other", timeout_seconds=30) as client:
        with pytest.raises(sdk.InvalidRequest) as caught:
            await client.start_task(token, intent_token=zone.intent("refunds", "Work off the refunds."))
        assert caught.value.code == "zone_mismatch"
        assert "support" not in str(caught.value)
        assert "tabard.yaml" not in str(caught.value)
    async with sdk.aio.connect(address, zone="support", timeout_seconds=30) as client:
        await client.start_task(token, intent_token=zone.intent("refunds", "Work off the refunds."))
