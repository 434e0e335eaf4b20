"""Knows the tokens that are being obtained or were given, so that a revocation reaches each of them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.revoked import REVOKED_CODES
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.state import RevocationKind
from tabard_sidecar.state.leases import LeaseTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tabard_sidecar.credentials.exchange.server import ExchangeServer
    from tabard_sidecar.credentials.kept import KeptRequest
    from tabard_sidecar.model import IssuedCredential
    from tabard_sidecar.reasons import ReasonCode
    from tabard_sidecar.state import Revocation

MOST_OF_PERSON = 4096
"""Most tokens of one person that can be revoked and haven't ended, and those that are being obtained."""
MOST = 8 * MOST_OF_PERSON
"""Most tokens of all people."""

# Longer than a request takes (limits.request_seconds): a revocation that came between its checks and here is known here.
_RECENT_SECONDS = 330.0
_STATE = LeaseTarget(RevocationKind.STATE, "")


@dataclass(slots=True, eq=False)
class Exchange:
    """One credential that is being obtained, or was given.

    Attributes:
        kept: what is kept of the call's request.
        server: who is asked.
        asked: whether it may have issued a token.
        token: the token, once it is known, acceptable or not.
        issued: the credential, once it is there.
        ends_at: when the token ends by itself, in seconds since the epoch.
        doomed: why it may not be given any more.
        revoked: whether its token has ended.
        noted: whether the journal may have it.
    """

    kept: KeptRequest
    server: ExchangeServer
    asked: bool = False
    token: str = field(default="", repr=False)
    issued: IssuedCredential | None = None
    ends_at: float = 0.0
    doomed: ReasonCode | None = None
    revoked: bool = False
    noted: bool = False

    def check(self) -> None:
        """Check that nothing has revoked it.

        Raises:
            Refused: something has.
        """
        if self.doomed is not None:
            raise Refused(self.doomed, "it was revoked while its credential was being obtained")


