"""Examines an identity provider for `tabard doctor`: whether it lets the sidecar's client exchange tokens, and revokes them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tabard_sidecar.credentials.exchange.faults import ExchangeFault
from tabard_sidecar.credentials.exchange.server import ExchangeServer
from tabard_sidecar.util.findings import Finding, ok, problem, warning

_SEE = "docs/identity.md has the set-up"


async def examine(server: ExchangeServer) -> AsyncIterator[Finding]:
    """Yield what is found. No token of a person is presented: the answers to what is no token tell enough."""
    yield await _exchange(server)
    yield await _revocation(server)


async def _exchange(server: ExchangeServer) -> Finding:
    what = f"exchange.{server.name}"
    try:
        await server.probe()
    except ExchangeFault as fault:
        # It looked at the token, so it accepted the client before.
        if fault.code == "subject_token_expired":
            return ok(what, f"{server.config.token_endpoint} accepts the client {server.config.client_id}")
        return problem(what, fault.message, _step(fault))
    return problem(
        what,
        "it issued a token for what is no token of a person",
        f"Check that token_endpoint is the identity provider's; {_SEE}.",
    )


async def _revocation(server: ExchangeServer) -> Finding:
    what, endpoint = f"exchange.{server.name}.revocation_endpoint", server.config.revocation_endpoint
    if endpoint is None:
        return warning(
            what,
            "without it a revocation doesn't end tokens that were issued: they last until they expire",
            f"Set {what}; {_SEE}.",
        )
    try:
        always_well = await server.probe_revocation(endpoint)
    except ExchangeFault as fault:
        step = f"Check that it is the identity provider's revocation endpoint, and that the client may use it; {_SEE}."
        return problem(what, fault.message, step)
    if always_well:
        return warning(
            what,
            f"{endpoint} also answers well to a request without a token, so it isn't known whether it revokes any",
            f"Check that it is the identity provider's revocation endpoint (RFC 7009); {_SEE}.",
        )
    return ok(what, f"{endpoint} accepts the client {server.config.client_id}")


def _step(fault: ExchangeFault) -> str:
    if fault.code == "exchange_unavailable":
        return "Check token_endpoint and ca_file, and that this machine reaches it."
    return (
        f"Check client_id and its secret, key or assertion, and that the client may exchange tokens; {_SEE}."
    )
