"""Configuration of the state store."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from tabard.address import is_loopback

from tabard_sidecar.util.addresses import Anchored, anchored
from tabard_sidecar.util.client_tls import CaFile, CertFile, KeyFile, require_pair

_SQLITE = "sqlite:"
_FORMS = "sqlite:///absolute/path.db, sqlite:relative/path.db, sqlite:"
_REDIS_SCHEMES = ("redis", "rediss", "unix")


class SqliteUrl(Anchored):
    """The URL of a SQLite file: ``sqlite:`` and a path, or ``sqlite:`` alone for the usual file of a zone."""

    __slots__ = ()

    @classmethod
    def checked(cls, url: str) -> SqliteUrl:
        """Return ``url`` if it has one of the forms.

        Raises:
            ValueError: it hasn't.
        """
        path = url.removeprefix(_SQLITE)
        if path.startswith("//") and (not path.startswith("///") or path == "///"):
            raise ValueError(f"must be {_FORMS}")
        return cls(url)

    def at(self, base: Path) -> SqliteUrl:
        """Return the URL with an absolute path."""
        path = self.removeprefix(_SQLITE)
        if not path or path.startswith("//"):
            return self
        return SqliteUrl(f"sqlite://{anchored(Path(path), base)}")


class RedisConfig(BaseModel):
    """Address, credentials and limits of a Redis or Valkey server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str = Field(
        default="", max_length=256, description="ACL user; empty for the server's default user."
    )
    password_file: Path | None = Field(
        default=None, description="File with the password; read again for every connection."
    )
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None
    timeout_seconds: float = Field(
        default=1.0,
        gt=0,
        le=30,
        description="Longest time for one operation, connecting included, before the call fails as UNAVAILABLE.",
    )
    max_connections: int = Field(
        default=64,
        ge=2,
        le=1024,
        description="Most connections that requests use at once. A few more connections wait for "
        "revocations.",
    )
    replicas: int = Field(
        default=0,
        ge=0,
        le=16,
        description="How many replicas must have received a revocation, a single use, a new task "
        "or an approver's decision "
        "before it counts.",
    )
    max_clock_skew_seconds: float = Field(
        default=60.0,
        gt=0,
        le=240,
        description="Largest difference between the server's clock and this machine's before calls fail as UNAVAILABLE.",
    )
    accept_weak_durability: bool = Field(
        default=False,
        description="Use a server that may evict or lose acknowledged writes: one without `maxmemory-policy noeviction`, "
        "`appendonly yes` and `appendfsync always`. Such a loss may undo charges, single use and revocations.",
    )
    accept_plaintext: bool = Field(
        default=False,
        description="Use `redis://` to another machine, without TLS: an attacker on the network "
        "can read and change the state.",
    )


class StateConfig(BaseModel):
    """The zone's state store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        default=_SQLITE,
        description=(
            "Where state is kept: sqlite:///absolute/path.db, sqlite:relative/path.db, or sqlite: alone for "
            "$XDG_STATE_HOME/tabard/<zone>.db; or a Redis or Valkey server: rediss://host:port/db, unix:///path/to/redis.sock, or redis://host:port/db on a "
            "loopback address. All sidecars of a zone share one store; a file only within one machine, on a local disk."
        ),
    )
    redis: RedisConfig = Field(
        default_factory=RedisConfig, description="Settings of the Redis or Valkey server that `url` names."
    )
    busy_timeout_seconds: float = Field(
        default=2.0,
        gt=0,
        le=30,
        description="How long a write to a file waits for another process's write before the call fails as UNAVAILABLE.",
    )
    request_ttl_seconds: float = Field(
        default=600.0,
        ge=10,
        le=86_400,
        description="How long a request_id is remembered, but no longer than the grant or "
        "credential of its answer.",
    )

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        scheme = value.partition("://")[0]
        if scheme in _REDIS_SCHEMES:
            _check_redis(value)
        elif value.startswith(_SQLITE):
            return SqliteUrl.checked(value)
        else:
            raise ValueError(f"must be {_FORMS}, rediss://host, redis://loopback or unix:///path")
        return value

    @model_validator(mode="after")
    def _protected(self) -> StateConfig:
        parts = urlsplit(self.url)
        if (
            parts.scheme == "redis"
            and not self.redis.accept_plaintext
            and not is_loopback(parts.hostname or "")
        ):
            raise ValueError(
                f"state.url {self.url} isn't encrypted and not on this machine: use rediss://, or set "
                "state.redis.accept_plaintext"
            )
        require_pair(self.redis.cert_file, self.redis.key_file, "state.redis.")
        if self.redis.username and self.redis.password_file is None:
            raise ValueError("state.redis.username needs state.redis.password_file")
        return self

    @property
    def is_redis(self) -> bool:
        """True if `url` names a Redis or Valkey server."""
        return self.url.partition("://")[0] in _REDIS_SCHEMES

    def path(self, zone: str) -> Path:
        """Return the file that holds the state of ``zone``."""
        if self.url != _SQLITE:
            return Path(self.url.removeprefix(_SQLITE).removeprefix("//"))
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(base) / "tabard" / f"{zone}.db"


def _check_redis(url: str) -> None:
    """Check the address of a server.

    Raises:
        ValueError: it can't be used. The message doesn't repeat it, because it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no valid URL") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "must not hold a user or password: set state.redis.username and state.redis.password_file"
        )
    if parts.fragment:
        raise ValueError("must not have a fragment (#)")
    if parts.scheme == "unix":
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        number = query.pop("db", ["0"])[0]
        if parts.netloc or not parts.path.startswith("/") or query:
            raise ValueError("must be unix:///absolute/path.sock, with ?db=N at most")
    else:
        number = parts.path.strip("/") or "0"
        if not parts.hostname or port == 0 or parts.query:
            raise ValueError(f"must be {parts.scheme}://host:port/db")
    if not number.isascii() or not number.isdigit():
        raise ValueError("must name the database by its number")
