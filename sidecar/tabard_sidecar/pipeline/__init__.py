"""The way of a request through the sidecar: from the verified grant to the recorded decision."""
