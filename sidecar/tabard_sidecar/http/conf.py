"""Configuration of the HTTP servers."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.util.addresses import Address, is_local


class HttpConfig(BaseModel):
    """Health, metrics and public keys over HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Address = Field(
        default="127.0.0.1:9181",
        description="`host:port` (port 0 picks a free one) or `unix:/path`. Serves `/healthz`, `/readyz`, `/metrics` "
        "and, on a loopback address or a unix socket only, `/.well-known/jwks.json`.",
    )


class IntrospectionClient(BaseModel):
    """A backend that may ask whether a credential is active."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$", description="Name of the client."
    )
    key_file: Path = Field(
        description="File with the client's key, at least 32 characters, not readable by other users. Sent as "
        "`Authorization: Bearer <key>` or as the password of HTTP Basic. Read again when it changes.",
    )
    audiences: tuple[str, ...] = Field(
        min_length=1,
        description="Audiences whose credentials the client may ask about; every other credential is inactive to it.",
    )


class IntrospectionConfig(BaseModel):
    """Token introspection for backends (RFC 7662), off unless `listen` is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Address | None = Field(
        default=None,
        description="`host:port` or `unix:/path` of the only listener that answers `POST /introspect`.",
    )
    tls_certificate_file: Path | None = Field(
        default=None,
        description="PEM certificate chain. Required unless `listen` is loopback or a unix socket.",
    )
    tls_key_file: Path | None = Field(default=None, description="PEM private key of the certificate.")
    clients: tuple[IntrospectionClient, ...] = Field(default=(), description="Backends that may introspect.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file belong together")
        if self.listen is None:
            return self
        if not self.clients:
            raise ValueError("introspection needs at least one client; add introspection.clients")
        if not is_local(self.listen) and self.tls_key_file is None:
            raise ValueError(
                "keys and credentials would be sent unencrypted; set tls_certificate_file and tls_key_file"
            )
        names = [client.id for client in self.clients]
        if len(set(names)) != len(names):
            raise ValueError("two clients have the same id")
        return self
