"""Decides which credentials a backend accepts, and for which calls."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabard._lean import dataclass
from tabard.arguments import ArgumentsError, call_digest, canonical
from tabard.credential_caveats import CredentialCaveat, CredentialCaveatError, narrow
from tabard.verify.claims import Expected, check_time, read
from tabard.verify.errors import Rejected
from tabard.verify.introspection import IntrospectionClient
from tabard.verify.jwt_credential import read_jwt
from tabard.verify.keys import KeySet, key_set
from tabard.verify.macaroon_credential import AudienceKeys, read_macaroon
from tabard.verify.model import Call, VerifiedCredential
from tabard.verify.replay import ReplayStore, ReplayUnavailable, SqliteReplayStore

MAX_TOKEN_CHARS = 32 * 1024
_JWT_DOTS = 2
_REMEMBER_LONGER_SECONDS = 60.0
"""A use is remembered longer than the credential is valid: a request may be slow, and a store's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A credential whose signature, issuer, audience and time are checked, but not yet its call.

    ``signed_expires_at`` is the end that the issuer signed, in seconds since the epoch. The end in ``credential`` may be earlier,
    because a holder can append a caveat.
    """

    credential: VerifiedCredential
    token: str
    signed_expires_at: float
    call_caveats: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Authenticated({self.credential!r})"


class Verifier:
    """Accepts credentials of one issuer for one audience. Safe between threads; its methods block, for at most seconds.

    Args:
        audience: the name of this backend, as policies use it.
        issuer: the zone's issuer (``credentials.issuer``).
        jwks: URL (https, or http on this machine) or file of the issuer's public keys, to accept kind ``jwt``.
        audience_keys: file that ``tabard keys export --audience`` wrote, to accept kind ``macaroon``.
        replay: store of used single-use credentials; by default a SQLite file of this user on this machine.
        introspection: asks the zone about every credential, so that a revocation counts at once.
        leeway_seconds: how far the clocks of sidecar and backend may differ.
        clock: seconds since the epoch.

    Raises:
        ValueError: nothing says which keys to accept, or a key source can't be used.
    """

    def __init__(  # noqa: PLR0913  # what may differ between backends
        self,
        audience: str,
        *,
        issuer: str,
        jwks: str | Path | KeySet | None = None,
        audience_keys: str | Path | None = None,
        replay: ReplayStore | None = None,
        introspection: IntrospectionClient | None = None,
        leeway_seconds: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not audience or not issuer:
            message = "audience and issuer must not be empty"
            raise ValueError(message)
        if jwks is None and audience_keys is None:
            message = "pass jwks, audience_keys or both; without keys no credential could be accepted"
            raise ValueError(message)
        self.audience = audience
        self._expected = Expected(issuer, audience, leeway_seconds)
        self._jwks = jwks if isinstance(jwks, KeySet) or jwks is None else key_set(jwks)
        self._audience_keys = None if audience_keys is None else AudienceKeys(Path(audience_keys), audience)
        self._owned: SqliteReplayStore | None = None
        if replay is None:
            replay = self._owned = SqliteReplayStore()
        self._replay = replay
        self._introspection = introspection
        self._clock = clock

    def close(self) -> None:
        """Close the file of used credentials, if none was passed as ``replay``. A later single use opens it again."""
        if self._owned is not None:
            self._owned.close()

    def verify(
        self, token: str, tool: str, arguments: Mapping[str, Any], server: str = ""
    ) -> VerifiedCredential:
        """Accept a credential for one call. A single-use credential is used up by that.

        Args:
            token: the credential.
            tool: tool that is called.
            arguments: exactly the arguments that it is called with.
            server: server that the agent names, if it names one.

        Raises:
            Rejected: the credential isn't acceptable, or not for this call.
        """
        return self.authorize(self.authenticate(token), Call(tool, arguments, server))

    def authenticate(self, token: str) -> Authenticated:
        """Check everything that doesn't depend on the call: signature, issuer, audience and time.

        Raises:
            Rejected: the credential isn't acceptable.
        """
        if not token:
            raise Rejected("credential_missing")
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise Rejected("credential_malformed", "too long or not ASCII")
        if "." in token:
            if self._jwks is None or token.count(".") != _JWT_DOTS:
                raise Rejected(
                    "credential_type", "credentials of kind jwt aren't accepted here, or it isn't one"
                )
            claims = read_jwt(token, self._jwks)
            credential = read("jwt", claims, self._expected, self._clock())
            return Authenticated(credential, token, credential.expires_at)
        if self._audience_keys is None:
            raise Rejected(
                "credential_type", "credentials of kind macaroon aren't accepted here, or it isn't one"
            )
        claims, restrictions = read_macaroon(token, self._audience_keys, self._clock())
        return self._restrict(read("macaroon", claims, self._expected, self._clock()), token, restrictions)

    def authorize(self, authenticated: Authenticated, call: Call) -> VerifiedCredential:
        """Check that the credential is for exactly this call, and that it is active and unused.

        Raises:
            Rejected: it isn't.
        """
        credential = authenticated.credential
        if credential.tool != call.tool or credential.server != call.server:
            raise Rejected("tool_mismatch", f"for {credential.tool!r}, not {call.tool!r}")
        arguments, digest = _read_once(call)
        for expected in (credential.call_digest, *authenticated.call_caveats):
            if not hmac.compare_digest(expected.encode(), digest.encode()):
                raise Rejected("arguments_mismatch", f"call digest is {digest}")
        # Reading the request may have taken a while.
        expected_time = self._expected
        check_time(credential.issued_at, credential.expires_at, expected_time.leeway_seconds, self._clock())
        if self._introspection is not None:
            self._introspection.check(authenticated.token, credential.credential_id)
        if credential.uses:
            self._use_up(credential, authenticated.signed_expires_at)
        return replace(credential, arguments=arguments)

    def _restrict(
        self, credential: VerifiedCredential, token: str, restrictions: Sequence[CredentialCaveat]
    ) -> Authenticated:
        """Apply the caveats that a holder appended; each can only take something away."""
        try:
            narrowed = narrow(
                restrictions,
                audience=self.audience,
                scopes=credential.scopes,
                expires_at=credential.expires_at,
            )
        except CredentialCaveatError as error:
            raise Rejected("credential_caveat", str(error)) from None
        leeway = self._expected.leeway_seconds
        check_time(credential.issued_at, narrowed.expires_at, leeway, self._clock())
        left = replace(credential, scopes=narrowed.scopes, expires_at=narrowed.expires_at)
        return Authenticated(left, token, credential.expires_at, narrowed.call_digests)

    def _use_up(self, credential: VerifiedCredential, signed_expires_at: float) -> None:
        # Not until the end that a holder's caveat names: the holder still has the credential without it.
        until = signed_expires_at + self._expected.leeway_seconds + _REMEMBER_LONGER_SECONDS
        try:
            left = any(
                self._replay.accept(credential.issuer, use, until) is True
                for use in _each_use(credential.credential_id, credential.uses)
            )
        except ReplayUnavailable as error:
            raise Rejected("replay_unavailable", str(error)) from error
        if not left:
            raise Rejected("credential_used", f"credential {credential.credential_id}")


def _each_use(credential_id: str, uses: int) -> Iterator[str]:
    """Yield a name for each use: that of the first is the credential's id. A store accepts each of them once."""
    yield credential_id
    for number in range(2, uses + 1):
        yield f"{credential_id} {number}"


def _read_once(call: Call) -> tuple[dict[str, Any], str]:
    """Return the arguments and the digest of a call; the handler gets the arguments that were compared."""
    try:
        arguments = dict(call.arguments)
        return arguments, call_digest(call.tool, call.server, canonical(arguments))
    except (ArgumentsError, TypeError, ValueError, RecursionError) as error:
        raise Rejected("call_unreadable", str(error)) from error
