"""Says why a recorded decision was made: which rule, at which line, what was missing, and what the grant allowed."""
