"""Open Policy Agent as a library."""
