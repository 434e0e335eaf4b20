"""What the sidecar answers over HTTP: health, metrics, public keys and introspection."""
