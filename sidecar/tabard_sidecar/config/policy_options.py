"""Says how the configuration wants policies to be compiled, and which names it offers them."""

from __future__ import annotations

from collections.abc import Iterable

from tabard_sidecar.config.settings import Settings
from tabard_sidecar.credentials.exchange.conf import KIND as EXCHANGE
from tabard_sidecar.credentials.exchange.conf import exchange_scopes
from tabard_sidecar.credentials.vault.conf import KIND as VAULT
from tabard_sidecar.credentials.vault.conf import vault_roles
from tabard_sidecar.policy.factory import bundle_keys
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.offered import OWN_KINDS, Offers, Tool


def compile_options(settings: Settings, tools: Iterable[Tool]) -> CompileOptions:
    """Return the options for compiling policies.

    Args:
        settings: the whole configuration.
        tools: the tool catalogue, read anew by every load.
    """
    insecure, issuers = settings.insecure, settings.identity.issuers
    # A local token carries whatever claims the command was given.
    claims = {claim for issuer in issuers for claim in issuer.kept_claims}
    brokered = ((VAULT, settings.vault), (EXCHANGE, settings.exchange))
    return CompileOptions(
        insecure_builtins=frozenset(insecure.capabilities),
        accept_asserted_intent=insecure.accept_asserted_intent,
        offers=Offers(
            claims=None if insecure.local_subjects is not None else frozenset(claims),
            roles=frozenset(settings.approvals.roles),
            kinds=OWN_KINDS | {kind for kind, servers in brokered if servers},
            vault_roles=vault_roles(settings.vault),
            exchange_scopes=exchange_scopes(settings.exchange),
            tools=tools,
        ),
        bundle_keys=bundle_keys(settings.policy.bundle),
    )
