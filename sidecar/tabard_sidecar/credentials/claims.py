"""Writes and reads the claims of credentials, which are the same for every kind (docs/reference/credentials.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import Introspection
from tabard_sidecar.util.fifo import FifoDict
from tabard_sidecar.util.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard_sidecar.model import Agent, CredentialRequest, VerifiedGrant

MAX_CREDENTIAL_BYTES = 32 * 1024
"""Longest credential; a longer one isn't issued."""

_CACHED_GRANTS = 1024
_MAX_ACTORS = 32
_ATTRIBUTES = ("namespace", "service_account", "pod")


class ClaimsWriter:
    """Writes the claims of credentials as JSON.

    Claims that depend on the grant alone are encoded once per grant; each call only encodes the others.

    Args:
        issuer: ``iss`` of the zone.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._encoded: FifoDict[str, bytes] = FifoDict(_CACHED_GRANTS)

    def write(self, request: CredentialRequest, expires_at: int) -> bytes:
        """Return the claims as one JSON object.

        Raises:
            Refused: a scope can't be written into ``scope``.
        """
        call = request.call
        claims: dict[str, Any] = {
            "aud": request.audience,
            "iat": int(request.issued_at),
            "exp": expires_at,
            "jti": request.credential_id,
            "scope": _scope(request.scopes),
            "req_wl": request.grant.holder,
            "rctx": _requester(request.agent, request.decision_id),
            "tabard_tool": call.name,
            "tabard_call": call.digest,
        }
        if call.server:
            claims["tabard_server"] = call.server
        if request.uses:
            claims["tabard_single_use"] = True
            if request.uses > 1:
                claims["tabard_uses"] = request.uses
        return self._of_grant(request.grant) + encode(claims)[1:]

    def _of_grant(self, grant: VerifiedGrant) -> bytes:
        try:
            return self._encoded[grant.digest]
        except KeyError:
            encoded = self._encoded[grant.digest] = self._encode_grant(grant)
            return encoded

    def _encode_grant(self, grant: VerifiedGrant) -> bytes:
        subject, task = grant.subject, grant.task
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": subject.id,
            "sub_iss": subject.issuer,
            "txn": task.id,
            "tctx": {
                "purpose": task.purpose,
                "intent_source": str(task.intent_source),
                "started_at": int(task.started_at),
            },
            "act": _actors(grant),
            "tabard_zone": grant.zone,
            "tabard_chain": _chain(grant),
            "tabard_link": grant.holder_id,
        }
        if subject.authenticated_at is not None:
            claims["auth_time"] = int(subject.authenticated_at)
        return encode(claims)[:-1] + b","


def check_size(value: str) -> None:
    """Check that a credential isn't too large to be accepted.

    Raises:
        Refused: the chain is too long.
    """
    if len(value) > MAX_CREDENTIAL_BYTES:
        raise Refused(
            "depth_exceeded", f"the chain doesn't fit into a credential of {MAX_CREDENTIAL_BYTES} bytes"
        )


def introspection(kind: str, claims: Mapping[str, Any]) -> Introspection:
    """Return the description of a credential from its verified claims.

    Raises:
        Refused: a claim is missing or of the wrong type, so this isn't a credential.
    """
    try:
        return Introspection(
            credential_id=_text(claims["jti"]),
            kind=kind,
            task_id=_text(claims["txn"]),
            audience=_text(claims["aud"]),
            scopes=tuple(_text(claims["scope"]).split()),
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
            subject_id=_text(claims["sub"]),
            subject_issuer=_text(claims["sub_iss"]),
            tool=_text(claims["tabard_tool"]),
            call_digest=_text(claims["tabard_call"]),
            uses=int(claims.get("tabard_uses", 1)) if claims.get("tabard_single_use") is True else 0,
            claims=claims,
        )
    except (KeyError, TypeError, ValueError):
        raise Refused(
            "credential_invalid", "the credential lacks a claim that every credential has"
        ) from None


def introspection_response(found: Introspection | None) -> dict[str, Any]:
    """Return the answer to a backend that introspects (RFC 7662, section 2.2); ``None`` stands for inactive."""
    if found is None:
        return {"active": False}
    # A narrowed macaroon may allow less than its claims say.
    narrowed = {"scope": " ".join(found.scopes), "exp": int(found.expires_at)}
    extra = {
        "active": True,
        "token_type": f"tabard+{found.kind}",
        "client_id": found.claims.get("req_wl", ""),
    }
    return dict(found.claims) | narrowed | extra


def _scope(scopes: tuple[str, ...]) -> str:
    for scope in scopes:
        # RFC 6749, section 3.3: scopes are separated by a space, so a scope can't contain one.
        if not scope or not scope.isascii() or not scope.isprintable() or set(scope) & _NOT_IN_SCOPES:
            raise Refused(
                "policy_error",
                f"scope {scope[:64]!r} can't be carried by a credential (RFC 6749, section 3.3)",
            )
    return " ".join(sorted(set(scopes)))


_NOT_IN_SCOPES = frozenset(' "\\')


def _requester(agent: Agent, decision_id: str) -> dict[str, str]:
    context = {"decision_id": decision_id, "agent_issuer": agent.issuer}
    for name in _ATTRIBUTES:
        value = agent.attributes.get(name)
        if value:
            context[name] = value
    return context


def _chain(grant: VerifiedGrant) -> list[dict[str, str]]:
    chain = [{"kind": "root", "holder": grant.root_holder}]
    for link in grant.links:
        step = {"kind": link.kind, "holder": link.holder}
        if link.sub_agent:
            step["sub_agent"] = link.sub_agent
        chain.append(step)
    return chain


def _actors(grant: VerifiedGrant) -> dict[str, Any]:
    actor: dict[str, Any] = {}
    if len(grant.links) < _MAX_ACTORS:
        actor = {"sub": grant.root_holder}
    # Parsers limit the nesting of JSON, so this is truncated; tabard_chain holds the whole chain.
    for link in grant.links[-_MAX_ACTORS:]:
        actor = {"sub": link.holder, "act": actor} if actor else {"sub": link.holder}
        if link.sub_agent:
            actor["sub_agent"] = link.sub_agent
    return actor


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
