"""Configuration of the keyring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


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
