"""Configuration of the state store."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

_SCHEME = "sqlite:"


class StateConfig(BaseModel):
    """Where the zone's sidecars remember what must not be forgotten or done twice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        default=_SCHEME,
        description=(
            "Where state is kept: sqlite:///absolute/path.db, or sqlite: alone for $XDG_STATE_HOME/tabard/<zone>.db. "
            "All sidecars of a zone on one machine share one file, which must be on a local disk."
        ),
    )
    busy_timeout_seconds: float = Field(
        default=2.0,
        gt=0,
        le=30,
        description="How long a write waits for another process's write before the call fails as UNAVAILABLE.",
    )
    request_ttl_seconds: float = Field(
        default=600.0,
        ge=10,
        le=86_400,
        description="How long a request_id is remembered; a grant or credential that expires earlier ends it earlier.",
    )

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if value != _SCHEME and not (value.startswith("sqlite:///") and len(value) > len("sqlite:///")):
            message = "must be sqlite:///absolute/path.db or sqlite:"
            raise ValueError(message)
        return value

    def path(self, zone: str) -> Path:
        """Return the file that holds the state of ``zone``."""
        if self.url != _SCHEME:
            return Path("/") / self.url.removeprefix("sqlite:///")
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(base) / "tabard" / f"{zone}.db"
