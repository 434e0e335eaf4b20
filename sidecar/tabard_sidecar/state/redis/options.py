"""Connection settings of a Redis server, and the pool made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio.connection import (
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.maint_notifications import MaintNotificationsConfig
from tabard.trust import read_trusted

from tabard_sidecar.state.redis.replies import BoundedParser
from tabard_sidecar.util.files import require_readable
from tabard_sidecar.util.lean import dataclass

_MAX_PASSWORD_BYTES = 4096
_DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Address, credentials and limits of the server.

    Attributes:
        url: ``redis://host[:port][/db]``, ``rediss://…`` for TLS, or ``unix:///path/of.sock[?db=N]``; never with a password.
        username: ACL user, or empty for the default user.
        password_file: file that holds the password; read whenever a connection is made.
        ca_file: certificates (PEM) to trust instead of the system's.
        cert_file: client certificate (PEM).
        key_file: its private key (PEM).
        timeout_seconds: longest time for one operation, connecting included.
        max_connections: most connections that requests use at once; a few more wait for revocations.
        replicas: how many replicas must have received a durable write before it counts.
        accept_weak_durability: True accepts a server that may evict or lose acknowledged writes.
        max_clock_skew_seconds: largest difference between this machine's clock and the server's.
    """

    url: str
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    timeout_seconds: float = 1.0
    max_connections: int = 64
    replicas: int = 0
    accept_weak_durability: bool = False
    max_clock_skew_seconds: float = 60.0

    @property
    def place(self) -> str:
        """The address for messages."""
        return self.url.partition("?")[0]


class _PasswordFile(CredentialProvider):
    """Reads the password again for every connection, so that it can be changed while sidecars run."""

    def __init__(self, username: str, path: Path) -> None:
        self._username = username
        self._path = path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = read_trusted(self._path, _MAX_PASSWORD_BYTES)[0].decode("utf-8").strip()
        return (self._username, password) if self._username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def create_pool(options: RedisOptions) -> BlockingConnectionPool:
    """Create the connection pool that the options describe, without connecting."""
    parts = urlsplit(options.url)
    settings: dict[str, Any] = {
        "db": _database(options.url),
        "protocol": 3,
        "retry": Retry(NoBackoff(), 0),
        # One deadline spans waiting for a connection, connecting and the answer; see RedisLink.command.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,
        # Maintenance notices of managed services; subscribing to them costs every connection a round trip.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "parser_class": BoundedParser,
    }
    if options.password_file is not None:
        settings["credential_provider"] = _PasswordFile(options.username, options.password_file)
    connection: type[Connection | UnixDomainSocketConnection]
    if parts.scheme == "unix":
        connection = UnixDomainSocketConnection
        settings["path"] = unquote(parts.path)
    else:
        connection = SSLConnection if parts.scheme == "rediss" else Connection
        settings |= {"host": parts.hostname, "port": parts.port or _DEFAULT_PORT, "socket_keepalive": True}
    if parts.scheme == "rediss":
        require_readable(options.ca_file, options.cert_file, options.key_file)
        settings |= {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": _text(options.ca_file),
            "ssl_certfile": _text(options.cert_file),
            "ssl_keyfile": _text(options.key_file),
        }
    return BlockingConnectionPool(
        connection_class=connection, max_connections=options.max_connections, timeout=None, **settings
    )


def _database(url: str) -> int:
    """Return the number of the database that a checked URL names."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return int(parse_qs(parts.query).get("db", ["0"])[0])
    return int(parts.path.strip("/") or "0")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
