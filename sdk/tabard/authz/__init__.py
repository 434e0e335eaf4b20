"""The Tabard API."""
