"""Loads, checks and evaluates Rego policies, composes decisions from them, and holds the tool catalogue."""
