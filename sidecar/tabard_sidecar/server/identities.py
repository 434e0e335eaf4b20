"""Builds the verifiers of people, intents and the workload from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tabard_sidecar.config import Settings
from tabard_sidecar.identity import Identity, InsecureIdentity, build_identity
from tabard_sidecar.identity.local import LOCAL_ISSUER
from tabard_sidecar.interfaces import Clock


def configured_identity(
    settings: Settings, clock: Clock, on_fetch: Callable[[str], None] = lambda _result: None
) -> Identity:
    """Build what the settings describe; arguments and errors as for :func:`build_identity`."""
    insecure = settings.insecure
    return build_identity(
        settings.identity,
        zone=settings.zone,
        insecure=InsecureIdentity(
            agent_id=insecure.agent_id or "",
            local_subjects=insecure.local_subjects,
            allow_http=insecure.allow_http,
        ),
        clock=clock,
        accept=settings.handover.accept,
        on_fetch=on_fetch,
        actors=_actors(settings, clock),
    )


def _actors(settings: Settings, clock: Clock) -> Mapping[str, list[Callable[[], Mapping[str, Any]]]]:
    """Return who this workload is at issuers that delegate; see :class:`~tabard_sidecar.identity.subject.SubjectTokens`."""
    if not settings.exchange:
        return {}
    from tabard_sidecar.credentials.exchange.acting import actors_of  # noqa: PLC0415 - only for who uses it

    return actors_of(settings.exchange, clock)


def subject_issuers(settings: Settings) -> set[str]:
    """Return the issuers of people's tokens that :func:`configured_identity` accepts, those for experiments included."""
    local = {LOCAL_ISSUER} if settings.insecure.local_subjects is not None else set()
    return {item.issuer for item in settings.identity.issuers} | local
