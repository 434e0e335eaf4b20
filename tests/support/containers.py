"""A container engine, and what runs in its containers. There is no network of its own: all share this machine's."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.components.ports import free_port
from tests.support.components import component

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

OPA = "openpolicyagent/opa:1.22.4"
_REGO = Path(__file__).resolve().parents[2] / "rego"
_UP_SECONDS = 60.0


@contextmanager
def container_engine(folder: Path) -> Iterator[Path]:
    """Run an engine that can start :data:`OPA` for the length of a block; its folder."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("DOCKER_HOST", component("docker.sh", "start", folder))
        # Its reaper is an image that can't be had without a registry; `stop` below removes what is left.
        patch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
        stack.callback(component, "docker.sh", "stop", folder)
        component("docker.sh", "image", folder, OPA, component("opa.sh"), "run")
        yield folder


def container(
    image: str, *command: str, environment: Mapping[str, str] | None = None, **options: object
) -> DockerContainer:
    """Make a container in this machine's network; it runs as long as its ``with`` block."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - reads the engine's address

    made = DockerContainer(image).with_kwargs(network_mode="host", **options)
    for name, value in (environment or {}).items():
        made = made.with_env(name, value)
    return made.with_command(list(command)) if command else made


@contextmanager
def opa_container(folder: Path, policy: Path) -> Iterator[str]:
    """Run an OPA server that holds Tabard's Rego and a policy; its URL. Both are copied into the folder."""
    for source, target in ((_REGO / "tabard", "tabard"), (policy, "policy")):
        shutil.copytree(source, folder / target, ignore=shutil.ignore_patterns("*_test.rego", "*_cases.yaml"))
    for path in (folder, *folder.rglob("*")):  # the container's user is another one
        path.chmod(0o755 if path.is_dir() else 0o644)
    url = f"http://127.0.0.1:{free_port()}"
    address = url.removeprefix("http://")
    serve = ("run", "--server", "--disable-telemetry", "--addr", address, "/rego/tabard", "/rego/policy")
    with container(OPA, *serve).with_volume_mapping(str(folder), "/rego", "ro") as server:
        wait_until_up(server, lambda: requests.get(f"{url}/health", timeout=10).raise_for_status())
        yield url


def wait_until_up(server: DockerContainer, ask: Callable[[], object]) -> None:
    """Wait until a question to a container's server raises nothing any more.

    Raises:
        RuntimeError: it doesn't come up; the message holds its log.
    """
    until = time.monotonic() + _UP_SECONDS
    while True:
        try:
            ask()
        except Exception as error:
            if time.monotonic() > until:
                raise RuntimeError(f"the container's server didn't start: {server.get_logs()}") from error
            time.sleep(0.05)
        else:
            return
