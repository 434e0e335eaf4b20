"""Chooses the way to the API server: kubectl, or a pod's own ServiceAccount where there is no kubeconfig."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tabard_sidecar.cluster.api import Api, InPod
from tabard_sidecar.cluster.kubectl import through_kubectl
from tabard_sidecar.kubernetes.api import ApiServer
from tabard_sidecar.kubernetes.conf import ACCOUNT, ApiServerConfig

_SECONDS = 20.0
_USUAL = Path(".kube") / "config"


@asynccontextmanager
async def reached(kubeconfig: Path | None, context: str) -> AsyncIterator[Api]:
    """Give what asks the API server, for the length of a block.

    Args:
        kubeconfig: the file that was named.
        context: the context that was named; empty for the file's current one.

    Raises:
        ApiError: kubectl can't be started.
    """
    found = kubeconfig is not None or context or os.environ.get("KUBECONFIG")
    if found or (Path.home() / _USUAL).exists() or not (ACCOUNT / "token").exists():
        async with through_kubectl(kubeconfig, context) as asked:
            yield asked
        return
    server = ApiServer(ApiServerConfig(timeout_seconds=_SECONDS))
    try:
        yield InPod(server)
    finally:
        server.close()
