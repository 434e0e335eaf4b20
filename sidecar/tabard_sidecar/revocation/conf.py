"""Configuration of revocation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RevocationConfig(BaseModel):
    """Delivery and retention of revocations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_stale_seconds: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="How long this sidecar may be without contact to the zone's revocations "
        "before it denies every request with `revocation_state_stale`.",
    )
    subject_retention_seconds: float = Field(
        default=30 * 86_400.0,
        ge=3600,
        le=366 * 86_400,
        description="How long a revoked person's older tokens are refused; at least as long as "
        "`limits.max_task_seconds`. Choose more than the longest lifetime of an access token.",
    )
