"""Plays AgentDojo's tool calls against the real sidecar and counts the allowed calls of users and of
attackers."""
