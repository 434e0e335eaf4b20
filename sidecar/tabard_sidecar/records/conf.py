"""Configuration of the decision log, the application log and traces."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class AuditConfig(BaseModel):
    """The decision log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sink: Literal["stdout", "file"] = Field(
        default="stdout",
        description="Destination of the records: one JSON object per line on standard output or in `path`.",
    )
    path: Path | None = Field(default=None, description="File of the sink `file`; created with mode 0600.")
    max_bytes: int = Field(
        default=100 * 1024 * 1024,
        ge=64 * 1024,
        description="Size at which the file is closed: it is renamed to `<path>.<number of its last record>`, and a new "
        "one begins.",
    )
    keep_days: float = Field(
        default=30.0,
        gt=0,
        le=36_500,
        description="Days for which a closed file is kept after its last record. Then it is removed, and the log says so. "
        "A file that `tabard audit shipped` has marked is removed earlier.",
    )
    max_total_bytes: int = Field(
        default=10 * 1024**3,
        ge=128 * 1024,
        description="Most bytes of the file and its closed files. Nothing is removed to make room before its time: when "
        "they are full, the sidecar isn't ready and answers `audit_unavailable`.",
    )
    required: Literal[True] = Field(
        default=True,
        description="No decision without its record: while a record can't be written, the sidecar isn't ready and answers "
        "`audit_unavailable`. Only `insecure.audit_optional` switches this off.",
    )
    stall_seconds: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="Longest wait for a slow reader of standard output before the sink counts as broken.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Added to the `labels` of every record, for example the pod's name."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sink == "file" and self.path is None:
            raise ValueError("the sink file needs audit.path")
        if self.sink == "stdout" and self.path is not None:
            raise ValueError("audit.path is set but the sink is stdout; set audit.sink to file")
        if self.max_total_bytes < 2 * self.max_bytes:
            raise ValueError("audit.max_total_bytes must be at least twice audit.max_bytes")
        return self


class TelemetryConfig(BaseModel):
    """The application log on standard error, and traces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged."
    )
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s@]+$",
        description="OpenTelemetry collector that receives traces by OTLP/gRPC, for example `http://127.0.0.1:4317`; "
        "`https` uses TLS. Tracing is off, and costs nothing, without it.",
    )
    otlp_ca_file: Path | None = Field(
        default=None, description="PEM certificates of the authorities that sign the collector's certificate."
    )
    sample_ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of traces that are recorded if the caller sends no trace context.",
    )
