"""Configuration of the keyring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        whole = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.username is not None or parts.query or parts.fragment or parts.path.strip("/"):
        raise ValueError("must be https://HOST or https://HOST:PORT, nothing more")
    return url.rstrip("/")


class ControlKeysConfig(BaseModel):
    """A control service that derives this zone's keys: a namespace of Kubernetes is a zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(max_length=512), AfterValidator(_check_url)] = Field(
        description="The service, `https://HOST:PORT`. Redirects aren't followed, and no proxy is used.",
    )
    token_file: Path = Field(
        default=Path("/var/run/secrets/tabard-control/token"),
        description="A projected token of this pod with the service's audience. It is read again for every request.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM certificates of the authorities that sign the service's certificate, in place of the system's. "
        "Read again for every request.",
    )
    poll_seconds: Annotated[float, Field(ge=1, le=600)] = Field(
        default=30.0,
        description="How often the service is asked whether keys have changed. A new key is published 5 minutes before its "
        "first use.",
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0, description="Longest wait for a whole answer."
    )


class KeysConfig(BaseModel):
    """The zone's keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: Path = Field(
        default=Path("keys"),
        description="Directory of the keyring: mode 0700, one JSON file of mode 0600 per key. "
        "All sidecars of a zone share its contents. A relative path is relative to the configuration file.",
    )
    max_stale_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=60.0,
        description="How long loaded keys stay in use after the directory became unreadable. "
        "After that the sidecar accepts and issues nothing until the directory is "
        "readable again.",
    )
    control: ControlKeysConfig | None = Field(
        default=None,
        description="A control service that gives the keys, in place of `directory`. They are kept in memory only. If the "
        "service is lost, those that are held stay in use until they retire; without any the sidecar isn't ready.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.control is not None and "directory" in self.model_fields_set:
            raise ValueError("keys come from one place; set keys.directory or keys.control")
        return self
