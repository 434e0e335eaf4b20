"""AgentDojo's tool calls through the real sidecar: what policy lets through, of the users and of the attackers."""
