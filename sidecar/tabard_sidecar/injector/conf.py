"""Configuration of the injector: ``injector.yaml``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.certificates.conf import ManagedForWebhook, ObjectName
from tabard_sidecar.certificates.section import MANAGED, TlsSection
from tabard_sidecar.http.conf import HttpConfig
from tabard_sidecar.injector.quantities import fault_of_bytes, fault_of_cores, quantity
from tabard_sidecar.kubernetes.conf import ApiServerConfig
from tabard_sidecar.util.addresses import Address

_NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_PRINTABLE = r"^[!-~]+$"
_UTC = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
MIN_TOKEN_SECONDS = 600
"""Shortest life of a token that Kubernetes projects."""


def _checked(fault_of: Callable[[str], str]) -> Callable[[str], str]:
    """Return what accepts the amounts in which a function finds no fault."""

    def check(text: str) -> str:
        if fault := fault_of(text):
            raise ValueError(fault.removeprefix("it "))
        return text

    return check


def _check_time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"is no time ({error}); write for example 2026-03-01T12:15:00Z") from None
    return text


Cores = Annotated[str, AfterValidator(_checked(fault_of_cores))]
Bytes = Annotated[str, AfterValidator(_checked(fault_of_bytes))]
Name = Annotated[str, Field(pattern=_NAME)]
ImageName = Annotated[str, Field(min_length=1, max_length=512, pattern=_PRINTABLE)]
Until = Annotated[str, Field(pattern=_UTC), AfterValidator(_check_time)]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
Audience = Annotated[str, Field(max_length=256, pattern=_PRINTABLE)]
TOKEN_FILE, API_TOKEN_FILE, AUTHORITY_FILE = "token", "api-token", "ca.crt"
"""Files of the sidecar's identity volume that it has in every pod."""


class WebhookConfig(TlsSection):
    """The listener that the API server calls, over TLS."""

    listen: Address = Field(default="0.0.0.0:8443", description="`host:port`; answers `POST /inject` only.")
    managed: ManagedForWebhook | None = Field(default=None, description=MANAGED)
    client_ca_file: Path | None = Field(
        default=None,
        description="PEM certificates of the authorities that sign the API server's client certificate. Then no other "
        "client is served. Without it every client in the cluster may ask; an answer changes nothing and holds no secret.",
    )
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long the injector goes on answering after a signal to stop, while it isn't ready any more.",
    )


