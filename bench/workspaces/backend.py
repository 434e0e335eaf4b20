"""The backend behind a workspace's tools: it checks credentials, makes calls, and signs what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tabard
from tabard.verify import Rejected, SqliteReplayStore, Verifier, sign_outcome
from tabard_sidecar.keys import jwks

from bench.workspaces.world import ToolError, World
from bench.zone import Zone


def audience(workspace: str) -> str:
    """Return the audience of a workspace's backend, as policies name it."""
    return f"https://{workspace}.example"


@dataclass(frozen=True)
class Response:
    """What a backend answers.

    Attributes:
        value: the tool's result; ``None`` if the call failed.
        problem: why it failed, for the agent; empty if it didn't.
        signed_outcome: the header ``Tabard-Outcome``; empty if the call had no credential of this audience.
    """

    value: Any
    problem: str = ""
    signed_outcome: str = ""


class Backend:
    """All tools of a workspace behind one audience.

    A call without a credential is made, too: a policy that grants kind ``none`` leaves credentials to others. Then the
    backend knows no decision and signs no outcome.
    """

    def __init__(self, zone: Zone, workspace: str) -> None:
        self._audience = audience(workspace)
        (self._key,) = zone.keys.export(self._audience)
        public = zone.folder / "backend.jwks.json"
        public.write_text(json.dumps(jwks(zone.keys)))
        self._replay = SqliteReplayStore(Path(zone.folder) / "replay.db")
        self._verifier = Verifier(
            self._audience, issuer=f"urn:tabard:zone:{zone.name}", jwks=public, replay=self._replay
        )

    def close(self) -> None:
        """Close the store of used credentials."""
        self._replay.close()

    def call(
        self, world: World, tool: str, arguments: Mapping[str, Any], credential: tabard.Credential | None
    ) -> Response:
        """Make a call if its credential allows exactly this one."""
        decision = ""
        if credential is not None:
            try:
                decision = self._verifier.verify(credential.value, tool, arguments).decision_id
            except Rejected as error:
                return Response(None, f"the backend refused the credential: {error}")
        try:
            answer = world.call(tool, arguments)
        except ToolError as error:
            return Response(None, str(error), self._sign(decision, (), failed=True))
        return Response(answer.value, "", self._sign(decision, answer.labels, answer.facts))

    def _sign(
        self,
        decision: str,
        labels: tuple[str, ...],
        facts: Mapping[str, Iterable[str]] | None = None,
        *,
        failed: bool = False,
    ) -> str:
        if not decision:
            return ""
        return sign_outcome(
            self._key.secret,
            key_id=self._key.kid,
            audience=self._audience,
            decision_id=decision,
            labels=labels,
            facts=facts,
            failed=failed,
        )
