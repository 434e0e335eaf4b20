"""What is installed in the image, as folders: one tree for each platform, laid out without running any of it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from k8s.image.docker import Base, ImageError, run_python

HOME = Path("opt/tabard")
"""A virtual environment: the interpreter is the base image's."""

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

EXTRAS = ("spiffe", "vault")
"""All that a sidecar may be configured to use; what only authors of policies need stays outside."""

_OWN = ("tabard", "tabard-sidecar", "tabard-opa")

_LAUNCHER = """\
#!/{home}/bin/python -I
import sys

from tabard_sidecar.cli import main

sys.exit(main())
"""

# Runs in the base image: sources of packages in, bytecode out, both as tar archives. The base may come without
# bytecode of its own, and a start would compile half of the standard library; those files keep a digest of their
# source, in case that another platform's base differs.
_COMPILE = """\
import compileall, io, os, py_compile, sys, sysconfig, tarfile
modes = py_compile.PycInvalidationMode
tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())).extractall("/", filter="data")
wanted = {sys.argv[1]: modes.UNCHECKED_HASH}
standard = sysconfig.get_path("stdlib")
if not os.path.isdir(os.path.join(standard, "__pycache__")):
    wanted[standard] = modes.CHECKED_HASH
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as made:
    for place, mode in wanted.items():
        if not compileall.compile_dir(place, quiet=1, maxlevels=30, invalidation_mode=mode):
            sys.exit("a module doesn't compile")
        for folder, _, names in os.walk(place):
            if os.path.basename(folder) == "__pycache__":
                made.add(folder)
"""


def lay_out(
    context: Path, base: Base, architectures: list[str], *, wheels: Path, uv: str, epoch: int
) -> None:
    """Write the build context anew: everything that the image adds to its base.

    Args:
        context: the folder; it is replaced.
        base: the base image, whose Python the packages are chosen for.
        architectures: names of platforms, as in :data:`MACHINES`.
        wheels: where ``make wheels`` put our own packages.
        uv: the program.
        epoch: the time of every file, in seconds since 1970.

    Raises:
        ImageError: a package can't be had for a platform, or a module doesn't compile.
    """
    shutil.rmtree(context, ignore_errors=True)
    for architecture in architectures:
        root = context / architecture
        _install(root, base, MACHINES[architecture], wheels, uv)
        _compile(root, base)
        _settle(root, epoch)


def _install(root: Path, base: Base, machine: str, wheels: Path, uv: str) -> None:
    packages = root / HOME / f"lib/python{base.version}/site-packages"
    packages.mkdir(parents=True)
    chosen = (
        *("pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"),
        *("--python-version", base.version, "--python-platform", f"{machine}-manylinux_2_28"),
        *("--target", str(packages)),
    )
    locked = root.parent / "requirements.txt"
    locked.write_text(
        _uv(uv, "export", "--frozen", "--no-default-groups", "--no-emit-workspace", "--no-annotate", "--no-header",
            "--package", "tabard-sidecar", *(word for extra in EXTRAS for word in ("--extra", extra)))
    )  # fmt: skip
    _uv(uv, *chosen, "--require-hashes", "--requirements", str(locked))
    locked.unlink()
    # uv's cache knows these by name and version, which stay while they change.
    _uv(uv, *chosen, "--no-cache", "--no-index", "--find-links", str(wheels), *_OWN)
    # The programs of packages name the interpreter of this machine.
    shutil.rmtree(packages / "bin", ignore_errors=True)
    (packages / ".lock").unlink(missing_ok=True)
    programs = root / HOME / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(base.interpreter)
    (programs / "tabard").write_text(_LAUNCHER.format(home=HOME))
    (programs / "tabard").chmod(0o755)
    (root / HOME / "pyvenv.cfg").write_text(
        f"home = {Path(base.interpreter).parent}\ninclude-system-site-packages = false\nversion = {base.version}\n"
    )
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/tabard").symlink_to(f"/{HOME}/bin/tabard")


def _uv(uv: str, *arguments: str) -> str:
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(f"`uv {' '.join(arguments[:2])}` failed: {done.stderr.strip()}")
    return done.stdout


def _compile(root: Path, base: Base) -> None:
    """Let the base's own Python make the bytecode, since a sidecar can't write it: its root is read-only."""
    sources = io.BytesIO()
    with tarfile.open(fileobj=sources, mode="w") as archive:
        for path in sorted(root.rglob("*.py")):
            archive.add(path, path.relative_to(root))
    made = run_python(base.name, _COMPILE, f"/{HOME}", given=sources.getvalue())
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        archive.extractall(root, filter="data")


def _settle(root: Path, epoch: int) -> None:
    """Give every file the mode and time that it has on any machine."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
