"""The fields of a listener's section that say where its certificate comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.certificates.conf import ManagedConfig

MANAGED = "Instead of the files: the process makes and renews certificate and authority by itself."
"""What the field ``managed`` of every section says."""


class TlsSection(BaseModel):
    """Certificate and key of a listener: files, or kept by the process itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tls_certificate_file: Path | None = Field(
        default=None,
        description="PEM certificate chain for the name by which clients call, `SERVICE.NAMESPACE.svc`. Certificate and key "
        "are read again when they change.",
    )
    tls_key_file: Path | None = Field(default=None, description="PEM private key of the certificate.")
    managed: ManagedConfig | None = Field(default=None, description=MANAGED)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        files = (self.tls_certificate_file, self.tls_key_file)
        if self.managed is not None and any(files):
            raise ValueError("managed is set beside tls_certificate_file or tls_key_file; remove one of them")
        if self.managed is None and not all(files):
            raise ValueError("set managed, or both tls_certificate_file and tls_key_file")
        return self
