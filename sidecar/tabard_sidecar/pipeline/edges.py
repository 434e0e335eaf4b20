"""Decides about calls that edges make for agents: only an edge gets a credential whose delivery is ``edge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.model import Delivery

if TYPE_CHECKING:
    from tabard_sidecar.model import Decision
    from tabard_sidecar.pipeline.authorize import Authorizer
    from tabard_sidecar.pipeline.requests import AuthorizeRequest


class EdgeAuthorizer:
    """Decides about tool calls for an edge: a part of this process through which an agent reaches a backend.

    An edge passes on what the agent asked for, gets the credential, makes the call with it and returns what the backend
    answered. It must show the credential to no other party than the backend of its audience.

    Args:
        authorizer: decides about every call.
    """

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def authorize(self, request: AuthorizeRequest) -> Decision:
        """Decide about one tool call, as for an agent, but with the credential whichever its delivery is.

        Raises:
            NoDecision: no decision could be made.
        """
        return await self._authorizer.authorize(request._replace(delivery=Delivery.EDGE))
