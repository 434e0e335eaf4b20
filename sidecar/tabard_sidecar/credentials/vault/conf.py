"""Configuration of the vaults, section ``vault``: where they are, how the sidecar logs in, and the roles that policy names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from tabard_sidecar.util.client_tls import CaFile

KIND = "vault"
"""Kind of these credentials, as policy names it."""

# Every part of a path begins with a letter or digit, so that none is ".." or empty.
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
Part = Annotated[str, Field(max_length=128, pattern=f"^{_PART}$")]
MountPath = Annotated[str, Field(max_length=256, pattern=f"^{_PART}(/{_PART})*$")]
SecretPath = Annotated[str, Field(max_length=512, pattern=f"^{_PART}(/{_PART})*$")]
Text = Annotated[str, Field(min_length=1, max_length=512)]
FieldName = Annotated[str, Field(min_length=1, max_length=128)]

_JWT_METHODS = ("jwt", "kubernetes")


class AuthConfig(BaseModel):
    """How the sidecar logs in to a vault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["jwt", "kubernetes", "approle"] = Field(
        description="Auth method. `jwt` and `kubernetes` present the token in `token_file`, `approle` the secret in "
        "`secret_id_file`."
    )
    mount: MountPath | None = Field(
        default=None, description="Where the method is mounted. By default at its own name."
    )
    role: Part | None = Field(default=None, description="Role of the method `jwt` or `kubernetes`.")
    token_file: Path | None = Field(
        default=None,
        description="Token of this sidecar, read for every login. Project it for an audience that only the vault "
        "accepts, into the sidecar's container alone: the agent shares the service account.",
    )
    role_id: Text | None = Field(default=None, description="Role id of the method `approle`.")
    secret_id_file: Path | None = Field(
        default=None,
        description="Secret id of the method `approle`, of mode 0600, read for every login.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        mine, others = (self.role, self.token_file), (self.role_id, self.secret_id_file)
        names = ("role and token_file", "role_id and secret_id_file")
        if self.method not in _JWT_METHODS:
            mine, others, names = others, mine, (names[1], names[0])
        if not all(mine):
            raise ValueError(f"the method {self.method} needs {names[0]}")
        if any(others):
            raise ValueError(f"the method {self.method} doesn't use {names[1]}")
        return self

    @property
    def path(self) -> str:
        """Where the method is mounted."""
        return self.mount or self.method


class VaultRoleConfig(BaseModel):
    """A role that policy names, and what it stands for in the vault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["database", "kv", "ldap", "pki", "ssh", "transit"] = Field(
        description="Secrets engine. `database` makes a user for the call, `kv` reads a static secret (version 2), `ldap` "
        "gives an account of a directory, `pki` a key with a certificate, `ssh` a key with a user certificate, `transit` a "
        "signature over a statement of the call."
    )
    mount: MountPath | None = Field(
        default=None, description="Where the engine is mounted. By default at its own name."
    )
    name: SecretPath = Field(
        description="The engine's own role; for `kv` the path of the secret, for `transit` the key, for the `account` "
        "`library` of `ldap` the set."
    )
    audiences: Annotated[tuple[Text, ...], Field(min_length=1, max_length=100)] = Field(
        description="Backends that the credential is for. Policy grants the role for one of these."
    )
    max_ttl_seconds: float = Field(
        default=900.0,
        ge=30,
        le=86_400,
        description="Longest life of the credential. Policy, grant and vault may shorten it. A `kv` secret lasts longer "
        "than the vault can say; agents are told this time.",
    )
    fields: Annotated[tuple[FieldName, ...], Field(max_length=20)] = Field(
        default=(),
        description="Fields that the agent gets; others are dropped. Required for `kv`; by default all that the engine "
        "makes for the call ([credentials](credentials.md#kind-vault)).",
    )
    account: Literal["dynamic", "static", "library"] | None = Field(
        default=None,
        description="For `ldap` only: `dynamic` (the default) makes an account for the call, `library` checks one out of a "
        "set, `static` reads one whose password the vault rotates.",
    )
    common_name: Annotated[str, Field(max_length=253)] | None = Field(
        default=None,
        description="For `pki` only, and required there: common name of the certificate. `{handle}` in it stands for the "
        "handles of person, task and agent, which are one DNS label.",
    )
    principals: Annotated[tuple[Text, ...], Field(max_length=20)] = Field(
        default=(), description="For `ssh` only, and required there: users that the certificate lets log in."
    )
    reuse: bool = Field(
        default=True,
        description="Give further allowed calls of the same holder, audience and scopes the same credential, while half "
        "of its life is left. Never for a credential whose uses are counted, a signature, or one that is wrapped.",
    )
    wrap_seconds: int = Field(
        default=0,
        ge=0,
        le=300,
        description="If not 0, the agent gets a wrapping token that it unwraps once at the vault within this time, and "
        "the sidecar never sees the secret. Not for `kv` and the `account` `static`: what they hold doesn't end with the "
        "task, and the wrapping token would give all of it, also after the end.",
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.wrap_seconds and (self.engine == "kv" or self.account == "static"):
            raise ValueError(
                "wrap_seconds isn't possible for what stays the same after the task: the wrapping token outlives it and "
                "holds the whole entry; name fields instead"
            )
        if self.engine == "kv" and not self.fields:
            raise ValueError("fields is required for the engine kv: name those that the agent may have")
        if self.wrap_seconds and self.fields:
            raise ValueError("fields has no effect with wrap_seconds: the sidecar doesn't see what it wraps")
        for key, engine in (("account", "ldap"), ("common_name", "pki"), ("principals", "ssh")):
            if getattr(self, key) and self.engine != engine:
                raise ValueError(f"{key} has no effect with the engine {self.engine}; it is for {engine}")
        for key, engine in (("common_name", "pki"), ("principals", "ssh")):
            if self.engine == engine and not getattr(self, key):
                raise ValueError(f"{key} is required for the engine {engine}")
        if self.wrap_seconds and self.engine == "transit":
            raise ValueError("wrap_seconds has no effect with the engine transit: a signature is no secret")
        if self.engine != "kv" and "/" in self.name:
            raise ValueError(f"name must be a role of the engine {self.engine}, without a slash")
        return self

    @property
    def reusable(self) -> bool:
        """Whether further calls may get the same credential."""
        return self.reuse and not self.wrap_seconds and self.engine != "transit"

    @property
    def path(self) -> str:
        """Where the engine is mounted."""
        return self.mount or self.engine


class VaultConfig(BaseModel):
    """A HashiCorp Vault or OpenBao server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Text = Field(
        description="`https://host:port`, or `http://` with `insecure.allow_http`. Redirects aren't followed, so name the "
        "active node or what forwards to it."
    )
    ca_file: CaFile = None
    namespace: str = Field(
        default="",
        max_length=512,
        pattern=f"^({_PART}(/{_PART})*)?$",
        description="Namespace of Vault Enterprise or OpenBao; empty for none.",
    )
    auth: AuthConfig = Field(description="The identity that obtains credentials.")
    reaper: AuthConfig | None = Field(
        default=None,
        description="A second identity that may only revoke tokens by their accessor. With it a sidecar ends "
        "credentials that another one obtained.",
    )
    token_role: Part = Field(
        default="tabard",
        description="Token role that makes the orphan token of each credential: orphan, renewable, without period, "
        "with the policies that its engines need.",
    )
    timeout_seconds: float = Field(
        default=3.0,
        gt=0,
        le=60,
        description="Longest time to obtain one credential, logging in included, before the call fails as UNAVAILABLE; less than "
        "`limits.request_seconds`. "
        "While all connections are busy, a call waits for its turn, which `limits.request_seconds` bounds.",
    )
    max_connections: int = Field(
        default=16,
        ge=4,
        le=256,
        description="Most connections at once. A quarter of them is kept for ending credentials.",
    )
    max_live_per_holder: int = Field(
        default=64,
        ge=1,
        le=100_000,
        description="Most credentials of this vault that last at once for one holder of a task, in this sidecar. A call for "
        "one more is denied before the vault is asked; a revocation has to end each of them.",
    )
    max_live_per_task: int = Field(
        default=1024,
        ge=1,
        le=100_000,
        description="The same for a whole task, with all its holders.",
    )
    roles: dict[Annotated[str, Field(min_length=1, max_length=256)], VaultRoleConfig] = Field(
        default={}, description="Roles by name, as policies write them in `credential.role`."
    )

    @field_validator("address")
    @classmethod
    def _origin(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError("can't be parsed") from None
        if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
            raise ValueError("must be https://host:port")
        if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("must name scheme, host and port only")
        return f"{parts.scheme}://{parts.netloc}"


def _once(vaults: dict[str, VaultConfig]) -> dict[str, VaultConfig]:
    homes: dict[str, str] = {}
    for name, vault in vaults.items():
        for role in vault.roles:
            if role in homes:
                raise ValueError(f"the role {role} is in {homes[role]} and in {name}; policies name it alone")
            homes[role] = name
    return vaults


Vaults = Annotated[dict[Part, VaultConfig], AfterValidator(_once)]
"""Vaults by name. The name stands in the journal of leases, so it is the same on every sidecar of a zone."""


def vault_roles(vaults: Mapping[str, VaultConfig]) -> dict[str, frozenset[str]]:
    """Return the audiences of every role that policies can name."""
    return {
        name: frozenset(role.audiences) for vault in vaults.values() for name, role in vault.roles.items()
    }
