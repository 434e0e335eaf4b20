"""Creates the state store that the configuration names."""

from __future__ import annotations

from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.state.sqlite import SQLiteStateStore
from tabard_sidecar.state.store import StateStore


def create_store(config: StateConfig, zone: str) -> StateStore:
    """Return the configured store of ``zone``; the caller opens it."""
    if config.is_redis:
        return _redis(config, zone)
    return SQLiteStateStore(config.path(zone), zone=zone, busy_timeout_seconds=config.busy_timeout_seconds)


def _redis(config: StateConfig, zone: str) -> StateStore:
    from tabard_sidecar.state.redis import RedisOptions, RedisStateStore  # noqa: PLC0415 - not loaded without Redis

    server = config.redis
    options = RedisOptions(
        url=config.url,
        username=server.username,
        password_file=server.password_file,
        ca_file=server.ca_file,
        cert_file=server.cert_file,
        key_file=server.key_file,
        timeout_seconds=server.timeout_seconds,
        max_connections=server.max_connections,
        replicas=server.replicas,
        accept_weak_durability=server.accept_weak_durability,
        max_clock_skew_seconds=server.max_clock_skew_seconds,
    )
    return RedisStateStore(options, zone=zone)