class SidecarConfig(BaseModel):
    """The containers that are put into a pod."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: ImageName = Field(
        description="Image with Tabard on its `PATH`, best with its digest.",
    )
    former_images: dict[ImageName, Until] = Field(
        default_factory=dict,
        max_length=8,
        description="Further images that the API server's rules accept in new pods, each until a time (UTC, as in "
        "`2026-03-01T12:15:00Z`): those that injectors from before an upgrade put in until the new ones answer. "
        "`helm upgrade` sets this by itself. The injector never uses them.",
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When nodes fetch the image."
    )
    user: int = Field(
        default=65532, ge=1, le=2**31 - 1, description="User and group that the sidecar runs as."
    )
    config_maps: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        default=("tabard-config",),
        description="ConfigMaps of the pod's namespace with the key `tabard.yaml`. The first one is used unless the pod "
        "names another one of this list: who creates a pod must not choose its rules freely.",
    )
    policy_config_map: Name | None = Field(
        default="tabard-policy",
        description="ConfigMap of the pod's namespace with the policy's files. null: `tabard.yaml` names a bundle or "
        "an OPA server.",
    )
    candidate_config_map: Name | None = Field(
        default=None,
        description="ConfigMap of the pod's namespace with the files of a candidate policy, for namespaces whose `tabard.yaml` "
        "says `policy.shadow.path: /etc/tabard/candidate`. A namespace needn't have it.",
    )
    identities: Annotated[tuple[Literal["service-account", "spiffe"], ...], Field(min_length=1)] = Field(
        default=("service-account",),
        description="Where the sidecar's identity may come from: a projected token of the pod's ServiceAccount, or the SPIFFE "
        "Workload API of the section `spiffe`. The first one is used unless the pod names another one of this list.",
    )
    keys_secret: Name = Field(
        default="tabard-keys", description="Secret of the pod's namespace with the zone's keyring."
    )
    files_secret: Name | None = Field(
        default=None,
        description="Secret of the pod's namespace with files that `tabard.yaml` names below `/var/run/secrets/tabard-files`, "
        "such as `state.redis.password_file`. Then each labelled namespace needs one. Changes are followed without a restart.",
    )
    former_secrets: tuple[Name, ...] = Field(
        default=(),
        max_length=8,
        description="Former names of `keys_secret` and `files_secret`, which pods from before still mount. No other container "
        "may have them, as long as they are listed.",
    )
    http_host: Literal["0.0.0.0", "[::]"] = Field(  # noqa: S104 - the kubelet asks on the pod's address
        default="0.0.0.0",  # noqa: S104 - as above
        description="Where health and metrics are served; `[::]` in clusters with IPv6 addresses.",
    )
    http_port: int = Field(
        default=9181, ge=1024, le=65535, description="Port of health and metrics, on the pod's address."
    )
    cpu_request: Cores = Field(default="100m", description="Processor that is reserved.")
    memory_request: Bytes = Field(default="160Mi", description="Memory that is reserved.")
    memory_limit: Bytes = Field(
        default="384Mi",
        description="Most memory. A reload compiles the policy in a process of its own, beside the one that serves.",
    )
    state_size: Bytes = Field(default="1Gi", description="Most disk for a state store in the pod.")
    most_cpu: Cores = Field(default="2", description="Most processor that a pod's annotation may ask for.")
    most_memory: Bytes = Field(default="2Gi", description="Most memory that a pod's annotation may ask for.")
    most_state: Bytes = Field(default="10Gi", description="Most disk that a pod's annotation may ask for.")

    @model_validator(mode="after")
    def _request_fits(self) -> Self:
        if (quantity(self.memory_request) or 0) > (quantity(self.memory_limit) or 0):
            raise ValueError(
                f"memory_request ({self.memory_request}) is more than memory_limit ({self.memory_limit}); lower it"
            )
        return self


class ClusterConfig(BaseModel):
    """The cluster's service account tokens, which are the identity of workloads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(
        default="https://kubernetes.default.svc.cluster.local",
        max_length=512,
        pattern=_PRINTABLE,
        description="`iss` of the cluster's tokens; `kubectl get --raw /.well-known/openid-configuration` shows it.",
    )
    jwks_url: str = Field(
        default="https://kubernetes.default.svc/openid/v1/jwks",
        max_length=512,
        pattern=r"^https://[!-~]+$",
        description="Where the sidecar reads the cluster's public keys, with the pod's own token.",
    )
    trust_domain: Name = Field(default="cluster.local", description="Trust domain of the SPIFFE IDs.")
    audience: str = Field(
        default="tabard",
        max_length=256,
        pattern=_PRINTABLE,
        description="Audience of the token that proves the workload's identity. No other container may have such a token.",
    )
    former_audiences: tuple[Audience, ...] = Field(
        default=(),
        max_length=8,
        description="Former audiences of the sidecar's tokens, which pods from before still have. No other container may have "
        "a token for them, as long as they are listed.",
    )
    token_seconds: int = Field(
        default=MIN_TOKEN_SECONDS,
        ge=MIN_TOKEN_SECONDS,
        le=86400,
        description="Life of that token in seconds; the kubelet renews it.",
    )
    tokens: dict[FileName, Audience] = Field(
        default_factory=dict,
        max_length=8,
        description="Further tokens for the sidecar: the audience of each, by its file name in "
        "`/var/run/secrets/tabard`. `vault-token: tabard-vault` gives `vault.NAME.auth.token_file` a file. No other "
        "container may have a token with one of these audiences.",
    )


