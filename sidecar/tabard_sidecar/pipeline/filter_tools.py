"""Which tools a holder could use at all."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence

from tabard_sidecar.grants import tool_possible
from tabard_sidecar.interfaces import CandidateTool
from tabard_sidecar.model import Operation, VerifiedGrant
from tabard_sidecar.pipeline.stages import Stages

_CACHED_ANSWERS = 16_384
# Rules may look at the clock, and an evaluation that was cut short counts as a no.
_ANSWER_SECONDS = 30.0


class ToolFilter:
    """Answers FilterTools: caveats first, then partial evaluation of policy.

    An answer is remembered for half a minute per grant, tool and policy revision; it speaks of what could be allowed, so
    an old one does no harm beyond a denied call.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._answers: OrderedDict[tuple[str, str, str, str], tuple[bool, float]] = OrderedDict()

    async def filter(self, grant: str, tools: Sequence[CandidateTool]) -> tuple[list[CandidateTool], str]:
        """Return the tools that some call might be allowed for, in order, and the policy revision.

        Raises:
            Refused: the grant doesn't verify or isn't held here.
            NoDecision: policy or state can't be asked.
        """
        stages = self._stages
        agent, verified = stages.verify_held(grant)
        if verified.refusal is not None:
            # Nothing is possible under it, however often somebody asks: its links aren't counted.
            return [], stages.policy.revision
        standing = await stages.check_alive(agent, verified)
        asked = [self._annotated(tool) for tool in tools] or [
            CandidateTool(spec.name, spec.server, spec.annotations) for spec in stages.catalogue
        ]
        revision = stages.policy.revision
        possible = [tool for tool in asked if self._caveats_allow(verified, tool)]
        keys = {tool: self._key(verified, tool, revision) for tool in map(_identity, possible)}
        # A copy: while policy is asked, other questions may push answers out.
        now = stages.clock()
        remembered = {tool: self._answers.get(key, (False, 0.0)) for tool, key in keys.items()}
        answers = {tool: offered for tool, (offered, until) in remembered.items() if now < until}
        unknown = [tool for tool in possible if _identity(tool) not in answers]
        if unknown:
            base = json.loads(
                stages.inputs.without_tool(
                    Operation.FILTER_TOOLS, agent, verified, standing=standing, now=now
                )
            )
            found = await stages.policy.filter_tools(base, unknown)
            for tool, offered in zip(map(_identity, unknown), found, strict=True):
                answers[tool] = offered
                self._answers[keys[tool]] = (offered, now + _ANSWER_SECONDS)
            while len(self._answers) > _CACHED_ANSWERS:
                self._answers.popitem(last=False)
        offered_tools = [tool for tool in possible if answers[_identity(tool)]]
        return offered_tools, revision

    def _annotated(self, tool: CandidateTool) -> CandidateTool:
        spec = self._stages.catalogue.lookup(tool.name, tool.server)
        return tool if spec is None else CandidateTool(tool.name, tool.server, spec.annotations)

    def _caveats_allow(self, grant: VerifiedGrant, tool: CandidateTool) -> bool:
        spec = self._stages.catalogue.lookup(tool.name, tool.server)
        if spec is None and self._stages.catalogue.required:
            return False
        return tool_possible(
            grant, tool.name, now=self._stages.clock(), read_only=spec is not None and spec.read_only
        )

    @staticmethod
    def _key(grant: VerifiedGrant, tool: tuple[str, str], revision: str) -> tuple[str, str, str, str]:
        return grant.digest, *tool, revision


def _identity(tool: CandidateTool) -> tuple[str, str]:
    return tool.name, tool.server
