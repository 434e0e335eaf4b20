"""What a zone remembers: idempotency, single use, ended tasks and children."""

from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.state.sqlite import SQLiteStateStore
from tabard_sidecar.state.store import Child, Claim, ClaimState, Standing, StateStore

__all__ = ["Child", "Claim", "ClaimState", "SQLiteStateStore", "Standing", "StateConfig", "StateStore"]
