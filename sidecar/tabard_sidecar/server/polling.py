"""Selects how gRPC waits for the network, and that its core writes no lines of its own.

By default gRPC's core passes every event from its own thread pool to the waiting thread: three to five threads wake up
per call. With the older polling engine, in which the waiting thread polls the sockets itself, a call takes a quarter less
processor time here (docs/design.md). An experiment flag selects the engine when the core is first used.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from tabard_sidecar.util.installed import installed_version

_FLAG = "GRPC_EXPERIMENTS"
_POLL_IN_PLACE = "-event_engine_listener,-event_engine_client"
# Versions in which the flags exist and were tested; gRPC writes a warning to standard error about an unknown flag.
_TRIED = ("1.85.",)
_VERBOSITY = "GRPC_VERBOSITY"


def poll_in_place(environment: MutableMapping[str, str] | None = None) -> bool:
    """Ask gRPC to poll in the waiting thread; call it before gRPC is imported.

    Does nothing if ``GRPC_EXPERIMENTS`` is set, or with a version of gRPC for which this wasn't tested.

    Returns:
        True if the flag is set now.
    """
    environment = os.environ if environment is None else environment
    if _FLAG in environment or not installed_version("grpcio").startswith(_TRIED):
        return False
    environment[_FLAG] = _POLL_IN_PLACE
    return True


def silence_core(environment: MutableMapping[str, str] | None = None) -> None:
    """Keep gRPC's core from writing to standard error; call it before gRPC is imported.

    The core writes a line for each request that it refuses, past the log's format, level and bounds. What it has to say
    reaches the sidecar as errors, too. Does nothing if ``GRPC_VERBOSITY`` is set.
    """
    environment = os.environ if environment is None else environment
    environment.setdefault(_VERBOSITY, "NONE")
