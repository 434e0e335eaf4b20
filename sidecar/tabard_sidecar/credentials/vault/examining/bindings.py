"""Judges whom the role of a login lets in: the sidecar alone, or others as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.examining.asking import words

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.conf import AuthConfig

# Audiences that tokens have which a platform gives to every container of a pod, and the agent's own by docs/vault.md.
_COMMON_AUDIENCES = frozenset(
    {"api", "api://AzureADTokenExchange", "k3s", "kubernetes", "sts.amazonaws.com", "tabard", "vault"}
)
_COMMON_BEGINNINGS = (
    "kubernetes.default",
    "https://container.googleapis.com/",
    "https://kubernetes",
    "https://oidc.eks.",
    "https://rke2",
)
_WILD = frozenset("*?[")


class Open(NamedTuple):
    """A way in for others: what is open, and what to write to the role so that it isn't."""

    message: str
    fields: str
    doubtful: bool = False


def audiences_of(auth: AuthConfig, role: Mapping[str, Any]) -> list[str]:
    """Return the audiences that a role binds."""
    return words(role.get(audience_field(auth)))


def audience_field(auth: AuthConfig) -> str:
    """Return the field of a role in which its audiences are."""
    return "bound_audiences" if auth.method == "jwt" else "audience"


def of_audience(auth: AuthConfig, role: Mapping[str, Any], taken: Mapping[str, str]) -> Iterator[Open]:
    """Yield why the role's audience doesn't keep other tokens of the same workload out.

    Args:
        auth: the login.
        role: what the vault says of its role.
        taken: audiences that others' tokens have, with whose they are.
    """
    audiences, fields = audiences_of(auth, role), f"{audience_field(auth)}=AUDIENCE"
    if not audiences:
        yield Open("binds no audience, so any token of the service account logs in: the agent's, too", fields)
    for audience in audiences:
        whose = taken.get(audience)
        if whose is None and (audience in _COMMON_AUDIENCES or audience.startswith(_COMMON_BEGINNINGS)):
            whose = "other tokens of the pod"
        if whose is not None:
            yield Open(f"accepts the audience {quoted(audience)}, which {whose} may have", fields)
            return


def of_workload(auth: AuthConfig, role: Mapping[str, Any]) -> Iterator[Open]:
    """Yield why the role lets other workloads in than one."""
    if auth.method == "approle":
        if role.get("bind_secret_id") is not True:
            yield Open("needs no secret id, so everyone who knows its role id logs in", "bind_secret_id=true")
    elif auth.method == "kubernetes":
        yield from _of_service_accounts(role)
    else:
        yield from _of_claims(role)


def _of_service_accounts(role: Mapping[str, Any]) -> Iterator[Open]:
    for kind in ("names", "namespaces"):
        field = f"bound_service_account_{kind}"
        bound = words(role.get(field))
        fields = f"{field}={kind.upper()[:-1]}"
        if any(_WILD & set(one) for one in bound):
            yield Open(f"accepts service accounts of any of the {kind} {_listed(bound)}", fields)
        elif len(bound) > 1:
            yield Open(
                f"accepts service accounts of {len(bound)} {kind}: {_listed(bound)}", fields, doubtful=True
            )
    if not words(role.get("bound_service_account_names")):
        yield Open("binds no name of a service account", "bound_service_account_names=NAME")
    if role.get("bound_service_account_namespace_selector"):
        message = "accepts service accounts of every namespace with certain labels"
        yield Open(message, "bound_service_account_namespace_selector=", doubtful=True)
    elif not words(role.get("bound_service_account_namespaces")):
        yield Open("binds no namespace of a service account", "bound_service_account_namespaces=NAMESPACE")


def _of_claims(role: Mapping[str, Any]) -> Iterator[Open]:
    claims = role.get("bound_claims")
    globs = role.get("bound_claims_type") == "glob"
    bound = {
        name: values
        for name, value in (claims.items() if isinstance(claims, dict) else ())
        if (values := words(value)) and not (globs and any(not one.strip("*") for one in values))
    }
    subject, subjects = role.get("bound_subject"), bound.pop("sub", [])
    if isinstance(subject, str) and subject:
        return
    if subjects:
        if len(subjects) > 1 or (globs and "*" in subjects[0]):
            yield Open(f"accepts several subjects: {_listed(subjects)}", "bound_subject=SUB", doubtful=True)
    elif bound:
        yield Open(
            f"binds no subject, so every workload logs in whose tokens have its {_listed(list(bound))}",
            "bound_subject=SUB",
            doubtful=True,
        )
    else:
        yield Open(
            "binds no subject, so every workload that gets a token for its audience logs in",
            "bound_subject=SUB",
        )


def _listed(names: list[str]) -> str:
    return quoted(", ".join(names)[:200])
