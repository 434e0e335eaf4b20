"""The error that a malformed caveat raises."""

from __future__ import annotations


class CaveatError(ValueError):
    """A caveat, constraint or limit is malformed, unknown or not in canonical form.

    Attributes:
        unknown: true if the caveat is well-formed but of a type this version doesn't know.
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown
