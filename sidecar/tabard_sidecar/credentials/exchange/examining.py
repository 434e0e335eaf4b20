"""Examines an identity provider for `tabard doctor`: whether it is there, and lets the sidecar's client exchange tokens."""

from __future__ import annotations

from tabard_sidecar.credentials.exchange.faults import ExchangeFault
from tabard_sidecar.credentials.exchange.server import ExchangeServer
from tabard_sidecar.util.findings import Finding, ok, problem

_SEE = "docs/identity.md has the set-up"


async def examine(server: ExchangeServer) -> Finding:
    """Return what is found. No token of a person is presented: the answer to what is no token tells enough."""
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


def _step(fault: ExchangeFault) -> str:
    if fault.code == "exchange_unavailable":
        return "Check token_endpoint and ca_file, and that this machine reaches it."
    return (
        f"Check client_id and its secret, key or assertion, and that the client may exchange tokens; {_SEE}."
    )
