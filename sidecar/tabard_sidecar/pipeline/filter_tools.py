"""Tells which tools a holder could use at all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from tabard_sidecar.grants import IndexedGrant, tool_possible
from tabard_sidecar.interfaces import CandidateTool
from tabard_sidecar.pipeline.stages import Stages

_CACHED_ANSWERS = 16_384
# Rules may look at the clock, and an evaluation that was cut short counts as a no.
_ANSWER_SECONDS = 30.0


class ToolFilter:
    """Answers FilterTools: caveats first, then partial evaluation of policy.

    An answer is cached for half a minute per grant, tool and policy revision. It tells what could be allowed, so
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
            # Nothing is possible under it, so its links needn't be counted.
            return [], stages.policy.revision
        with stages.policy.lease() as policy:
            state = await stages.task_states.look_up(agent, verified, with_calls=policy.reads_calls)
            wanted = [self._annotated(tool) for tool in tools] or [
                CandidateTool(spec.name, spec.server, spec.annotations) for spec in stages.catalogue
            ]
            possible = [tool for tool in wanted if self._caveats_allow(verified, tool)]
            now = stages.clock()
            answers = self._cached(verified, possible, policy.revision, now)
            unknown = [tool for tool in possible if _identity(tool) not in answers]
            if unknown:
                inputs = stages.inputs.filter_tools(agent, verified, unknown, state=state, now=now)
                offered = await policy.filter_tools(inputs)
                found = dict(zip(map(_identity, unknown), offered, strict=True))
                self._cache(verified, found, policy.revision, now)
                answers |= found
            return [tool for tool in possible if answers[_identity(tool)]], policy.revision

    def _cached(
        self, grant: IndexedGrant, tools: Iterable[CandidateTool], revision: str, now: float
    ) -> dict[tuple[str, str], bool]:
        """Return the answers that are still fresh."""
        fresh = {}
        for tool in map(_identity, tools):
            offered, until = self._answers.get((grant.digest, *tool, revision), (False, 0.0))
            if now < until:
                fresh[tool] = offered
        return fresh

    def _cache(
        self, grant: IndexedGrant, answers: Mapping[tuple[str, str], bool], revision: str, now: float
    ) -> None:
        for tool, offered in answers.items():
            self._answers[grant.digest, *tool, revision] = (offered, now + _ANSWER_SECONDS)
        while len(self._answers) > _CACHED_ANSWERS:
            self._answers.popitem(last=False)

    def _annotated(self, tool: CandidateTool) -> CandidateTool:
        spec = self._stages.catalogue.lookup(tool.name, tool.server)
        return tool if spec is None else CandidateTool(tool.name, tool.server, spec.annotations)

    def _caveats_allow(self, grant: IndexedGrant, tool: CandidateTool) -> bool:
        spec = self._stages.catalogue.lookup(tool.name, tool.server)
        if spec is None and self._stages.catalogue.required:
            return False
        return tool_possible(
            grant, tool.name, now=self._stages.clock(), read_only=spec is not None and spec.read_only
        )


def _identity(tool: CandidateTool) -> tuple[str, str]:
    return tool.name, tool.server
