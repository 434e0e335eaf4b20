"""An empty environment outside the checkout, into which the built wheels were installed as the README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
Shell = Callable[[str], str]
INSTALL_SECONDS: list[float] = []
"""How long the README's installation took."""


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of one language, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def block(language: str, containing: str) -> str:
    """Return the README's block of a language that holds a text; there has to be exactly one."""
    [found] = [text for text in blocks(language) if containing in text]
    return found


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Runs a shell script where the wheels are installed, in a folder that has nothing to do with the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "dist").symlink_to(ROOT / "dist")
    (folder / "run").mkdir(mode=0o700)
    inherited = {
        name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "LC_", "LANG", "SSL_"))
    }
    environment = {
        **inherited,
        # The README makes the virtual environment; before, python3 is the interpreter that runs the tests.
        "PATH": f"{folder}/.venv/bin:{Path(sys._base_executable).parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "run"),
    }

    def shell(script: str) -> str:
        answer = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert answer.returncode == 0, f"{script}\n{answer.stdout}\n{answer.stderr}"
        return answer.stdout

    install = block("sh", "pip install")
    # The make target already ran: it is what puts the wheels there, and pip would build nothing from the checkout.
    assert install.startswith("make wheels\n")
    begun = time.monotonic()
    shell(install.removeprefix("make wheels\n"))
    INSTALL_SECONDS.append(time.monotonic() - begun)
    return shell
