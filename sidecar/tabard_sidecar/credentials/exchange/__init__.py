"""Exchanges a person's token for one that a single backend accepts (RFC 8693), at the organisation's identity provider.

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.ending import ExchangeEnding
    from tabard_sidecar.credentials.exchange.issuer import ExchangeIssuer, build_exchanges
    from tabard_sidecar.credentials.exchange.journal import TokenJournal

__all__ = ["ExchangeEnding", "ExchangeIssuer", "TokenJournal", "build_exchanges"]

__getattr__ = late_names(
    __name__,
    {
        "ExchangeEnding": "ending",
        "ExchangeIssuer": "issuer",
        "TokenJournal": "journal",
        "build_exchanges": "issuer",
    },
)
