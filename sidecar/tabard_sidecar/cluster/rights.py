"""Finds who may do what would undo the zone's protection: read its keys, enter the sidecar, or change the rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NamedTuple

from tabard_sidecar.cluster.api import Api, listed
from tabard_sidecar.cluster.model import CONTROL, INJECTOR, Release, dig, items, name_of, several
from tabard_sidecar.cluster.own_rules import DOCTOR, binds_doctor
from tabard_sidecar.kubernetes.api import Object
from tabard_sidecar.util.findings import Finding, ok, warning

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_FOLDED = 4
"""Who may do more than so many things is told once, with all of them."""
_STEP = "See which of them need it, and take the role from the others: kubectl get rolebindings,clusterrolebindings"


def _some(*names: str) -> frozenset[str]:
    return frozenset(names)


_READING, _CHANGING = _some("get", "list", "watch"), _some("update", "patch", "delete", "deletecollection")
_WORKLOADS = _some("deployments", "daemonsets", "statefulsets", "replicasets")


class Reach(NamedTuple):
    """A right that reaches the release or the whole cluster.

    Attributes:
        text: what may be done with it; ``{own}`` stands for the release's namespace.
        group: API group.
        resources: kinds of objects.
        verbs: any of them is enough.
        name: what the object's name begins with; empty for any object.
        own: whether only objects of the release's namespace count.
        needed: whether the release's own ServiceAccounts need it.
        tried: whether the doctor's own ServiceAccount tries it, and nothing comes of that.
    """

    text: str
    group: str
    resources: frozenset[str]
    verbs: frozenset[str]
    name: str = ""
    own: bool = True
    needed: bool = False
    tried: bool = False


class Wish(NamedTuple):
    """Something that only few may do."""

    text: str
    group: str
    resources: frozenset[str]
    verbs: frozenset[str]
    name: str
    """What the object's name begins with; empty for any object."""
    namespace: str
    """Empty for objects of the cluster."""
    allowed: frozenset[str]
    """Subjects that need it."""
    tried: bool = False
    """Whether the doctor tries it, bound by rules of its own."""


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
    held: dict[str, list[str]] = {}
    bound = {await _bound_doctor(api, release, grants)}
    for wish in _wishes(release):
        needed = wish.allowed | bound if wish.tried else wish.allowed
        for who in {one.subject for one in grants if _gives(one, wish)} - needed:
            held.setdefault(who, []).append(wish.text)
    found = [
        warning("rights", f"{who} may {'; '.join(sorted(texts))}", _STEP)
        for who, texts in sorted(held.items())
        if len(texts) > _FOLDED
    ]
    few: dict[str, list[str]] = {}
    for who, texts in sorted(held.items()):
        for text in texts if len(texts) <= _FOLDED else ():
            few.setdefault(text, []).append(who)
    found += [warning("rights", f"{several(who)} may {text}", _STEP) for text, who in few.items()]
    return found or [ok("rights", "only who has to may read keys, enter sidecars or change the rules")]


async def _bound_doctor(api: Api, release: Release, grants: list[Grant]) -> str:
    """Return the ServiceAccount whose creations are tried only, if the API server's rules see to that; else nothing."""
    doctor = f"ServiceAccount {release.namespace}/{DOCTOR}"
    known = any(one.subject == doctor for one in grants)
    return doctor if known and await binds_doctor(api, release.namespace, release.settings.sidecar) else ""


def _wishes(release: Release) -> Iterator[Wish]:
    own = release.namespace
    injector, control = (f"ServiceAccount {own}/{name}" for name in (INJECTOR, CONTROL))
    secrets = (_some("secrets"), _READING)
    private = release.settings.private_secrets
    if release.settings.control.url is not None:
        private = tuple(name for name in private if name != release.settings.sidecar.keys_secret)
    for space in release.spaces:
        for name in private if space.opted_in else ():
            text = f"read the zone's keys (Secret {space.name}/{name})"
            if name != release.settings.sidecar.keys_secret:
                text = f"read what the sidecars read (Secret {space.name}/{name})"
            yield Wish(text, "", *secrets, name, space.name, frozenset())
    for one in _REACHES:
        yield Wish(
            one.text.format(own=own),
            one.group,
            one.resources,
            one.verbs,
            one.name,
            own if one.own else "",
            frozenset({injector, control}) if one.needed else frozenset(),
            one.tried,
        )


_ADMINISTERED = "admissionregistration.k8s.io"
_REACHES = (
    Reach(
        "change the webhook or the API server's rules",
        _ADMINISTERED,
        _some(
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ),
        _CHANGING,
        name="tabard-",
        own=False,
        needed=True,
    ),
    Reach(
        "add webhooks that change pods and Secrets",
        _ADMINISTERED,
        _some(
            "mutatingwebhookconfigurations", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"
        ),
        _some("create"),
        own=False,
    ),
    Reach("act as others", "", _some("users", "groups", "serviceaccounts"), _some("impersonate"), own=False),
    Reach(
        "give themselves any right",
        "rbac.authorization.k8s.io",
        _some("clusterroles", "roles"),
        _some("bind", "escalate"),
        own=False,
    ),
    Reach("enter every container by its node", "", _some("nodes/proxy"), _some("get", "create"), own=False),
    Reach("take the label from a namespace", "", _some("namespaces"), _some("update", "patch"), own=False),
    Reach(
        "run commands in containers of {own}",
        "",
        _some("pods/exec", "pods/attach", "pods/ephemeralcontainers"),
        _some("create", "get", "patch", "update"),
    ),
    Reach("start pods in {own}", "", _some("pods"), _some("create"), tried=True),
    Reach("start workloads in {own}", "apps", _WORKLOADS, _some("create", "update", "patch")),
    Reach("start jobs in {own}", "batch", _some("jobs", "cronjobs"), _some("create", "update", "patch")),
    Reach(
        "have tokens of {own}'s ServiceAccounts",
        "",
        _some("serviceaccounts/token"),
        _some("create"),
        tried=True,
    ),
    Reach("change the Secrets of {own}", "", _some("secrets"), _CHANGING, "tabard-", needed=True),
    Reach("change the configuration of {own}", "", _some("configmaps"), _CHANGING, "tabard-", needed=True),
    Reach(
        "read the Secrets of {own}, among them all zones' keys and the authorities",
        "",
        _some("secrets"),
        _READING,
        "tabard-",
        needed=True,
    ),
)


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
        and (not named or any(name.startswith(wish.name) for name in named))
    )
