"""Examines a cluster: the checks, in the order in which they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from tabard_sidecar.cluster.api import Api
from tabard_sidecar.cluster.installed import (
    NotInstalledError,
    check_control,
    check_deployment,
    check_server,
    read_settings,
    read_spaces,
)
from tabard_sidecar.cluster.model import INJECTOR, Release, unreadable
from tabard_sidecar.cluster.network import check_network
from tabard_sidecar.cluster.rights import check_rights
from tabard_sidecar.cluster.spaces import check_pods, check_spaces
from tabard_sidecar.cluster.trying import check_injection, check_refusals
from tabard_sidecar.cluster.webhook import check_rules, check_webhook
from tabard_sidecar.kubernetes.api import ApiError
from tabard_sidecar.util.findings import Finding, problem

_CHECKS: dict[str, Callable[[Api, Release], Awaitable[list[Finding]]]] = {
    "webhook": check_webhook,
    "injection": check_injection,
    "rules": check_rules,
    "refusals": check_refusals,
    "namespaces": check_spaces,
    "pods": check_pods,
    "rights": check_rights,
    "network": check_network,
}


async def examine_cluster(api: Api, namespace: str) -> AsyncIterator[Finding]:
    """Yield what is found. Nothing of the cluster is changed: pods and tokens are tried as dry runs.

    Args:
        api: asks the API server.
        namespace: the release's.

    Raises:
        ApiError: the API server isn't reached.
    """
    yield await check_server(api)
    try:
        settings = await read_settings(api, namespace)
        spaces, wrong = await read_spaces(api, settings)
    except NotInstalledError as error:
        yield error.finding
        return
    except ApiError as error:
        said = unreadable("injector", error)
        yield problem(said.what, said.message, said.next_step)
        return
    release = Release(namespace, settings, spaces)
    waiting = [("injector", asyncio.ensure_future(_injector(api, namespace)))]
    if settings.control.url is not None:
        waiting.append(("control service", asyncio.ensure_future(check_control(api, namespace))))
    waiting += [(what, asyncio.ensure_future(check(api, release))) for what, check in _CHECKS.items()]
    try:
        for what, running in waiting:
            try:
                found = await running
            except ApiError as error:
                found = [unreadable(what, error)]
            for one in found:
                yield one
            if what == "namespaces":
                for one in wrong:
                    yield one
    finally:
        for _, running in waiting:
            running.cancel()


async def _injector(api: Api, namespace: str) -> list[Finding]:
    return [await check_deployment(api, namespace, INJECTOR, "injector")]
