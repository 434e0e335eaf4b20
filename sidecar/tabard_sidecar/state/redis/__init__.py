"""State in Redis or Valkey, shared by all sidecars of a zone."""

from tabard_sidecar.state.redis.opening import RedisStateError
from tabard_sidecar.state.redis.options import RedisOptions
from tabard_sidecar.state.redis.store import RedisStateStore

__all__ = ["RedisOptions", "RedisStateError", "RedisStateStore"]
