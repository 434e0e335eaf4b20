"""The gRPC edge: services, sockets and the life of the process."""
