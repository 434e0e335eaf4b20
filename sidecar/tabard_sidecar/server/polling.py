"""How gRPC waits for the network.

By default gRPC's core hands every event from a pool of its own threads to the thread that waits for it: three to five
threads awake per call. Its older way, in which the waiting thread polls the sockets itself, takes a quarter less processor
time per call here (docs/design.md). Both are in the core, chosen by an experiment flag when it is first used.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from importlib.metadata import version

_FLAG = "GRPC_EXPERIMENTS"
_POLL_IN_PLACE = "-event_engine_listener,-event_engine_client"
# Where the flags exist and were tried; gRPC complains on standard error about one that it doesn't know.
_TRIED = ("1.85.",)


def poll_in_place(environment: MutableMapping[str, str] | None = None) -> bool:
    """Ask gRPC to poll in the waiting thread; call it before gRPC is imported.

    Whoever sets ``GRPC_EXPERIMENTS`` himself keeps his choice, and a version that this wasn't tried with its own.

    Returns:
        True if the flag is set now.
    """
    environment = os.environ if environment is None else environment
    if _FLAG in environment or not version("grpcio").startswith(_TRIED):
        return False
    environment[_FLAG] = _POLL_IN_PLACE
    return True
