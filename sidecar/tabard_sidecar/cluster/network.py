"""Examines what limits the addresses that pods with a sidecar reach."""

from __future__ import annotations

from tabard_sidecar.cluster.api import Api, listed
from tabard_sidecar.cluster.comparing import differences
from tabard_sidecar.cluster.model import INJECTOR, Release, Space, dig, name_of, several
from tabard_sidecar.injector.conf import NetworkConfig
from tabard_sidecar.injector.names import NETWORK_POLICY
from tabard_sidecar.injector.network import policy_spec
from tabard_sidecar.kubernetes.api import Object
from tabard_sidecar.util.findings import Finding, ok, warning


async def check_network(api: Api, release: Release) -> list[Finding]:
    """Return whether something limits what pods with a sidecar reach, and whether the injector's own policy is in place.

    Raises:
        ApiError: NetworkPolicies can't be read.
    """
    free, lacking, other = [], [], []
    kept = release.settings.network
    for space in release.spaces:
        path = f"/apis/networking.k8s.io/v1/namespaces/{space.name}/networkpolicies"
        policies = [one async for one in listed(api, path)]
        limited = any("Egress" in (dig(one, "spec", "policyTypes") or ()) for one in policies)
        own = next((one for one in policies if name_of(one) == NETWORK_POLICY), None)
        if space.opted_in and not limited:
            free.append(space.name)
        elif kept is not None and own is None:
            lacking.append(space.name)
        elif kept is not None and own is not None and not _as_kept(own, space, kept):
            other.append(space.name)
    found = []
    step = _LOOK.format(own=release.namespace)
    if free:
        text = f"pods of {several(free)} reach every address, among them those of the cloud's metadata"
        found.append(warning("network", text, step if kept is not None else _ENABLE))
    if lacking:
        text = f"the injector hasn't written the NetworkPolicy {NETWORK_POLICY} in {several(lacking)}"
        found.append(warning("network", text, step))
    if other:
        text = f"the NetworkPolicy {NETWORK_POLICY} of {several(other)} isn't as the injector writes it"
        found.append(warning("network", text, step))
    opted_in = sum(space.opted_in for space in release.spaces)
    return found or [ok("network", f"each of {opted_in} labelled namespaces limits what its pods reach")]


_ENABLE = "Set networkPolicy.enabled and networkPolicy.labelledNamespaces of the chart."
_LOOK = (
    "The injector writes it within seconds. If it can't, the metric "
    "tabard_injector_network_failing_since_timestamp_seconds isn't 0, and the log says why: kubectl --namespace {own} logs "
    f"deployment/{INJECTOR}"
)


def _as_kept(found: Object, space: Space, config: NetworkConfig) -> bool:
    return not any(differences(policy_spec(space.label, config.egress), found.get("spec")))
