"""Configuration of the keyring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class KeysConfig(BaseModel):
    """Where the zone's keys lie and how fresh they have to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: Path = Field(
        default=Path("keys"),
        description="Directory of the keyring: mode 0700, one JSON file of mode 0600 per key. "
        "All sidecars of a zone share its content. A relative path counts from the configuration file.",
    )
    max_stale_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=60.0,
        description="How long keys read before are still used after the directory itself became unreadable. "
        "After that nothing is accepted or issued until it can be read again.",
    )
