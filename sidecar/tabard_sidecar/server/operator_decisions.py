"""Implements the operators' gRPC service that explains decisions, on a socket that agents can't reach."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from tabard.authz.v1 import decision_operator_service_pb2 as decision_pb
from tabard.authz.v1 import decision_operator_service_pb2_grpc as decision_grpc

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.server.convert import invalid
from tabard_sidecar.server.edge import Context, Edge, answering
from tabard_sidecar.util.jsontext import encode

if TYPE_CHECKING:
    from tabard_sidecar.config import Settings

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COMMAND = ("-I", "-m", "tabard_sidecar.explaining.worker")
_MAX_BYTES = 4 * 1024 * 1024


class DecisionOperatorServicer(decision_grpc.DecisionOperatorServiceServicer):
    """Explains decisions, one at a time, each in a process of its own: reading a log and trying rules takes seconds.

    Args:
        settings: the sidecar's configuration.
        edge: bounds requests.
    """

    OPERATORS: ClassVar = True

    def __init__(self, settings: Settings, edge: Edge) -> None:
        self.edge = edge
        self._settings = settings
        self._one = asyncio.Lock()

    @answering
    async def ExplainDecision(
        self, request: decision_pb.ExplainDecisionRequest, context: Context
    ) -> decision_pb.ExplainDecisionResponse:
        """Explain one decision."""
        if not _ID.fullmatch(request.decision_id):
            raise invalid("decision_id isn't the id of a decision")
        if self._settings.audit.path is None or self._settings.policy.path is None:
            message = "the decision log or the policy isn't in a file of this sidecar"
            raise NoDecision("FAILED_PRECONDITION", "decision_not_explainable", message)
        async with self._one:
            found = await self._run(request.decision_id)
        if found.get("absent"):
            message = "the sidecar's decision log doesn't hold it"
            raise NoDecision("NOT_FOUND", "decision_unknown", message)
        if "explanation" not in found:
            message = str(found.get("problem") or "the process that explains it ended")
            raise NoDecision("FAILED_PRECONDITION", "decision_not_explainable", message)
        explanation = found["explanation"]
        policy = explanation["policy"] or {}
        text = encode(explanation)
        if len(text) > _MAX_BYTES:
            raise NoDecision(
                "FAILED_PRECONDITION", "decision_not_explainable", "the explanation is too large"
            )
        return decision_pb.ExplainDecisionResponse(
            effect=explanation["effect"],
            revision=explanation["revision"],
            explained_revision=policy.get("revision", ""),
            explanation_json=text.decode(),
        )

    async def _run(self, decision_id: str) -> dict[str, Any]:
        """Return what the process answers; empty if it ended without an answer."""
        asked = {"settings": self._settings.model_dump(mode="json"), "decision_id": decision_id}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            output, _ = await process.communicate(encode(asked))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        try:
            found = json.loads(output)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
