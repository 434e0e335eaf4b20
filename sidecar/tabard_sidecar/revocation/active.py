"""Holds the active revocations in memory, by target."""

from __future__ import annotations

from collections.abc import Iterable

from tabard_sidecar.revocation.targets import line_target, own_credential_target, subject_target
from tabard_sidecar.state.model import Revocation, RevocationKind, RevocationOrigin


class ActiveRevocations:
    """The active revocations by target.

    Links that their holders ended aren't kept: there is one per ended task, and the state store checks links with each
    chain. Links that operators revoked are kept, to be listed and to be restored if the store loses them.
    """

    def __init__(self) -> None:
        self._links: dict[str, Revocation] = {}
        self._agents: dict[str, Revocation] = {}
        self._subjects: dict[str, Revocation] = {}
        self._credentials: dict[str, Revocation] = {}
        self._lines: dict[str, set[str]] = {}
        self._states: dict[str, Revocation] = {}
        self._by_kind = {
            RevocationKind.LINK: self._links,
            RevocationKind.AGENT: self._agents,
            RevocationKind.SUBJECT: self._subjects,
            RevocationKind.CREDENTIAL: self._credentials,
            RevocationKind.STATE: self._states,
        }

    def __len__(self) -> int:
        return sum(map(len, self._by_kind.values()))

    def apply(self, revocation: Revocation) -> None:
        """Add a revocation or remove a lifted one. A later revocation of a target never shortens an earlier one."""
        if revocation.kind is RevocationKind.LINK and revocation.origin is RevocationOrigin.HOLDER:
            return
        kept = self._by_kind[revocation.kind]
        if revocation.expires_at <= 0:
            kept.pop(revocation.target, None)
            return
        old = kept.get(revocation.target)
        kept[revocation.target] = revocation if old is None else revocation.beside(old)
        if revocation.kind is RevocationKind.CREDENTIAL:
            self._lines.setdefault(line_target(revocation.target), set()).add(revocation.target)

    def prune(self, now: float) -> None:
        """Remove expired revocations."""
        for kept in self._by_kind.values():
            for target in [target for target, entry in kept.items() if entry.expires_at <= now]:
                del kept[target]
        self._lines = _by_line(self._credentials)

    def get(self, kind: RevocationKind, target: str) -> Revocation | None:
        """Return the revocation of a target, if there is one."""
        return self._by_kind[kind].get(target)

    def all(self, now: float) -> list[Revocation]:
        """Return every active revocation."""
        return [entry for kept in self._by_kind.values() for entry in kept.values() if entry.expires_at > now]

    def state(self, started_at: float, now: float) -> Revocation | None:
        """Return the revocation that says that the store went back in time after ``started_at``, if it did."""
        for found in self._states.values():
            if found.expires_at > now and started_at <= found.at:
                return found
        return None

    def agent(self, holders: Iterable[str], now: float) -> Revocation | None:
        """Return the revocation of the first of these workloads that is revoked."""
        if self._agents:
            for holder in holders:
                found = self._agents.get(holder)
                if found is not None and found.expires_at > now:
                    return found
        return None

    def subject(self, issuer: str, subject_id: str, since: float, now: float) -> Revocation | None:
        """Return the revocation of a person if it was made at or after ``since``."""
        if self._subjects:
            found = self._subjects.get(subject_target(issuer, subject_id))
            if found is not None and found.expires_at > now and since <= found.at:
                return found
        return None

    def credential(self, credential_id: str, link_id: str, now: float) -> Revocation | None:
        """Return the revocation of a credential that was issued to the holder of ``link_id``, or of one of its line.

        The line is the first credential and all renewals of it, which the ids tell.
        """
        if self._lines:
            for target in (credential_id, own_credential_target(credential_id, link_id)):
                for revoked in self._lines.get(line_target(target), ()):
                    found = self._credentials.get(revoked)  # none: it was lifted
                    if found is not None and found.expires_at > now:
                        return found
        return None


def _by_line(targets: Iterable[str]) -> dict[str, set[str]]:
    lines: dict[str, set[str]] = {}
    for target in targets:
        lines.setdefault(line_target(target), set()).add(target)
    return lines
