"""Serves operators a page in their browser: what agents did, on whose behalf, why, and what to stop."""
