"""Keeps people's tokens for exchanges: encrypted in the state store, bound to the root of the task that they started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.sealing import SealError, SealingKeys, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Collection

    from tabard_sidecar.model import Subject
    from tabard_sidecar.state import StateStore


class KeptSubjectTokens:
    """Seals the tokens of issuers whose people's tokens are exchanged, and opens them again.

    Args:
        state: the zone's state store.
        keys: encrypt what is stored.
        issuers: whose tokens are kept; others never are.
    """

    def __init__(self, state: StateStore, keys: SealingKeys, issuers: Collection[str]) -> None:
        self._state = state
        self._keys = keys
        self._issuers = frozenset(issuers)

    def sealed(
        self, token: str, subject: Subject, root_id: str, *, until: float
    ) -> tuple[bytes, float] | None:
        """Return a verified token encrypted; see :class:`~tabard_sidecar.interfaces.SubjectTokenKeeper`."""
        if subject.issuer not in self._issuers:
            return None
        return seal(self._keys, token.encode(), root_id.encode()), min(until, subject.expires_at)

    async def find(self, root_id: str, *, now: float) -> str | None:
        """Return the token that started a task; ``None`` if it is gone, or its key is.

        Raises:
            NoDecision: the state store is out of reach.
        """
        sealed = await self._state.subject_token(root_id, now=now)
        if sealed is None:
            return None
        try:
            return unseal(self._keys, sealed, root_id.encode()).decode()
        except (SealError, UnicodeDecodeError):
            return None
