"""A FastAPI dependency: the handler of one route runs only with a credential for exactly its call."""

# No postponed annotations: FastAPI reads those of `__call__`.

import json
from collections.abc import Collection

from fastapi import HTTPException, Request

from tabard.verify import _edge, _route
from tabard.verify._starlette_route import verify
from tabard.verify.calls import CredentialOptional, Extract
from tabard.verify.errors import Rejected
from tabard.verify.model import VerifiedCredential
from tabard.verify.verifier import Verifier


class TabardCredential:
    """Verifies the requests of one route: ``verified: Annotated[VerifiedCredential, Depends(TabardCredential(…))]``.

    FastAPI chooses the route, so the extractor sees the route's own parameters. The dependency checks only the routes that
    name it; ``TabardMiddleware`` refuses what isn't named. FastAPI reads a body before its dependencies run: the server bounds it.

    Args:
        verifier: decides which credentials are accepted.
        extract: says which tool call a request makes.
        optional: whether a request without a credential gets ``None``. The handler must then check who sends it.
        max_body_bytes: longest body.
        headers: headers that may carry the credential: ``authorization``, ``txn-token`` or both.

    Raises:
        ValueError: the extractor or a header's name is malformed.
    """

    def __init__(  # what may differ between routes
        self,
        verifier: Verifier,
        extract: Extract | CredentialOptional,
        *,
        optional: bool = False,
        max_body_bytes: int = _edge.DEFAULT_MAX_BODY_BYTES,
        headers: Collection[str] = _edge.HEADERS,
    ) -> None:
        self._guard = _route.RouteGuard(
            verifier, extract, optional=optional, max_body_bytes=max_body_bytes, headers=headers
        )

    async def __call__(self, request: Request) -> VerifiedCredential | None:
        """Return the credential of a request.

        Raises:
            HTTPException: the request isn't acceptable.
        """
        try:
            return await verify(self._guard, request)
        except Rejected as rejected:
            _edge.log_rejected(rejected)
            kept = dict(rejected.headers(self._guard.http.realm))
            kept.pop("Content-Type", None)
            raise HTTPException(rejected.status, json.loads(rejected.body()), kept) from None