class SpiffeConfig(BaseModel):
    """A SPIFFE Workload API on every node, such as SPIRE's, in a CSI volume of the sidecar alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Name = Field(
        default="csi.spiffe.io", description="CSI driver of the volume with the Workload API's socket."
    )
    socket: FileName = Field(default="spire-agent.sock", description="The socket's file name in that volume.")
    trust_domain: Name | None = Field(
        default=None, description="Trust domain of the SVIDs. null: `cluster.trust_domain`."
    )
    svid: Literal["x509", "jwt"] = Field(
        default="x509",
        description="Kind of document that proves the identity. A JWT-SVID has the audience `cluster.audience`.",
    )
    agents_may_ask: bool = Field(
        default=False,
        description="Accept pods whose other containers mount a volume of the driver, too. The Workload API tells containers "
        "of a pod apart only if their entries have selectors such as `k8s:container-name`; without, they get the sidecar's SVID.",
    )


class ControlConfig(BaseModel):
    """A control service that gives every sidecar the keys of its namespace, in place of a Secret in each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(
        default=None,
        max_length=512,
        pattern=r"^https://[^/?#@\s]+$",
        description="The service, `https://tabard-control.tabard-system.svc`. Then the sidecar's zone is its namespace, "
        "`sidecar.keys_secret` isn't mounted, and nothing is prepared before the sidecar starts.",
    )
    audience: str = Field(
        default="tabard-control",
        max_length=256,
        pattern=_PRINTABLE,
        description="Audience of the token that the sidecar shows there; `cluster.audience` of the service. No other "
        "container may have such a token.",
    )
    ca_config_map: Name = Field(
        default="tabard-control-ca",
        description="ConfigMap of the pod's namespace with the key `ca.crt`: PEM certificates of the authorities that sign "
        "the service's certificate. A change is followed without a restart.",
    )


class NetworkConfig(BaseModel):
    """A NetworkPolicy of labelled namespaces, for the pods that are to have a sidecar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    egress: Annotated[tuple[dict[str, Any], ...], Field(max_length=200)] = Field(
        description="What those pods may reach, as NetworkPolicy's `egress` rules: DNS, the API server, the control service and "
        "their backends. Without any they reach nothing. Name no metadata address of a cloud.",
    )
    owner: ObjectName | None = Field(
        default=None,
        description="ClusterRole with which the policies are removed. Without one they stay when the injector goes.",
    )
    interval_seconds: int = Field(
        default=5, ge=1, le=600, description="How often namespaces and policies are looked at."
    )
    api: ApiServerConfig = Field(default_factory=ApiServerConfig, description="The API server.")


class InjectorSettings(BaseModel):
    """Everything that can be configured. Relative paths count from the file's directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exempt_namespaces: tuple[Name, ...] = Field(
        default=("kube-system", "kube-public", "kube-node-lease", "tabard-system"),
        description="Namespaces whose pods are never changed or refused. The injector's own must be one of them: else a "
        "stopped injector couldn't start again.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged, as JSON lines on standard error."
    )
    webhook: WebhookConfig
    http: HttpConfig = Field(default_factory=HttpConfig)
    sidecar: SidecarConfig
    cluster: ClusterConfig = Field(default_factory=ClusterConfig)
    control: ControlConfig = Field(default_factory=ControlConfig)
    spiffe: SpiffeConfig = Field(default_factory=SpiffeConfig)
    network: NetworkConfig | None = Field(
        default=None,
        description="NetworkPolicy `tabard-injected` of labelled namespaces, for pods that are to have a sidecar. Without this "
        "section there is none.",
    )

    @model_validator(mode="after")
    def _audiences_differ(self) -> Self:
        if self.control.audience == self.cluster.audience:
            raise ValueError(
                "control.audience and cluster.audience are the same; a token for one must not do for the other"
            )
        return self

    @model_validator(mode="after")
    def _further_tokens(self) -> Self:
        known = {
            self.cluster.audience: "cluster.audience",
            self.control.audience: "control.audience",
            self.cluster.issuer: "cluster.issuer, which every token for the API server has",
        }
        for name, audience in self.cluster.tokens.items():
            if name in {TOKEN_FILE, API_TOKEN_FILE, AUTHORITY_FILE}:
                raise ValueError(
                    f"cluster.tokens: {name} is a file of the sidecar's already; use another name"
                )
            if audience in known:
                raise ValueError(f"cluster.tokens.{name} is {known[audience]}; use an audience of its own")
        return self

    @model_validator(mode="after")
    def _secrets_differ(self) -> Self:
        if self.sidecar.files_secret == self.sidecar.keys_secret:
            raise ValueError(
                "sidecar.files_secret and sidecar.keys_secret are the same; the zone's keys have a Secret of their own"
            )
        return self

    @property
    def private_secrets(self) -> tuple[str, ...]:
        """Secrets that only the sidecar may mount."""
        files = self.sidecar.files_secret
        return (self.sidecar.keys_secret, *([files] if files else []), *self.sidecar.former_secrets)

    @property
    def private_audiences(self) -> tuple[str, ...]:
        """Audiences that only the sidecar's tokens may have."""
        tokens = sorted(set(self.cluster.tokens.values()))
        return (self.cluster.audience, self.control.audience, *tokens, *self.cluster.former_audiences)
