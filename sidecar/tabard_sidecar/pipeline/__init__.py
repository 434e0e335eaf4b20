"""Decides about requests: from the verification of the grant to the recorded decision."""
