"""Serves health, metrics, public keys and introspection over HTTP."""
