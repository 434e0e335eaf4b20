"""A container engine, and OPA servers in containers on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.support.containers import container_engine, opa_container


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running container engine that can start OPA; its folder."""
    with container_engine(tmp_path_factory.mktemp("docker")) as folder:
        yield folder


@pytest.fixture(scope="session")
def opa_server(containers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Starts an OPA server that holds Tabard's Rego and a policy, one for each policy; gives its URL."""
    del containers
    with ExitStack() as stack:

        @cache
        def start(policy: Path) -> str:
            return stack.enter_context(opa_container(tmp_path_factory.mktemp("opa"), policy))

        yield start
