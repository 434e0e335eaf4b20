"""One replica's part: reads what is published and the Secret, does what is due, serves, publishes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tabard_sidecar.certificates.contents import KEYS, Contents, UnusableError, read_contents, write_contents
from tabard_sidecar.certificates.rotation import ASK_ANEW, ASK_AUTHORITY, ROTATE, Step, Terms, due
from tabard_sidecar.kubernetes.api import ApiError, ApiServer
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.certificates.pairs import Pair
    from tabard_sidecar.certificates.publishing import Place, Published

_ATTEMPTS = 5
_MANAGED_BY = {"app.kubernetes.io/managed-by": "tabard"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a look has found.

    Attributes:
        contents: what the Secret holds.
        changed: something was written, so another look may find more to do.
        problems: what an operator has to know; empty if all is well.
    """

    contents: Contents
    changed: bool
    problems: tuple[str, ...]


class Replica:
    """Keeps Secret, served certificate and published authorities in step.

    Args:
        api: the API server.
        where: namespace and name of the Secret.
        place: where the authorities are published.
        terms: how certificates are made.
        serve: called with the certificate to serve, also if it is the same as before.
    """

    def __init__(
        self,
        api: ApiServer,
        where: tuple[str, str],
        place: Place,
        terms: Terms,
        *,
        serve: Callable[[Pair], None],
    ) -> None:
        self._api = api
        namespace, self._secret = where
        self._collection = f"/api/v1/namespaces/{namespace}/secrets"
        self._place = place
        self._terms = terms
        self._serve = serve

    async def look(self) -> Outcome:
        """Do what is due now, at most one change of the Secret.

        Raises:
            ApiError: the API server can't be asked or refuses; what is served stays.
            UnusableError: the Secret can't be used; what is served stays, and the Secret as well.
        """
        for _ in range(_ATTEMPTS):
            # In this order: what is published below can't be older than what was published before.
            published = await self._place.read()
            found = await self._read()
            try:
                contents, step = await self._advanced(found, published)
                if contents.leaf is not None:
                    self._serve(contents.leaf)
                spread = await self._place.publish(published, contents.bundle)
            except ApiError as error:
                if not error.conflict:
                    raise
                continue  # another replica was faster: what it wrote is looked at now
            if spread:
                _log.info("authorities published", extra={"authorities": len(contents.bundle)})
            return Outcome(contents, step is not None or spread, _problems(found, contents, published))
        raise ApiError(f"others changed the Secret {self._secret} at each of {_ATTEMPTS} attempts")

    async def _read(self) -> Mapping[str, Any] | None:
        try:
            return await self._api.get(f"{self._collection}/{self._secret}")
        except ApiError as error:
            if error.missing:
                return None
            raise

    async def _advanced(
        self, found: Mapping[str, Any] | None, published: Published
    ) -> tuple[Contents, Step | None]:
        """Return the contents after what was due, which is written, and the step."""
        asked = _asked(found)
        try:
            contents = read_contents((found or {}).get("data") or {})
        except UnusableError as error:
            if asked != ASK_ANEW:
                raise UnusableError(
                    f"Secret {self._secret}: {error}; restore it, or let everything be made anew: "
                    f"kubectl annotate secret {self._secret} {ROTATE}={ASK_ANEW}"
                ) from None
            contents = None
        step = due(contents, asked, published.authorities, self._terms, self._api.now())
        if step is None:
            if contents is None:
                raise AssertionError("an empty Secret is always due")
            return contents, None
        await self._write(found, step, asked)
        _log.log(logging.WARNING if step.loud else logging.INFO, "certificates changed: %s", step.what)
        return step.contents, step

    async def _write(self, found: Mapping[str, Any] | None, step: Step, asked: str) -> None:
        data = write_contents(step.contents)
        if found is None:
            own = {"name": self._secret, "labels": _MANAGED_BY}
            new = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": own, "data": data}
            try:
                await self._api.create(self._collection, new)
            except ApiError as error:
                if not error.forbidden:
                    raise
                # A right to create can't be limited to one name.
                raise ApiError(
                    f"Secret {self._secret} is gone, and its service may not create one; do it: kubectl create secret generic "
                    f"{self._secret}",
                    error.status,
                ) from None
            return
        others = {name: value for name, value in (found.get("data") or {}).items() if name not in KEYS}
        metadata = dict(found["metadata"])
        if step.answers or asked == ASK_ANEW:
            annotations = metadata.get("annotations") or {}
            metadata["annotations"] = {name: value for name, value in annotations.items() if name != ROTATE}
        document = {**found, "metadata": metadata, "data": {**others, **data}}
        await self._api.replace(f"{self._collection}/{self._secret}", document)


def _asked(found: Mapping[str, Any] | None) -> str:
    annotations = (found or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(ROTATE, ""))


def _problems(found: Mapping[str, Any] | None, contents: Contents, published: Published) -> tuple[str, ...]:
    problems = [published.problem] if published.problem else []
    if contents.leaf is None:
        problems.append(f"{contents.problem}; the former certificate stays in use")
    asked = _asked(found)
    if asked not in {"", ASK_AUTHORITY, ASK_ANEW}:
        problems.append(f"the annotation {ROTATE} is {asked[:80]!a}; write {ASK_AUTHORITY} or {ASK_ANEW}")
    return tuple(problems)
