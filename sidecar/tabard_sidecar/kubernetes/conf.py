"""Configuration: where the API server is, and how this process proves who it is."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a kubelet puts the token of a pod's ServiceAccount."""


class ApiServerConfig(BaseModel):
    """The API server. The defaults fit every pod of a cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        default="https://kubernetes.default.svc",
        max_length=512,
        pattern=r"^https://[^/?#@\s]+$",
        description="The API server, `https://HOST:PORT`.",
    )
    token_file: Path = Field(
        default=ACCOUNT / "token",
        description="Token of the process's own ServiceAccount. Read again for every request.",
    )
    ca_file: Path = Field(
        default=ACCOUNT / "ca.crt",
        description="PEM certificates of the authorities that sign the API server's certificate. Read again when it changes.",
    )
    timeout_seconds: float = Field(
        default=5.0, gt=0, le=30, description="Longest wait for an answer of the API server."
    )
