"""Policy engines: OPA in this process, or an OPA server."""
