"""Runs the sidecar: the gRPC services, their sockets and the process's lifecycle."""
