"""Removes secrets from what the sidecar writes down and exports.

No code logs secrets on purpose; this is a safeguard. There are two kinds of text:

* The sidecar's own words (application log, spans, health): whatever looks like a compact JWT, a serialised macaroon or a
  vault's token is replaced, and so are values under the usual names of secrets (:func:`redact`, :func:`redact_text`).
* Records of what others said (:class:`RecordRedaction`): only secrets of Tabard's own are replaced: its macaroons, and
  tokens of the issuers that the sidecar knows. Where one stood, its SHA-256 stays. Other words stay, or an agent could hide
  what it did by writing it so that it looks like a token.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256

REPLACEMENT = "[redacted]"

_JWT = r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*"
_BEFORE = r"(?<![A-Za-z0-9_-])"
# A compact JWT begins with base64url of '{"'; a serialised macaroon with that of a version 1 packet length ("00") or
# of the version 2 header, a location or an identifier field.
# What follows the scheme in an Authorization header (RFC 6750, RFC 7617) is one, too, if it looks like no word.
_AUTHORIZATION = r"(?i:(?<=bearer )|(?<=basic ))(?=[A-Za-z._~+/-]*[0-9=])[A-Za-z0-9._~+/-]{8,}={0,2}"
# Vault and OpenBao begin their tokens so (service, batch, recovery).
_TEXT = re.compile(
    f"{_BEFORE}(?:{_AUTHORIZATION}|{_JWT}"
    r"|hv[sbr]\.[A-Za-z0-9_-]{20,}|MDA[A-Za-z0-9+/_-]{48,}={0,2}|Ag[EI][A-Za-z0-9+/_-]{60,}={0,2})"
)
# Tabard's macaroons (grants, discharges, credentials) begin with the version 2 header and the location "tabard".
_OWN_MACAROON = b"AgEGdGFiYXJk"
_OWN = re.compile(rb"%b[A-Za-z0-9+/_-]{20,}={0,2}" % _OWN_MACAROON)
# What a compact JWT can stand in. A pattern of the JWT itself would begin again at every "eyJ" of a long text.
_RUN = re.compile(rb"[A-Za-z0-9._-]{14,}")
_JWT_PARTS = 3
_LEAST_HEAD = 11
_LEAST_PAYLOAD = 2
# A JWT this long isn't decoded: it is replaced. No issuer's token is longer.
_MAX_JWT_BYTES = 64 * 1024
# Tokens per record that are decoded to learn their issuer; further ones are replaced.
_MAX_DECODED = 64

_SECRET_NAMES = frozenset(
    {
        "authorization",
        "client_secret",
        "credential",
        "discharges",
        "grant",
        "intent_token",
        "password",
        "private_key",
        "secret",
        "subject_token",
        "token",
    }
)
_MAX_DEPTH = 6


def replacement(secret: bytes) -> str:
    """Return what stands in a log in a record in place of a secret: its SHA-256, so that a party that has it can find it."""
    return f"[redacted sha256:{sha256(secret).hexdigest()}]"


def redact_text(text: str) -> str:
    """Return ``text`` without strings that have the form of a JWT, a macaroon or a vault's token."""
    return _TEXT.sub(REPLACEMENT, text)


def redact(value: object, name: str = "", depth: int = 0) -> object:
    """Return a loggable copy of ``value``: secrets replaced by name or form, unknown objects as text.

    Args:
        value: any value that was passed to a log call.
        name: the value's key; values under some names are always replaced.
        depth: nesting depth of the value; beyond six levels only its text is kept.
    """
    if name.lower() in _SECRET_NAMES and value:
        return REPLACEMENT
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        return {redact_text(str(key)): redact(inner, str(key), depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _MAX_DEPTH:
        return [redact(inner, name, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return redact_text(str(value))


class RecordRedaction:
    """Replaces Tabard's own secrets in serialised JSON.

    Args:
        issuers: the ``iss`` of tokens that are secrets here: the zone's own, and those of configured issuers.
    """

    def __init__(self, issuers: Collection[str]) -> None:
        self._issuers = frozenset(issuers)

    def __call__(self, document: bytes) -> bytes:
        """Return the document without Tabard's secrets; usually the same object."""
        # Searching for one letter that is rare in JSON is ten times as fast as searching for the word.
        if not (
            (b"J" in document and b"eyJ" in document) or (b"A" in document and _OWN_MACAROON in document)
        ):
            return document
        decoded = 0

        def replaced(token: bytes) -> bytes:
            nonlocal decoded
            decoded += 1
            if decoded <= _MAX_DECODED and len(token) <= _MAX_JWT_BYTES and not self._known(token):
                return token
            return replacement(token).encode()

        if b"eyJ" in document:
            document = _RUN.sub(lambda run: _with_tokens(run[0], replaced), document)
        return _OWN.sub(lambda found: replacement(found[0]).encode(), document)

    def _known(self, token: bytes) -> bool:
        """Tell whether a JWT says that a known issuer made it. A token with a wrong signature counts, too.

        It may be a true one with a few letters changed, which is as good as secret.
        """
        payload = token.split(b".")[1]
        try:
            claims = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        except (ValueError, RecursionError):
            return False
        return isinstance(claims, dict) and claims.get("iss") in self._issuers


def _with_tokens(run: bytes, replaced: Callable[[bytes], bytes]) -> bytes:
    """Return letters, digits and dots with every compact JWT in them replaced. Takes time in proportion to their number.

    What ``replaced`` leaves as it is may have the beginning of a JWT in its payload or signature.
    """
    if b"eyJ" not in run:
        return run
    parts, kept = run.split(b"."), []
    position = 0
    while position < len(parts):
        part, rest = parts[position], parts[position + 1 : position + _JWT_PARTS]
        start = part.find(b"eyJ")
        position += 1
        if start >= 0 and len(part) - start >= _LEAST_HEAD and _are_rest(rest):
            token = b".".join((part[start:], *rest))
            instead = replaced(token)
            if instead != token:
                part = part[:start] + instead
                position += len(rest)
        kept.append(part)
    return b".".join(kept)


def _are_rest(parts: Sequence[bytes]) -> bool:
    """Tell whether these can be payload and signature of a JWT."""
    return len(parts) == _JWT_PARTS - 1 and len(parts[0]) >= _LEAST_PAYLOAD
