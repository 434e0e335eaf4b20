"""Removes revoked grants from the cache of verified grants, to free memory. Revocation is checked per request anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tabard_sidecar.revocation.targets import subject_target
from tabard_sidecar.state.model import Revocation, RevocationKind, RevocationOrigin

if TYPE_CHECKING:
    from tabard_sidecar.model import VerifiedGrant
    from tabard_sidecar.revocation.feed import Listener


def pruner(forget: Callable[[Callable[[VerifiedGrant], bool]], int]) -> Listener:
    """Return a listener that removes revoked grants from a cache.

    Grants that their holders ended aren't removed here: they are no longer used, so the cache evicts them first.

    Args:
        forget: removes the cached grants for which its argument is true; returns how many.
    """

    def listen(revocation: Revocation) -> None:
        if revocation.expires_at > 0 and revocation.origin is not RevocationOrigin.HOLDER:
            forget(lambda grant: concerns(revocation, grant))

    return listen


def concerns(revocation: Revocation, grant: VerifiedGrant) -> bool:
    """Tell whether a revocation applies to a grant."""
    target = revocation.target
    match revocation.kind:
        case RevocationKind.LINK:
            return target in grant.link_ids
        case RevocationKind.AGENT:
            return target == grant.root_holder or any(link.holder == target for link in grant.links)
        case RevocationKind.SUBJECT:
            person = subject_target(grant.subject.issuer, grant.subject.id)
            return target == person and grant.task.started_at <= revocation.at
        case RevocationKind.STATE:
            return grant.task.started_at <= revocation.at
        case RevocationKind.CREDENTIAL:
            return False
