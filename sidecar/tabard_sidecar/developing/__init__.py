"""Follows a policy while its author writes it: what changed on disk, and what the last decisions would be by now."""
