"""Configuration of certificates that are made and renewed by the process itself."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.kubernetes.conf import ApiServerConfig

_OBJECT = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_LOOKS = 3


def _check_name(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if _HOST.fullmatch(text) is None:
            raise ValueError("is neither a DNS name in small letters nor an IP address") from None
        return text


ObjectName = Annotated[str, Field(pattern=_OBJECT)]
HostName = Annotated[str, AfterValidator(_check_name)]


class ManagedConfig(BaseModel):
    """A certificate that the process makes and renews by itself, with an authority of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: ObjectName = Field(
        description="Secret with authority and certificate, of which all replicas have the same. It may be empty at first. "
        "No one else writes to it, except for the annotation `tabard.dev/rotate`.",
    )
    namespace: ObjectName | None = Field(
        default=None, description="Namespace of the Secret. Default: the one of the pod's ServiceAccount."
    )
    names: Annotated[tuple[HostName, ...], Field(min_length=1, max_length=16)] = Field(
        description="DNS names and IP addresses by which clients call, such as `SERVICE.NAMESPACE.svc`.",
    )
    overlap_seconds: int = Field(
        default=600,
        ge=3,
        le=7 * 86400,
        description="How long a new authority is published before it signs, and a former one afterwards. At least three "
        "times `interval_seconds`.",
    )
    interval_seconds: int = Field(
        default=10, ge=1, le=600, description="How often the Secret and what is published are looked at."
    )
    authority_days: int = Field(
        default=365, ge=3, le=3650, description="Life of an authority; the next one is made at a third left."
    )
    certificate_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Life of a certificate, at most a third of the authority's; renewed at a third left.",
    )
    api: ApiServerConfig = Field(default_factory=ApiServerConfig, description="The API server.")

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.overlap_seconds < _LOOKS * self.interval_seconds:
            raise ValueError(
                f"overlap_seconds is less than {_LOOKS} times interval_seconds; replicas would learn of an authority too late"
            )
        if self.certificate_days * 3 > self.authority_days:
            raise ValueError("certificate_days is more than a third of authority_days")
        return self


class ManagedForWebhook(ManagedConfig):
    """A certificate that the API server checks: its authority is in a webhook configuration."""

    webhook_configuration: ObjectName = Field(
        description="MutatingWebhookConfiguration whose `caBundle` is kept in step with the authorities. Apply it without one.",
    )


class ManagedForPods(ManagedConfig):
    """A certificate that pods check: its authority is in a ConfigMap of their namespaces."""

    config_map: ObjectName = Field(
        default="tabard-control-ca",
        description="ConfigMap with the key `ca.crt`, in the Secret's namespace and in those with the label `tabard.dev/inject`, "
        "whatever its value, and where it is already; the same as `control.ca_config_map` of the injector. No one else writes "
        "to it.",
    )
    owner: ObjectName | None = Field(
        default=None,
        description="ClusterRole with which the ConfigMaps are removed. Without one they stay when the service goes.",
    )
