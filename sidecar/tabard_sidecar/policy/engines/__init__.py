"""Policy engines: evaluate with OPA in this process or on an OPA server."""
