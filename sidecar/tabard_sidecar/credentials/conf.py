"""Configuration of the credentials that the sidecar makes itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_TTL_SECONDS = 300.0
"""Longest life of a JWT credential, whatever is configured."""


class CredentialsConfig(BaseModel):
    """Credentials of kind ``jwt`` and ``macaroon``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Annotated[str, Field(max_length=512)] = Field(
        default="",
        description="Issuer (iss) of the zone's credentials, the same for all its sidecars. "
        "If empty: urn:tabard:zone:<zone>.",
    )
    max_ttl_seconds: Annotated[float, Field(ge=1, le=MAX_TTL_SECONDS)] = Field(
        default=MAX_TTL_SECONDS,
        description="Longest life of a jwt credential; a longer life is shortened to it. A "
        "macaroon credential may last as long as the grant.",
    )
