"""The container engine, through its own command line: which builder and which server are the user's choice."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


class ImageError(Exception):
    """The image can't be built; the message says what to do."""


@dataclass(frozen=True)
class Base:
    """What the build has to know of the base image."""

    name: str
    architecture: str
    """As container engines spell it: ``amd64``."""
    layers: int
    interpreter: str
    """The path of its ``python3``."""
    version: str
    """Of Python, such as ``3.13``."""


def docker(*arguments: str | Path, given: bytes | None = None) -> bytes:
    """Run ``docker``; return what it printed.

    Args:
        arguments: the words after ``docker``.
        given: its standard input.

    Raises:
        ImageError: it isn't installed, or it failed.
    """
    command = ["docker", *map(str, arguments)]
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False)
    except FileNotFoundError:
        raise ImageError("There is no `docker` on PATH. Install Docker, or Podman's `docker`.") from None
    if done.returncode != 0:
        told = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ImageError(f"`{' '.join(command[:2])}` failed: {told}")
    return done.stdout


def probe(name: str) -> Base:
    """Ask a base image's Python what it is. The engine pulls the image if it doesn't have it.

    Raises:
        ImageError: it can't be had, or has no ``python3`` on its ``PATH``.
    """
    told = run_python(name, "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])")
    interpreter, version = told.decode().split()
    [found] = json.loads(docker("image", "inspect", name))
    return Base(name, found["Architecture"], len(found["RootFS"]["Layers"]), interpreter, version)


def run_python(image: str, program: str, *arguments: str, given: bytes = b"") -> bytes:
    """Run a program with an image's Python, without a network; return what it wrote."""
    return docker(
        *("run", "--rm", "--interactive", "--network", "none", "--user", "0:0", "--entrypoint", "python3"),
        *(image, "-I", "-B", "-c", program, *arguments),
        given=given,
    )


def build(context: Path, tag: str, arguments: dict[str, str]) -> None:
    """Build the image of a context with the Dockerfile beside this module."""
    docker(
        *("build", "--quiet", "--file", Path(__file__).with_name("Dockerfile")),
        *("--tag", tag),
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        context,
    )
