"""Grants for tests, made by the real service with a real keyring."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tabard.arguments import call_digest, canonical
from tabard.caveats import Limits
from tabard_sidecar.grants import GrantService
from tabard_sidecar.keys import Keyring
from tabard_sidecar.model import IntentSource, Subject, Task, ToolCall

if TYPE_CHECKING:
    from pathlib import Path

    from tabard_sidecar.grants import IndexedGrant
    from tabard_sidecar.interfaces import Clock

NOW = 1_800_000_000.0
ALICE = "spiffe://example.org/ns/shop/sa/alice"
BOB = "spiffe://example.org/ns/shop/sa/bob"
CAROL = "spiffe://example.org/ns/shop/sa/carol"
MALLORY = "spiffe://example.org/ns/shop/sa/mallory"
WIDE = Limits(
    tools=("*",),
    audiences=("erp", "crm"),
    scopes=("read", "write"),
    max_depth=6,
    max_children=20,
    ttl_seconds=3600.0,
)


@dataclass(frozen=True)
class GrantKit:
    """A grant service, and short ways to make grants with it."""

    service: GrantService
    keyring: Keyring

    def mint(
        self,
        *offered: Limits,
        requested: tuple[Limits, ...] = (),
        holder: str = ALICE,
        purpose: str = "refunds",
        claims: dict[str, object] | None = None,
    ) -> str:
        """Return a root grant that lasts an hour."""
        task = Task("task-1", purpose, "Work off the refunds.", IntentSource.SIGNED, NOW, NOW + 3600)
        subject = Subject("u-1", "https://idp.example.org", claims or {}, NOW - 60)
        return self.service.mint(
            task=task,
            subject=subject,
            holder=holder,
            offered=offered or (WIDE,),
            requested=requested,
            now=NOW,
        )

    def delegate(self, grant: str, holder: str, *limits: Limits) -> str:
        """Return ``grant`` handed to ``holder``."""
        verified = self.service.verify(grant)
        return self.service.delegate(grant, verified, holder=holder, limits=limits, now=NOW)

    def verify(self, grant: str) -> IndexedGrant:
        """Verify ``grant``."""
        return self.service.verify(grant)


def make_kit(directory: Path, *, zone: str = "shop", clock: Clock = time.time) -> GrantKit:
    """Return a kit with a fresh keyring in ``directory``."""
    keyring = Keyring.create_directory(directory, clock=clock)
    keyring.create("root")
    return GrantKit(GrantService(keyring, zone), keyring)


def tool_call(name: str = "refunds.create", server: str = "", **arguments: object) -> ToolCall:
    """Return a call with its digest."""
    encoded = canonical(arguments)
    return ToolCall(name, server, arguments, encoded, call_digest(name, server, encoded))
