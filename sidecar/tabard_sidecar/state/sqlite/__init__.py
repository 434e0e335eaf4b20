"""State in one SQLite file, shared by the sidecars of a zone on one machine."""

from tabard_sidecar.state.sqlite.file import StateFileError
from tabard_sidecar.state.sqlite.store import SQLiteStateStore

__all__ = ["SQLiteStateStore", "StateFileError"]
