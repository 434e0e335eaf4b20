"""Builds how tasks cross zones. What a configuration doesn't use isn't imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.credentials import zone_issuer
from tabard_sidecar.pipeline.crossing import Crossing

if TYPE_CHECKING:
    from tabard_sidecar.server.parts import Parts


def crossing(parts: Parts) -> Crossing:
    """Return how tasks leave the zone and come in, as the section ``handover`` says."""
    settings = parts.settings
    config = settings.handover
    if not config.to and not config.accept:
        return Crossing()
    from tabard_sidecar.identity.handover import is_handover  # noqa: PLC0415 - only for who uses it
    from tabard_sidecar.pipeline.handing_over import HandingOver, HandingTerms  # noqa: PLC0415

    away = None
    if config.to:
        issuer = zone_issuer(settings.credentials, settings.zone)
        terms = HandingTerms(settings.zone, issuer, frozenset(config.to), config.max_per_task)
        away = HandingOver(terms, parts.keyring, parts.state, parts.clock)
    return Crossing(away, parts.identity.handovers, is_handover)
