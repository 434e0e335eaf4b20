"""Puts Tabard's Rego files and schemas, which live beside the package, into what is built of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDERS = ("tabard", "schemas", "examples/quickstart", "starter")
_WITH_TESTS = {"examples/quickstart", "starter"}


class RegoBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds ``rego/tabard``, ``rego/schemas`` and what ``tabard init`` and ``tabard policy new`` write to wheels as ``tabard_sidecar/_rego`` and to sdists as ``_rego``.

    A wheel is built from the repository or from an sdist; an editable install reads the repository's ``rego/``.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Tell hatchling which files to add.

        Raises:
            FileNotFoundError: the files aren't where a repository or an sdist has them.
        """
        if version == "editable":
            return
        root = Path(self.root)
        candidates = (root.parent / "rego", root / "_rego")
        source = next((path for path in candidates if (path / "tabard" / "decision.rego").is_file()), None)
        if source is None:
            raise FileNotFoundError(
                "rego/ is missing beside sidecar/: build from the repository or from an sdist"
            )
        target = "_rego" if self.target_name == "sdist" else "tabard_sidecar/_rego"
        for folder in _FOLDERS:
            for path in sorted((source / folder).rglob("*")):
                if path.is_file() and (folder in _WITH_TESTS or not path.name.endswith("_test.rego")):
                    name = path.relative_to(source).as_posix()
                    build_data["force_include"][str(path)] = f"{target}/{name}"
