"""Checks the sections `exchange` and `vault` against the rest of the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tabard_sidecar.approvals.conf import ApprovalsConfig
from tabard_sidecar.config.sections import LimitsConfig
from tabard_sidecar.identity.conf import IdentityConfig

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.conf import ExchangeConfig
    from tabard_sidecar.credentials.vault.conf import VaultConfig


def check_audiences(
    servers: Mapping[str, ExchangeConfig], identity: IdentityConfig, approvals: ApprovalsConfig
) -> None:
    """Check that no token can be exchanged for one that this zone accepts: agents could start tasks or approve with it.

    Raises:
        ValueError: an audience, or its resource, is one of the zone's own.
    """
    own = dict(_own_audiences(identity, approvals))
    for name, server in servers.items():
        for audience, config in server.audiences.items():
            for value in filter(None, (audience, config.resource)):
                if value in own:
                    raise ValueError(
                        f"exchange.{name}.audiences: {audience} means {value}, which is in {own[value]}: an agent would get "
                        "tokens with which a person starts tasks or approves. Name backends only"
                    )


def check_times(
    vaults: Mapping[str, VaultConfig], exchanges: Mapping[str, ExchangeConfig], limits: LimitsConfig
) -> None:
    """Check that an issuer gives up before the request does, so that the caller learns why.

    Raises:
        ValueError: its time isn't shorter than the request's.
    """
    found = [(f"vault.{name}", one.timeout_seconds) for name, one in vaults.items()]
    found += [(f"exchange.{name}", one.timeout_seconds) for name, one in exchanges.items()]
    for place, seconds in found:
        if seconds >= limits.request_seconds:
            raise ValueError(
                f"{place}.timeout_seconds is {seconds:g} and limits.request_seconds {limits.request_seconds:g}: a call would end "
                "before the reason is known. Lower the first or raise the second"
            )


def _own_audiences(identity: IdentityConfig, approvals: ApprovalsConfig) -> Iterator[tuple[str, str]]:
    yield approvals.audience, "approvals.audience"
    if identity.agent.service_account is not None:
        yield identity.agent.service_account.audience, "identity.agent.service_account.audience"
    if identity.agent.spiffe is not None:
        yield identity.agent.spiffe.audience, "identity.agent.spiffe.audience"
    for issuer in identity.issuers:
        for audience in issuer.audiences:
            yield audience, f"the audiences of identity.issuers, {issuer.issuer}"
