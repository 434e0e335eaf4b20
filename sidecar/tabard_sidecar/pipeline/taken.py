"""Keeps account of what was taken and issued for one decision, and gives it back if the answer isn't given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Protocol

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Withdrawal

TRIES_AFTER = (0.0, 0.05, 0.2, 1.0)
"""Seconds after which a reservation is released whose caller has gone: it may reach the store late."""
_log = logging.getLogger(__name__)


class Issuance(Protocol):
    """A credential that another system issues for a decision."""

    def commit(self) -> None:
        """Note that the answer leaves now."""
        ...

    async def withdraw(self) -> Withdrawal:
        """Wait until issuing has ended, and end the credential."""
        ...


class Taken:
    """What one decision has taken from the state store, and what another system issued for it.

    Attributes:
        effects: the part of the decision's record that says so.
    """

    __slots__ = ("_asking_for", "_issuance", "_undo", "effects")

    def __init__(self) -> None:
        self.effects: dict[str, Any] = {}
        self._asking_for: dict[str, Any] | None = None
        self._undo: Callable[[], Awaitable[bool]] | None = None
        self._issuance: Issuance | None = None

    @property
    def unsure(self) -> bool:
        """Whether it is unknown if the store took what was asked for."""
        return self._asking_for is not None

    @property
    def something(self) -> bool:
        """Whether there is something to give back."""
        return self._undo is not None or self._issuance is not None

    def take(self, undo: Callable[[], Awaitable[bool]], wanted: dict[str, Any]) -> None:
        """Note what is about to be reserved, as the record says it; see :meth:`DecisionRecorder.take`."""
        self._undo, self._asking_for = undo, wanted

    def took(self) -> None:
        """Note that it was reserved."""
        self.effects |= self._asking_for or {}
        self._asking_for = None

    def took_nothing(self) -> None:
        """Note that it wasn't reserved."""
        self._undo = self._asking_for = None

    def issuing(self, issuance: Issuance) -> None:
        """Note that another system issues a credential from now on."""
        self._issuance = issuance

    def keep(self) -> None:
        """Keep all of it: the answer stands, whatever happens now."""
        self._undo = None
        self.commit()

    def commit(self) -> None:
        """Tell the issuer that the answer leaves now."""
        issuance, self._issuance = self._issuance, None
        if issuance is not None:
            issuance.commit()

    async def give_back(self, tries_after: Collection[float]) -> None:
        """Release what was taken for an answer that isn't given; see :meth:`DecisionRecorder.give_back`."""
        undo, self._undo = self._undo, None
        wanted, self._asking_for = self._asking_for, None
        if not await self._nothing_issued() or undo is None:
            return
        unknown = wanted is not None
        for pause in tries_after if unknown else TRIES_AFTER[:1]:
            await asyncio.sleep(pause)
            with suppress(NoDecision):
                if await undo():
                    self.effects |= wanted or {}
                    self._gave_back()
                    return
                unknown = False
        if unknown and wanted:
            self.effects["may_have_taken"] = wanted

    async def _nothing_issued(self) -> bool:
        """End what was issued; return True if it is proven that nothing was, so that what was reserved is released."""
        issuance, self._issuance = self._issuance, None
        if issuance is None:
            return True
        try:
            withdrawal = await issuance.withdraw()
        except Exception:  # noqa: BLE001 - a defect of an issuer must not release what was reserved
            _log.exception("withdrawing a credential failed")
            withdrawal = Withdrawal.UNCLEAR
        if withdrawal is Withdrawal.NOTHING_ISSUED:
            return True
        self.effects["withdrawal"] = withdrawal.value
        return False

    def _gave_back(self) -> None:
        """Note that charges, approvals and facts were released; labels stay."""
        for name in ("charges", "approvals", "facts", "branch_facts"):
            self.effects.pop(name, None)
