"""The refusal of a pod, and how it quotes what others wrote."""

from __future__ import annotations

from tabard_sidecar.util.visible import one_line

_LONGEST = 80


class Refusal(Exception):
    """A pod can't get a sidecar as it is; the text says why and what to do, for who creates the pod."""


def quoted(text: str) -> str:
    """Return a stranger's text for a message: in quotes, visible, at most 80 characters."""
    shown = one_line(text[:_LONGEST])[:_LONGEST]
    return f'"{shown}{"…" if len(text) > _LONGEST else ""}"'
