"""Describes the policy of an OPA server, and the names by which its answers tell that it is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property

from tabard_sidecar.policy.values import Json

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


class Served:
    """A policy as a server has it.

    Args:
        modules: sources by the server's names for them.
        bundles: the revision of each bundle.
        roots: the paths that bundles own.
    """

    def __init__(self, modules: Mapping[str, str], bundles: Mapping[str, str], roots: frozenset[str]) -> None:
        self.modules = modules
        self.bundles = bundles
        self._roots = roots

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
        return all(self.bundles.values()) and all(map(self._owns, {*_EVALUATED, *packages}))

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
        roots = [one.strip("/") for one in self._roots]
        return any(root in {"", path} or path.startswith(f"{root}/") for root in roots)
