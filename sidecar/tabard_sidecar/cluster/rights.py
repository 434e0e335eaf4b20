"""Finds who may do what would undo the zone's protection: read its keys, enter the sidecar, or change the rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NamedTuple

from tabard_sidecar.cluster.api import Api, listed
from tabard_sidecar.cluster.model import CONTROL, INJECTOR, Release, dig, items, name_of, several
from tabard_sidecar.kubernetes.api import Object
from tabard_sidecar.util.findings import Finding, ok, warning

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_MASTERS = "tabard-control-masters"
_CERTIFICATES = "tabard-injector-certificates"
_READING, _CHANGING = {"get", "list", "watch"}, {"update", "patch", "delete", "deletecollection"}
_ADMISSION = {
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
}


class Wish(NamedTuple):
    """Something that only few may do."""

    text: str
    group: str
    resources: frozenset[str]
    verbs: frozenset[str]
    name: str
    namespace: str
    """Empty for objects of the cluster."""
    allowed: frozenset[str]
    """Subjects that need it."""


class Grant(NamedTuple):
    """A role as it is bound: who, what, and where; an empty namespace is the whole cluster."""

    subject: str
    rules: tuple[Object, ...]
    namespace: str


async def check_rights(api: Api, release: Release) -> list[Finding]:
    """Return who may do more than they need. Who is an administrator of the whole cluster by design isn't told.

    Raises:
        ApiError: roles can't be read.
    """
    grants = [grant async for grant in _grants(api, release)]
    found = []
    for wish in _wishes(release):
        who = sorted({one.subject for one in grants if _gives(one, wish)} - wish.allowed)
        if who:
            step = "See which of them need it, and take the role from the others: kubectl get rolebindings,clusterrolebindings"
            found.append(warning("rights", f"{several(who)} may {wish.text}", step))
    return found or [ok("rights", "only who has to may read keys, enter sidecars or change the rules")]


def _wishes(release: Release) -> Iterator[Wish]:
    own = release.namespace
    injector, control = (f"ServiceAccount {own}/{name}" for name in (INJECTOR, CONTROL))
    secrets = (frozenset({"secrets"}), frozenset(_READING))
    if release.settings.control.url is None:
        keys = release.settings.sidecar.keys_secret
        for space in release.spaces:
            if space.opted_in:
                text = f"read the zone's keys (Secret {space.name}/{keys})"
                yield Wish(text, "", *secrets, keys, space.name, frozenset())
    else:
        text = f"read the keys of all zones (Secret {own}/{_MASTERS})"
        yield Wish(text, "", *secrets, _MASTERS, own, frozenset({control}))
    text = f"read the injector's authority (Secret {own}/{_CERTIFICATES})"
    yield Wish(text, "", *secrets, _CERTIFICATES, own, frozenset({injector}))
    text = "change the webhook or the API server's rules"
    group = "admissionregistration.k8s.io"
    yield Wish(text, group, frozenset(_ADMISSION), frozenset(_CHANGING), "tabard-", "", frozenset({injector}))
    text = f"run commands in containers of {own}"
    entering = frozenset({"pods/exec", "pods/attach", "pods/ephemeralcontainers"})
    yield Wish(text, "", entering, frozenset({"create", "get", "patch", "update"}), "", own, frozenset())


async def _grants(api: Api, release: Release) -> AsyncIterator[Grant]:
    """Yield every role that is bound in the whole cluster, in the release's or a labelled namespace."""
    roles = {f"ClusterRole {name_of(one)}": one async for one in listed(api, f"{_RBAC}/clusterroles")}
    async for one in listed(api, f"{_RBAC}/clusterrolebindings"):
        for grant in _bound(one, roles, ""):
            yield grant
    for space in {release.namespace, *(space.name for space in release.spaces if space.opted_in)}:
        place = f"{_RBAC}/namespaces/{space}"
        own = {f"Role {name_of(one)}": one async for one in listed(api, f"{place}/roles")}
        async for one in listed(api, f"{place}/rolebindings"):
            for grant in _bound(one, roles | own, space):
                yield grant


def _bound(binding: Object, roles: Mapping[str, Object], namespace: str) -> Iterator[Grant]:
    role = roles.get(f"{dig(binding, 'roleRef', 'kind')} {dig(binding, 'roleRef', 'name')}")
    rules = tuple(items(role, "rules"))
    for subject in items(binding, "subjects"):
        name = _subject(subject, namespace)
        if rules and name:
            yield Grant(name, rules, namespace)


def _subject(subject: Object, namespace: str) -> str:
    """Return who it is; empty for Kubernetes' own parts and for those who may do everything by design."""
    kind, name = str(subject.get("kind")), str(subject.get("name"))
    if kind == "ServiceAccount":
        space = str(subject.get("namespace") or namespace)
        return "" if space == "kube-system" else f"{kind} {space}/{name}"
    # The groups of all who can log in, and of all ServiceAccounts, begin in the same way as those of its own parts.
    wide = ("system:authenticated", "system:unauthenticated", "system:anonymous", "system:serviceaccount")
    own = name.startswith("system:") and not name.startswith(wide)
    return "" if own else f"{kind} {name}"


def _gives(grant: Grant, wish: Wish) -> bool:
    """Whether a bound role allows what is wished."""
    if grant.namespace not in {"", wish.namespace}:
        return False
    return any(_allows(rule, wish) for rule in grant.rules)


def _allows(rule: Object, wish: Wish) -> bool:
    groups, verbs = set(rule.get("apiGroups") or ()), set(rule.get("verbs") or ())
    resources, named = set(rule.get("resources") or ()), set(rule.get("resourceNames") or ())
    parts = {f"*/{resource.partition('/')[2]}" for resource in wish.resources if "/" in resource}
    return (
        bool(groups & {"*", wish.group})
        and bool(verbs & {"*", *wish.verbs})
        and bool(resources & {"*", *wish.resources, *parts})
        and (not named or any(name.startswith(wish.name) for name in named if wish.name))
    )
