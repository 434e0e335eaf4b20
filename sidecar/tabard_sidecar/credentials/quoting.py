"""Quotes what other systems say in messages, without what looks like a secret."""

from __future__ import annotations

import re

from tabard_sidecar.util.visible import one_line

_MAX_TEXT = 300
# Vault's and OpenBao's tokens, with their form before Vault 1.10, JWTs that an error might repeat, and how an engine
# connects to its backend.
_SECRETS = re.compile(
    r"\b(?:hv[sbr]\.[A-Za-z0-9_-]{8,}|[sbr]\.[A-Za-z0-9]{24,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9._-]*"
    r"|(?:host|hostaddr|port|user|username|password|passwd|dbname|database)=[^\s`'\")]+)"
    r"|(?<=://)[^\s/@]+@"
)


def quoted(text: str) -> str:
    """Return a stranger's text for messages: short, visible, without what looks like a secret or says where a backend is."""
    shown = _SECRETS.sub("[redacted]", one_line(text[: 4 * _MAX_TEXT]))
    return shown if len(shown) <= _MAX_TEXT else shown[:_MAX_TEXT] + "…"
