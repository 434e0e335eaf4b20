"""A container engine, and OPA servers in containers on it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
import requests
from testcontainers.core.container import DockerContainer

from tests.support.components import component

REGO = Path(__file__).resolve().parents[3] / "rego"


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running container engine that can start ``openpolicyagent/opa``; its folder."""
    folder = tmp_path_factory.mktemp("docker")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("DOCKER_HOST", component("docker.sh", "start", folder))
        # Its reaper is an image that can't be had without a registry; `stop` below removes what is left.
        patch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
        stack.callback(component, "docker.sh", "stop", folder)
        component("docker.sh", "image", folder, IMAGE, component("opa.sh"), "run")
        yield folder


IMAGE = "openpolicyagent/opa:1.22.4"


@pytest.fixture(scope="session")
def opa_server(containers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Starts an OPA server that holds Tabard's Rego and a policy, one for each policy; gives its URL."""
    del containers
    with ExitStack() as stack:

        @cache
        def start(policy: Path) -> str:
            folder = tmp_path_factory.mktemp("opa")
            for source, target in ((REGO / "tabard", "tabard"), (policy, "policy")):
                shutil.copytree(
                    source, folder / target, ignore=shutil.ignore_patterns("*_test.rego", "*_cases.yaml")
                )
            for path in (folder, *folder.rglob("*")):  # the container's user is another one
                path.chmod(0o755 if path.is_dir() else 0o644)
            port = _free_port()
            container = (
                DockerContainer(IMAGE)
                .with_kwargs(network_mode="host")
                .with_volume_mapping(str(folder), "/rego", "ro")
                .with_command(
                    f"run --server --disable-telemetry --addr 127.0.0.1:{port} /rego/tabard /rego/policy"
                )
            )
            stack.enter_context(container)
            url = f"http://127.0.0.1:{port}"
            _wait(url, container)
            return url

        yield start


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait(url: str, container: DockerContainer) -> None:
    session = requests.Session()
    session.mount(
        "http://", requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(50, backoff_factor=0.02))
    )
    try:
        session.get(f"{url}/health", timeout=10).raise_for_status()
    except requests.RequestException as error:
        raise RuntimeError(f"OPA didn't start: {container.get_logs()}") from error
