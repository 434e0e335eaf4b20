"""Builds the opa command line when the package is built or installed."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from types import ModuleType


def _source(root: str) -> tuple[Path, Path]:
    """Return the folder of go.mod and the toolchain module: of the checkout around ``root``, or of an sdist."""
    engine = Path(root).parent
    if (engine / "go" / "go.mod").is_file():
        return engine / "go", engine / "tabard_opa" / "_toolchain.py"
    return Path(root) / "go", Path(root) / "_toolchain.py"


def _load_toolchain(root: str) -> ModuleType:
    """Import the toolchain module by its path, because it belongs to another package or to none."""
    name = "_tabard_opa_toolchain"
    if name not in sys.modules:
        file = _source(root)[1]
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            message = f"{file} can't be imported"
            raise RuntimeError(message)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class CommandBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the command line beside the source for editable installs; packs it into wheels."""

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
        source, _ = _source(self.root)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tools.platform_tag()}"
        if version == "editable":
            program = Path(self.root) / "tabard_opa_cli" / "_lib" / tools.COMMAND
            tools.build_command(toolchain, source, program)
            return
        self._scratch = tempfile.TemporaryDirectory(prefix="tabard-opa-cli-")
        program = Path(self._scratch.name) / tools.COMMAND
        tools.build_command(toolchain, source, program)
        build_data["force_include"][str(program)] = f"tabard_opa_cli/_lib/{tools.COMMAND}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built for the wheel only."""
        del version, build_data, artifact_path
        scratch = getattr(self, "_scratch", None)
        if scratch is not None:
            scratch.cleanup()
