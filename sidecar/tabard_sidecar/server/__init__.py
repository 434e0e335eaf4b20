"""The gRPC edge: services, sockets and the life of the process."""

from tabard_sidecar.server.lifecycle import run

__all__ = ["run"]
