"""Version 1 of the Tabard API, generated from proto/tabard/authz/v1."""
