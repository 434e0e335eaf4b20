"""Configures TLS to a server: whom to trust, and the client's own certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field

CaFile: TypeAlias = Annotated[
    Path | None, Field(description="CA certificates (PEM) to trust instead of the system's.")
]
CertFile: TypeAlias = Annotated[Path | None, Field(description="Client certificate (PEM) for mutual TLS.")]
KeyFile: TypeAlias = Annotated[Path | None, Field(description="Private key (PEM) of the client certificate.")]


def require_pair(cert_file: Path | None, key_file: Path | None, section: str = "") -> None:
    """Check that certificate and key are both set, or neither; ``section`` stands before their names, with its dot.

    Raises:
        ValueError: only one of them is.
    """
    if (cert_file is None) != (key_file is None):
        raise ValueError(f"set both {section}cert_file and {section}key_file, or neither")
