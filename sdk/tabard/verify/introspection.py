"""Asks the zone whether a credential is still active (RFC 7662), so that revocations count before it expires."""

from __future__ import annotations

import urllib.parse
import urllib.request

from tabard.arguments import parse_json
from tabard.fetching import FetchError, check_url, fetch
from tabard.verify.errors import Rejected


class IntrospectionClient:
    """Asks for every credential; nothing is cached, so a revocation counts at once.

    Args:
        url: the zone's introspection endpoint.
        key: this backend's client key. Secret.
        timeout_seconds: longest wait for the whole answer; without it the credential is refused.

    Raises:
        ValueError: the URL is neither ``https:`` nor ``http:`` on this machine.
    """

    def __init__(self, url: str, key: str, *, timeout_seconds: float = 2.0) -> None:
        check_url(url)
        self._url = url
        self._key = key
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"<IntrospectionClient {self._url}>"

    def check(self, token: str, credential_id: str) -> None:
        """Check that a credential is active.

        Raises:
            Rejected: it isn't, or the zone didn't answer.
        """
        request = urllib.request.Request(  # noqa: S310  # checked above
            self._url,
            data=urllib.parse.urlencode({"token": token}).encode(),
            headers={
                "Authorization": f"Bearer {self._key}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
        )
        try:
            answer = parse_json(fetch(request, self._timeout_seconds))
        except (FetchError, ValueError) as error:
            raise Rejected("introspection_unavailable", str(error)) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
            raise Rejected("introspection_unavailable", "not an introspection response")
        if not answer["active"] or answer.get("jti") != credential_id:
            raise Rejected("credential_inactive", f"credential {credential_id}")
