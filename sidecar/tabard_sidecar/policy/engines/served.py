"""Describes the policy of an OPA server, and the names by which its answers tell that it is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.policy.engines.opa_client import OpaClient
from tabard_sidecar.policy.engines.provider import EvaluationFailedError
from tabard_sidecar.policy.loading.reading import MAX_FILES
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

CHECK_SECONDS = 10.0
"""Longest wait for one of the server's answers about its policy."""
_MOST_TRIES = 5

_EVALUATED = ("policy", "tabard")
"""Packages of which a new module would be evaluated, whatever refers to it."""


def bundles_of(answer: Mapping[str, Json]) -> Mapping[str, str]:
    """Return the revision of each bundle by which the server made an answer; that of a single one without name under "".

    Raises:
        ValueError: it says so in another form than OPA does.
    """
    told = answer.get("provenance") or {}
    try:
        found = {name: one["revision"] for name, one in (told.get("bundles") or {}).items()}
        legacy = told.get("revision")
    except (AttributeError, KeyError, TypeError):
        raise ValueError("the answer's provenance isn't OPA's") from None
    return found | {"": legacy} if legacy else found


@dataclass(frozen=True, slots=True)
class Bundles:
    """The bundles that a server has activated.

    Attributes:
        revisions: the revision of each one, by name.
        told: what ``data.system.bundles`` says of them: manifests, and the ETags by which they were downloaded.
    """

    revisions: Mapping[str, str]
    told: Json

    @property
    def roots(self) -> frozenset[str]:
        """The paths that they own; none if the server doesn't tell them."""
        roots = [manifest.get("roots") for manifest in self._manifests().values()]
        return frozenset(
            str(root) for listed in roots for root in (listed if isinstance(listed, list) else ())
        )

    @property
    def compiled(self) -> list[str]:
        """The names of those that have modules in WebAssembly: where no rule is, a server may ask them."""
        return [name for name, manifest in self._manifests().items() if manifest.get("wasm")]

    def _manifests(self) -> dict[str, dict[str, Json]]:
        told = self.told.items() if isinstance(self.told, dict) else ()
        manifests = ((name, one.get("manifest")) for name, one in told if isinstance(one, dict))
        return {name: manifest for name, manifest in manifests if isinstance(manifest, dict)}


class Served:
    """A policy as a server has it.

    Args:
        modules: sources by the server's names for them.
        activated: its bundles.
    """

    def __init__(self, modules: Mapping[str, str], activated: Bundles) -> None:
        self.modules = modules
        self.activated = activated
        self.bundles = activated.revisions

    def __eq__(self, other: object) -> bool:
        """Tell whether two have the same modules from the same bundles."""
        return isinstance(other, Served) and self._key == other._key

    def __hash__(self) -> int:
        """Return the same for equal ones."""
        return hash(self._key)

    def is_named(self, packages: Iterable[str]) -> bool:
        """Tell whether bundles with revisions own all that is evaluated, so that none of it changes under the same names.

        Args:
            packages: top-level packages of the modules, as roots of a bundle are written.
        """
        named = bool(self.bundles) and all(self.bundles.values())
        return named and all(map(self._owns, {*_EVALUATED, *packages}))

    def revision(self, packages: Iterable[str]) -> str:
        """Return the revision of the only bundle, if that is all there is; otherwise a digest of the modules."""
        alone = len(self.bundles) == 1 and self.is_named(packages)
        return next(iter(self.bundles.values())) if alone else self.digest

    def differs_under_the_same_name(self, other: Served) -> bool:
        """Tell whether the other has the same bundles with the same revisions, and other modules."""
        return self.bundles == other.bundles and self.digest != other.digest

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and sources of the modules."""
        digest = hashlib.sha256()
        for name in sorted(self.modules):
            for part in (name.encode(), self.modules[name].encode()):
                digest.update(len(part).to_bytes(8, "big"))
                digest.update(part)
        return digest.hexdigest()

    @cached_property
    def _key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        return self.digest, tuple(sorted(self.bundles.items()))

    def _owns(self, path: str) -> bool:
        roots = [one.strip("/") for one in self.activated.roots]
        return any(root in {"", path} or path.startswith(f"{root}/") for root in roots)


async def served_by(client: OpaClient) -> Served:
    """Fetch a server's modules, and the bundles that they come from. The answer may have some megabytes.

    Raises:
        EvaluationFailedError: the server's list can't be used, or its bundles change again and again.
        NoDecision: it can't be reached.
    """
    before = await activated_by(client)
    for _ in range(_MOST_TRIES):
        modules = await _modules(client)
        # Modules and bundles are asked for one after the other.
        after = await activated_by(client)
        if after == before:
            return Served(modules, after)
        before = after
    raise EvaluationFailedError("internal", "its bundles change while they are checked")


async def activated_by(client: OpaClient) -> Bundles:
    """Ask which bundles a server has activated: two short answers. Raises as :func:`served_by` does, and ValueError."""
    revisions = bundles_of(await client.get("/v1/data/tabard/none?provenance=true", CHECK_SECONDS))
    try:
        told = (await client.get("/v1/data/system/bundles", CHECK_SECONDS)).get("result")
    except NoDecision:
        told = None
    return Bundles(revisions, told)


async def _modules(client: OpaClient) -> dict[str, str]:
    answer = await client.get("/v1/policies", CHECK_SECONDS)
    found: dict[str, str] = {}
    listed = answer.get("result") or []
    if len(listed) > MAX_FILES:
        raise EvaluationFailedError("internal", f"GET /v1/policies lists more than {MAX_FILES} modules")
    for item in listed:
        name, raw = item.get("id"), item.get("raw")
        if not isinstance(name, str) or not isinstance(raw, str):
            raise EvaluationFailedError("internal", "GET /v1/policies lists a module without its source")
        found[name] = raw
    return found
