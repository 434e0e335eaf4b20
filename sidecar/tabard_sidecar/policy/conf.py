"""Configuration of policy and tool catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from tabard.address import is_loopback

from tabard_sidecar.policy.bundle_algorithms import BundleAlgorithm
from tabard_sidecar.util.client_tls import CaFile, CertFile, KeyFile, require_pair

ModuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class RemoteConfig(BaseModel):
    """An OPA server that evaluates the policy instead of this process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        description="OPA's address: `https://host:port`, `unix:/path/to/socket`, or `http://` on a loopback address."
    )
    token_file: Path | None = Field(
        default=None, description="File with the bearer token; read again when it changes."
    )
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None
    max_connections: int = Field(default=64, ge=1, le=1024, description="Most connections held at once.")
    whole_input: bool = Field(
        default=False,
        description="Send inputs whole, for a server whose own decision log has to hold them. Otherwise the input of a tool "
        "call lacks what no rule of the checked policy can read of subject, agent, task and delegation.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> RemoteConfig:
        require_pair(self.cert_file, self.key_file)
        return self


class DownloadConfig(BaseModel):
    """How the bundle at `policy.url` is fetched and kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_file: Path | None = Field(
        default=None, description="File with the bearer token; read again for every request."
    )
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None
    min_delay_seconds: float = Field(
        default=60.0,
        ge=0.1,
        le=86_400,
        description="Shortest pause between two requests. Each pause is chosen at random, so that sidecars that start "
        "together don't ask together.",
    )
    max_delay_seconds: float = Field(
        default=120.0,
        ge=0.1,
        le=86_400,
        description="Longest pause between two requests, also after failures; after the first failure it is about a second.",
    )
    long_polling_seconds: int = Field(
        default=0,
        ge=0,
        le=3600,
        description="How long the server is asked to wait for a change before it answers (`Prefer: wait=N`), if its answers "
        "have the type `application/vnd.openpolicyagent.bundles`; 0 asks for an answer at once.",
    )
    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="Longest time until an answer begins, beyond the time of long polling; and from there to its end.",
    )
    folder: Path | None = Field(
        default=None,
        description="Private folder for the last good bundle, with which a sidecar starts if the server doesn't answer. "
        "Unset means one below $XDG_STATE_HOME/tabard/policies. It isn't shared between users.",
    )
    accept_sequence: int | None = Field(
        default=None,
        ge=0,
        le=2**53 - 1,
        description="Sequence number of one bundle that is accepted although a newer one was in use; 0 stands for bundles "
        "without a number. Remove it when the newer one is gone from the server.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> DownloadConfig:
        if self.min_delay_seconds > self.max_delay_seconds:
            raise ValueError("min_delay_seconds is greater than max_delay_seconds")
        require_pair(self.cert_file, self.key_file)
        return self


class BundleKeyConfig(BaseModel):
    """A key that may sign the policy's bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: BundleAlgorithm = Field(description="Algorithm of its signatures (JWS).")
    key_file: Path = Field(
        description="Public key or certificate (PEM); for the HS algorithms the shared secret, of mode 0600."
    )


class BundleConfig(BaseModel):
    """Signatures of the bundle in `policy.path` or at `policy.url`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: dict[str, BundleKeyConfig] = Field(
        default={},
        description="Keys by the id that signatures name (`opa sign` writes `default`); a single key is used "
        "whatever they name. If there is one, only a bundle that a key has signed is loaded. If there is none, "
        "a bundle with a signature is refused.",
    )
    scope: str = Field(default="", description="Scope that the signature must state; empty accepts any.")

    @model_validator(mode="after")
    def _scope_needs_keys(self) -> BundleConfig:
        if self.scope and not self.keys:
            raise ValueError("scope has no effect without keys")
        return self


class ShadowConfig(BaseModel):
    """A candidate policy that is tried beside the one that decides, on the same requests. It changes no answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(
        description="Folder or bundle of the candidate, read as `policy.path` is. Followed for changes."
    )
    modules: dict[ModuleName, Literal["shadow"]] = Field(
        default={},
        description="Modules of the candidate that are tried, for example `refunds: shadow`. All other modules, and the data, "
        "are those of `policy.path`. Without any the whole candidate is tried.",
    )
    max_waiting: int = Field(
        default=1000,
        ge=10,
        le=100_000,
        description="Most records that wait for the candidate, and at most 16 MiB of them. More are dropped and counted.",
    )
    max_memory_mib: int = Field(
        default=512,
        ge=128,
        le=65_536,
        description="Most memory of the candidate's process, in MiB. Above it the process ends itself, and the candidate isn't "
        "tried until it is started again, after a pause. Raise the container's memory limit by as much.",
    )


class PolicyConfig(BaseModel):
    """The policy and its evaluation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = Field(
        default=None,
        description=(
            "Folder with Rego modules and data, or a bundle tarball (`opa build`). Followed for changes."
        ),
    )
    url: str | None = Field(
        default=None,
        description="Address of a bundle tarball to fetch and follow: `https://host/path`, or `http://` on a loopback "
        "address. Redirects aren't followed.",
    )
    download: DownloadConfig = Field(
        default=DownloadConfig(), description="How the bundle at `url` is fetched and kept."
    )
    bundle: BundleConfig = Field(default=BundleConfig(), description="Signatures of a bundle.")
    remote: RemoteConfig | None = Field(
        default=None, description="OPA server to ask. Exactly one of `path`, `url` and `remote` is set."
    )
    shadow: ShadowConfig | None = Field(
        default=None, description="A candidate policy to try on the same requests, without effect on them."
    )
    max_data_mib: int = Field(
        default=4,
        ge=1,
        le=128,
        description="Most MiB of the policy's data files together, with up to 25,000 values for each MiB. All files of a "
        "policy, and a bundle packed or unpacked, may have 4 MiB more. Beyond 4 a policy is read in a process of its own, "
        "which takes some 20 times as much memory as the data; raise `load_seconds` as well.",
    )
    deadline_seconds: float = Field(
        default=0.25, gt=0, le=10, description="Longest time one evaluation may take; longer denies."
    )
    poll_seconds: float = Field(
        default=1.0, ge=0.05, le=3600, description="Interval between two checks of the source for changes."
    )
    quiet_seconds: float = Field(
        default=0.2, ge=0, le=60, description="How long the source must be unchanged before it is loaded."
    )
    load_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="Longest time one load of the policy may take. One that took longer fails, and is tried again after as "
        "long, then after twice as long each time, up to ten minutes.",
    )
    max_broken_seconds: float | None = Field(
        default=None,
        ge=0,
        description="How long the last good policy may be used while the source is broken; then every call is "
        "denied. Unset means without limit.",
    )
    remembered_kib: int = Field(
        default=512,
        ge=0,
        le=65536,
        description="Most memory, in KiB, for answers of the policy that are given again to inputs which agree in all that "
        "the policy reads of them; 0 evaluates every input anew.",
    )
    breaker_timeouts: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Time-outs, one soon after the other, after which every evaluation gets a tenth of the deadline; "
        "also evaluations that can't be interrupted, after which evaluation pauses.",
    )
    breaker_pause_seconds: float = Field(
        default=1.0,
        gt=0,
        le=300,
        description="How long after the last of them; a pause denies every call and lasts twice as long each time.",
    )

    @field_validator("url")
    @classmethod
    def _private_url(cls, url: str | None) -> str | None:
        """Refuse an address that says too little, or from which others could read or change the policy."""
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("is no valid URL") from None
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a user or password: set policy.download.token_file")
        if parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("must be ASCII without spaces and without a fragment (#)")
        if not parts.hostname or parts.path in {"", "/"}:
            raise ValueError("must name a host and a bundle, as https://host/bundles/policy.tar.gz does")
        if port == 0:
            raise ValueError("must not name port 0")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("must begin with https://, or with http:// and a loopback address")
        return url

    @model_validator(mode="after")
    def _one_source(self) -> PolicyConfig:
        if sum(source is not None for source in (self.path, self.url, self.remote)) > 1:
            raise ValueError("set only one of policy.path, policy.url and policy.remote")
        if self.url is None and self.download != DownloadConfig():
            raise ValueError("policy.download has no effect without policy.url")
        if self.remote is not None and self.bundle.keys:
            raise ValueError(
                "policy.bundle.keys is for a bundle in policy.path or policy.url; policy.remote verifies its own"
            )
        if self.shadow is not None and self.shadow.modules and self.path is None:
            raise ValueError("policy.shadow.modules needs policy.path, which has the other modules")
        if self.shadow is not None and self.shadow.path == self.path:
            raise ValueError("policy.shadow.path is policy.path itself; name the candidate's folder")
        return self


class CatalogueConfig(BaseModel):
    """The tools that the sidecar knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = Field(
        default=None,
        description="Tool catalogue, YAML or JSON, at most 4 MiB. The result of MCP's `tools/list` is accepted, too.",
    )
    required: bool = Field(
        default=False, description="True denies every tool that the catalogue doesn't name."
    )
