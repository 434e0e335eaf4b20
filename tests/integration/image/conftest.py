"""The image as `make image` builds it, and a zone whose every part is a container."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.components import component
from tests.support.containers import container_engine

ROOT = Path(__file__).resolve().parents[3]
BASE = "tabard-base:test"


def make_image(**variables: str) -> dict[str, Any]:
    """Build as a user does; return what was built."""
    command = [
        *("make", "--no-print-directory", "--silent", "image", f"BASE={BASE}", "ARGS=--json"),
        *(f"{name}={value}" for name, value in variables.items()),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running container engine with the base image; its folder."""
    with container_engine(tmp_path_factory.mktemp("docker")) as folder:
        component("docker.sh", "base", folder, BASE)
        yield folder


@pytest.fixture(scope="session")
def image(engine: Path) -> dict[str, Any]:
    """What `make image` built and loaded into the engine."""
    del engine
    return make_image()


@pytest.fixture(scope="session")
def built_again(image: dict[str, Any]) -> dict[str, Any]:
    """The same image, built by another user's habits, beside that of another platform."""
    del image
    before = os.umask(0o077)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TZ", "Pacific/Auckland")
            patch.setenv("LC_ALL", "C")
            patch.setenv("PYTHONHASHSEED", "7")
            return make_image(ARCHITECTURES="amd64,arm64")
    finally:
        os.umask(before)