class LiveExchanges:
    """What runs and what was given. A new one is refused when a person, or all together, have too many; none makes room.

    Args:
        uptime: monotonic seconds.
    """

    def __init__(self, uptime: Callable[[], float] = time.monotonic) -> None:
        self._uptime = uptime
        self._running: dict[str, Exchange] = {}
        self._given: dict[str, Exchange] = {}
        self._of_person: Counter[tuple[str, str]] = Counter()
        # By what ends them; revocations of a credential name its id.
        self._by_target: dict[LeaseTarget, set[Exchange]] = {}
        # An identity provider may issue the same token again.
        self._by_token: dict[str, set[Exchange]] = {}
        self._recent: dict[LeaseTarget, tuple[float, Revocation]] = {}

    def __len__(self) -> int:
        """How many run or were given."""
        return len(self._running) + len(self._given)

    def begin(self, exchange: Exchange, now: float) -> None:
        """Register an exchange before anything is asked for it.

        Raises:
            NoDecision: there are too many tokens.
            Refused: it was revoked a moment ago.
        """
        self._check_room(exchange, now)
        self._forget_revocations(self._uptime())
        for target in (*exchange.kept.targets, _STATE):
            _, revocation = self._recent.get(target, (0.0, None))
            if revocation is not None and exchange.kept.ended_by(revocation):
                exchange.doomed = REVOKED_CODES[revocation.kind]
        exchange.check()
        self._running[exchange.kept.credential_id] = exchange
        self._of_person[exchange.kept.person] += 1
        for target in _indexed(exchange):
            self._by_target.setdefault(target, set()).add(exchange)

    def running(self, credential_id: str) -> Exchange | None:
        """Return an exchange whose answer isn't given."""
        return self._running.get(credential_id)

    def own(self, exchange: Exchange, token: str) -> bool:
        """Note the token of an exchange; return False, and note nothing, if it is known as another person's."""
        if any(one.kept.person != exchange.kept.person for one in self.of_token(token)):
            return False
        exchange.token = token
        self._by_token.setdefault(token, set()).add(exchange)
        return True

    def of_token(self, token: str) -> tuple[Exchange, ...]:
        """Return every exchange that is known to have got a token."""
        return tuple(self._by_token.get(token, ()))

    def withdraw(self, credential_id: str) -> Exchange | None:
        """Forget an exchange whose answer isn't given, and return it."""
        exchange = self._running.pop(credential_id, None)
        if exchange is not None:
            self._leave(exchange)
        return exchange

    def give(self, credential_id: str, *, keep: bool) -> None:
        """Note that the answer of an exchange is given, and keep it until its token ends if that has a use."""
        exchange = self._running.pop(credential_id)
        if keep and not exchange.revoked:
            self._given[credential_id] = exchange
        else:
            self._leave(exchange)

    def get(self, credential_id: str) -> Exchange | None:
        """Return what this process obtains, or holds to be revoked; ``None`` if it doesn't know it."""
        return self._running.get(credential_id) or self._given.get(credential_id)

    def end(self, exchange: Exchange) -> None:
        """Note that a token has ended."""
        exchange.revoked = True
        if self._given.pop(exchange.kept.credential_id, None) is not None:
            self._leave(exchange)

    def doom(self, revocation: Revocation) -> None:
        """Let nothing be given any more that a revocation ends, and remember the revocation for what begins now."""
        now = self._uptime()
        target = _target_of(revocation)
        self._recent.pop(target, None)
        self._recent[target] = (now, revocation)
        self._forget_revocations(now)
        for exchange in self._concerned(revocation):
            exchange.doomed = REVOKED_CODES[revocation.kind]

    def lift(self, revocation: Revocation) -> None:
        """Forget a revocation that was lifted."""
        self._recent.pop(_target_of(revocation), None)

    def tokens(self, revocation: Revocation) -> list[Exchange]:
        """Return those of the tokens there are that a revocation ends, also if their answers aren't given.

        One that was revoked stays among them until the journal has forgotten it.
        """
        return [
            one
            for one in self._concerned(revocation)
            if one.issued is not None and (one.noted or not one.revoked)
        ]

    def _concerned(self, revocation: Revocation) -> list[Exchange]:
        found: Iterable[Exchange | None]
        if revocation.kind is RevocationKind.STATE:
            found = (*self._running.values(), *self._given.values())
        elif revocation.kind is RevocationKind.CREDENTIAL:
            credential_id = revocation.target.partition(" ")[0]
            found = (self._running.get(credential_id), self._given.get(credential_id))
        else:
            found = self._by_target.get(_target_of(revocation), ())
        return [one for one in found if one is not None and one.kept.ended_by(revocation)]

    def _leave(self, exchange: Exchange) -> None:
        same_token = self._by_token.get(exchange.token, set())
        same_token.discard(exchange)
        if not same_token:
            self._by_token.pop(exchange.token, None)
        self._of_person[exchange.kept.person] -= 1
        if self._of_person[exchange.kept.person] <= 0:
            del self._of_person[exchange.kept.person]
        for target in _indexed(exchange):
            same = self._by_target[target]
            same.discard(exchange)
            if not same:
                del self._by_target[target]

    def _check_room(self, exchange: Exchange, now: float) -> None:
        if self._has_room(exchange):
            return
        for one in [one for one in self._given.values() if one.ends_at <= now]:
            self.end(one)
        if self._has_room(exchange):
            return
        full = self._of_person[exchange.kept.person] >= MOST_OF_PERSON
        whose = f"{MOST_OF_PERSON} tokens of this person" if full else f"{MOST} tokens"
        raise NoDecision(
            "RESOURCE_EXHAUSTED",
            "overloaded",
            f"exchange.{exchange.server.name}: {whose} haven't ended, and no more can be held to be revoked: "
            "let policy grant a shorter ttl, or set reuse",
        )

    def _has_room(self, exchange: Exchange) -> bool:
        return len(self) < MOST and self._of_person.get(exchange.kept.person, 0) < MOST_OF_PERSON

    def _forget_revocations(self, now: float) -> None:
        while self._recent:
            oldest = next(iter(self._recent))
            if self._recent[oldest][0] + _RECENT_SECONDS > now:
                return
            del self._recent[oldest]


def _target_of(revocation: Revocation) -> LeaseTarget:
    is_state = revocation.kind is RevocationKind.STATE
    return _STATE if is_state else LeaseTarget(revocation.kind, revocation.target)


def _indexed(exchange: Exchange) -> list[LeaseTarget]:
    return [target for target in exchange.kept.targets if target.kind is not RevocationKind.CREDENTIAL]
