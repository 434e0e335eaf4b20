"""Authenticates pods by the tokens of their ServiceAccounts that are projected for the control service."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tabard_sidecar.control.derivation import valid_zone
from tabard_sidecar.control.metrics import Result
from tabard_sidecar.control.reviews import ReviewError
from tabard_sidecar.identity.jose import TokenError, parse

if TYPE_CHECKING:
    from tabard_sidecar.control.reviews import Caller, TokenReviews
    from tabard_sidecar.interfaces import Clock

_CLOCK_SECONDS = 60
"""By how much the clocks of the API server and the service may differ; the API server has the last word."""
_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request isn't answered; says why, to the log and the caller."""

    def __init__(self, result: Result, reason: str, caller: Caller | None = None) -> None:
        super().__init__(reason)
        self.result = result
        self.caller = caller

    @property
    def unavailable(self) -> bool:
        """Whether it may be answered later."""
        return self.result is Result.UNAVAILABLE


class Pods:
    """Finds out which pod asks.

    Args:
        reviews: asks the API server.
        audience: audience of the tokens.
        clock: wall-clock time in seconds.
    """

    def __init__(self, reviews: TokenReviews, audience: str, *, clock: Clock = time.time) -> None:
        self._reviews = reviews
        self._audience = audience
        self._clock = clock

    async def of_zone(self, authorization: str, zone: str) -> Caller:
        """Return the pod of the zone's namespace that asks.

        Args:
            authorization: the header ``Authorization``; may be empty.
            zone: name of the zone.

        Raises:
            RefusedError: there is none.
        """
        if not valid_zone(zone):
            raise RefusedError(Result.UNKNOWN, "no namespace has this name")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(Result.UNAUTHORIZED, "send a token of this pod: Authorization: Bearer TOKEN")
        if self._glance(token) != zone:
            raise RefusedError(Result.FORBIDDEN, "the token is another namespace's")
        caller = await self._reviewed(token)
        if caller.namespace != zone:
            raise RefusedError(Result.FORBIDDEN, "the token is another namespace's", caller)
        if not caller.pod or not caller.uid:
            raise RefusedError(Result.FORBIDDEN, "the token isn't bound to a pod", caller)
        return caller

    async def anywhere(self, token: str) -> Caller:
        """Return the workload of any namespace whose token it is; the token need not be bound to a pod.

        Raises:
            RefusedError: there is none.
        """
        self._glance(token)
        return await self._reviewed(token)

    async def _reviewed(self, token: str) -> Caller:
        try:
            caller = await self._reviews.caller(token)
        except ReviewError as error:
            _log.debug("review failed", extra={"problem": str(error)})
            raise RefusedError(
                Result.UNAVAILABLE, "the API server can't be asked about the token now"
            ) from None
        if caller is None:
            raise RefusedError(
                Result.UNAUTHORIZED, "the API server doesn't accept the token for this audience"
            )
        return caller

    def _glance(self, token: str) -> object:
        """Refuse what the API server need not be asked about, and return the namespace that the token claims.

        Nothing in the token is trusted by that.

        Raises:
            RefusedError: the token can't be one for this request.
        """
        try:
            claims = parse(token).claims
        except TokenError:
            raise RefusedError(
                Result.UNAUTHORIZED, "what was sent isn't a token of a ServiceAccount"
            ) from None
        audiences = claims.get("aud")
        if self._audience not in (audiences if isinstance(audiences, list) else [audiences]):
            raise RefusedError(Result.UNAUTHORIZED, "the token isn't for this audience")
        expires = claims.get("exp")
        if not isinstance(expires, int) or expires <= self._clock() - _CLOCK_SECONDS:
            raise RefusedError(Result.UNAUTHORIZED, "the token has expired")
        bound = claims.get("kubernetes.io")
        return bound.get("namespace") if isinstance(bound, dict) else None
