"""The control service: derives the keys of every namespace's zone from a master key, and gives them to its sidecars."""

from __future__ import annotations
