"""Checks a Redis server before a zone uses it: version, durability, zone, schema and clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from tabard_sidecar.state.redis import scripts
from tabard_sidecar.state.redis.durability import weaknesses
from tabard_sidecar.state.redis.link import RedisLink

SCHEMA = 4
"""Version of the layout of the keys."""
_OLDEST_SERVER = (7, 0)
_REWRITE_SECONDS = 30.0
_NEARLY_FULL = 0.9
_CHECKED_KEYS = 10_000
_KINDS = ("tasks", "revocations", "approvals")

_log = logging.getLogger(__name__)


class RedisStateError(ValueError):
    """The server can't be used as it is; the message says why and what to do."""


async def prepare(link: RedisLink, zone: str) -> None:
    """Check the server and claim the zone's keys.

    Raises:
        RedisStateError: the server is too old, not durable, or holds the state of another zone or a newer schema.
        NoDecision: it can't be reached, or its clock is too far from this machine's.
    """
    await _require_server(link)
    held, schema = await link.run(
        scripts.OPEN,
        {
            "zone": zone,
            "schema": str(SCHEMA),
            "now": time.time(),
            "skew": link.options.max_clock_skew_seconds,
        },
    )
    _require_ours(link, zone, held, schema)


async def look(link: RedisLink, zone: str) -> None:
    """Check what :func:`prepare` checks, except for the clock, and write nothing.

    Raises:
        RedisStateError, NoDecision: as :func:`prepare`.
    """
    await _require_server(link)
    held, schema = await link.command("HMGET", f"{link.prefix}meta", "zone", "schema")
    if held is not None or schema is not None:
        _require_ours(link, zone, held or b"", schema or b"0")


async def _require_server(link: RedisLink) -> None:
    place = link.options.place
    version = str((await link.command("INFO", "server"))["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_SERVER:
        raise RedisStateError(f"the state store {place} is Redis {version}; Tabard needs 7.0 or newer")
    weak = await weaknesses(link.command)
    if weak and not link.options.accept_weak_durability:
        raise RedisStateError(
            f"the state store {place} may lose acknowledged writes: {'; '.join(weak)}. Change that, or accept it with "
            "state.redis.accept_weak_durability"
        )
    if weak:
        _log.warning("the state store may lose acknowledged writes", extra={"problems": weak})


def _require_ours(link: RedisLink, zone: str, held: bytes, schema: bytes) -> None:
    place = link.options.place
    if held.decode() != zone:
        raise RedisStateError(
            f"the state store {place} holds the state of zone {held.decode()!r} under {zone!r}; set state.url or zone"
        )
    if int(schema) < SCHEMA:
        raise RedisStateError(
            f"the state store {place} was written by a version of Tabard before the first release: delete the keys "
            f"that begin with {link.prefix}, or set another database in state.url; every task has to start again"
        )
    if int(schema) > SCHEMA:
        raise RedisStateError(
            f"the state store {place} was written by a newer version of Tabard; use that version"
        )


async def problems(link: RedisLink) -> Sequence[str]:
    """Return the problems of the server and the zone's keys, each as a sentence."""
    found = [f"Redis: {weakness}." for weakness in await weaknesses(link.command)]
    info = await link.command("INFO", "everything")
    found += _server_problems(info, link.options.replicas)
    seconds, micros = await link.command("TIME")
    apart = int(seconds) + int(micros) / 1e6 - time.time()
    if abs(apart) > link.options.max_clock_skew_seconds:
        found.append(f"The server's clock and this machine's are {apart:.0f} s apart: set both.")
    if info.get("role") != "master":
        return found
    missing = await link.run(scripts.CHECK, {"at": time.time(), "most": _CHECKED_KEYS})
    found += [
        f"{count} {kind} are in the index but have no key: the server evicted or lost them."
        for kind, count in zip(_KINDS, missing, strict=True)
        if count
    ]
    return found


def _server_problems(info: dict[str, Any], replicas: int) -> list[str]:
    found = []
    if info.get("role") != "master":
        found.append("The server is a replica: point state.url at the primary.")
    if int(info.get("connected_slaves", 0)) < replicas:
        found.append(
            f"{info.get('connected_slaves', 0)} replicas are connected; state.redis.replicas wants {replicas}."
        )
    found += [
        f"Redis: {name} is {info[name]}; look at the server's log and its disk."
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
        if info.get(name, "ok") != "ok"
    ]
    most = int(info.get("maxmemory", 0))
    if most and int(info["used_memory"]) > most * _NEARLY_FULL:
        found.append(
            f"The server is nearly full: {info['used_memory']} of {most} bytes; raise maxmemory or compact."
        )
    return found


async def compact(link: RedisLink) -> int:
    """Make the server free unused memory and rewrite its log; return how many bytes were freed."""
    before = await _size(link)
    await link.command("MEMORY PURGE")
    info = await link.command("INFO", "persistence")
    if int(info.get("aof_enabled", 0)) and not int(info.get("aof_rewrite_in_progress", 0)):
        await link.command("BGREWRITEAOF")
    until = time.monotonic() + _REWRITE_SECONDS
    while time.monotonic() < until:
        info = await link.command("INFO", "persistence")
        if not int(info.get("aof_rewrite_in_progress", 0)) and not int(info.get("aof_rewrite_scheduled", 0)):
            break
        await asyncio.sleep(0.1)
    return max(0, before - await _size(link))


async def _size(link: RedisLink) -> int:
    memory = await link.command("INFO", "memory")
    persistence = await link.command("INFO", "persistence")
    return int(memory["used_memory_rss"]) + int(persistence.get("aof_current_size", 0))
