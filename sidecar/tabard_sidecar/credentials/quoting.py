"""Quotes what other systems say in messages, without what looks like a secret."""

from __future__ import annotations

import re

from tabard_sidecar.util.visible import one_line

_MAX_TEXT = 300
# Vault's and OpenBao's tokens, with their form before Vault 1.10, JWTs that an error might repeat, and how an engine
# connects to its backend.
# What a database says of a statement may repeat values of it, a password included: its class and code are kept.
_SQLSTATE = re.compile(r"\(SQLSTATE ([0-9A-Z]{5})\)")
_ENGINE = re.compile(r"(?:\b(?:ERROR|FATAL|PANIC): |\b(?:pq|sql): |\bError \d{4}\b)")
_SECRETS = re.compile(
    r"\b(?:hv[sbr]\.[A-Za-z0-9_-]{8,}|[sbr]\.[A-Za-z0-9]{24,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9._-]*"
    r"|(?:host|hostaddr|port|user|username|password|passwd|dbname|database)=[^\s`'\")]+)"
    r"|(?<=://)[^\s/@]+@"
    # What a token endpoint may repeat of a request: its form, also percent-encoded, and its header Authorization.
    r"|\b(?:client_secret|client_assertion|subject_token|actor_token|access_token|refresh_token|token)(?:=|%3D)[^\s`'\")&]+"
    r"|\b(?:Basic|Bearer)\s+[A-Za-z0-9._~+/=-]{8,}",
    re.IGNORECASE,
)


def quoted(text: str) -> str:
    """Return a stranger's text for messages: short, visible, without what looks like a secret or says where a backend is."""
    shown = _SECRETS.sub("[redacted]", _without_statements(one_line(text[: 4 * _MAX_TEXT])))
    return shown if len(shown) <= _MAX_TEXT else shown[:_MAX_TEXT] + "…"


def _without_statements(text: str) -> str:
    """Return a text up to what a database said, with the code of that: its words may hold values of the statement."""
    said = _ENGINE.search(text)
    if said is None:
        return text
    code = _SQLSTATE.search(text)
    return f"{text[: said.end()].rstrip()} [redacted]{f' (SQLSTATE {code[1]})' if code else ''}"
