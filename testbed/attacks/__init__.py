"""Attacks on a sidecar's availability, with real sidecars: for the benchmark of health and for tests."""
