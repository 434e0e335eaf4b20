"""Builds the engine's library when the package is built or installed."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from types import ModuleType


def _load_toolchain(root: str) -> ModuleType:
    """Import the toolchain module by its path, because the package can't be imported before it is built."""
    name = "_tabard_opa_toolchain"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(root) / "tabard_opa" / "_toolchain.py")
        if spec is None or spec.loader is None:
            message = f"{root} holds no tabard_opa/_toolchain.py"
            raise RuntimeError(message)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class EngineBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the library beside the source for editable installs; packs it into wheels."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return PyPI's packages of Go and a C compiler as build requirements, if this machine lacks them."""
        if self.target_name != "wheel":
            return []
        return list(_load_toolchain(self.root).missing_requirements())

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and set the files and the tag of the wheel."""
        if self.target_name != "wheel":
            return
        tools = _load_toolchain(self.root)
        toolchain = tools.find_toolchain()
        source = Path(self.root) / "go"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tools.platform_tag()}"
        if version == "editable":
            tools.build_library(toolchain, source, Path(self.root) / "tabard_opa" / "_lib" / tools.LIBRARY)
            return
        self._scratch = tempfile.TemporaryDirectory(prefix="tabard-opa-")
        library = Path(self._scratch.name) / tools.LIBRARY
        tools.build_library(toolchain, source, library)
        build_data["force_include"][str(library)] = f"tabard_opa/_lib/{tools.LIBRARY}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built for the wheel only."""
        del version, build_data, artifact_path
        scratch = getattr(self, "_scratch", None)
        if scratch is not None:
            scratch.cleanup()
