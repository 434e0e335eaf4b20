"""Says how the configuration wants policies to be compiled, and which names it offers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from tabard_sidecar.config.settings import Settings
from tabard_sidecar.policy.factory import bundle_keys
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.offered import OWN_KINDS, Offers, Tool
from tabard_sidecar.policy.loading.reading import Sizes


def compile_options(settings: Settings, tools: Iterable[Tool]) -> CompileOptions:
    """Return the options for compiling policies.

    Args:
        settings: the whole configuration.
        tools: the tool catalogue, read anew by every load.
    """
    insecure, issuers = settings.insecure, settings.identity.issuers
    # A local token carries whatever claims the command was given.
    claims = {claim for issuer in issuers for claim in issuer.kept_claims}
    return CompileOptions(
        insecure_builtins=frozenset(insecure.capabilities),
        accept_asserted_intent=insecure.accept_asserted_intent,
        offers=Offers(
            claims=None if insecure.local_subjects is not None else frozenset(claims),
            roles=frozenset(settings.approvals.roles),
            tools=tools,
            **_brokered(settings),
        ),
        bundle_keys=bundle_keys(settings.policy.bundle),
        sizes=Sizes(settings.policy.max_data_mib),
        remembered_bytes=settings.policy.remembered_kib * 1024,
    )


class _Brokered(TypedDict):
    kinds: frozenset[str]
    vault_roles: Mapping[str, frozenset[str]]
    exchange_scopes: Mapping[str, frozenset[str]]


def _brokered(settings: Settings) -> _Brokered:
    """Return what credentials of other systems policies can name."""
    found: _Brokered = {"kinds": OWN_KINDS, "vault_roles": {}, "exchange_scopes": {}}
    if settings.vault:
        from tabard_sidecar.credentials.vault import conf as vault  # noqa: PLC0415 - only for who uses it

        found["kinds"] |= {vault.KIND}
        found["vault_roles"] = vault.vault_roles(settings.vault)
    if settings.exchange:
        from tabard_sidecar.credentials.exchange import conf as exchange  # noqa: PLC0415 - only for who uses it

        found["kinds"] |= {exchange.KIND}
        found["exchange_scopes"] = exchange.exchange_scopes(settings.exchange)
    return found
