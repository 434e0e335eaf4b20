"""Tells which tools a holder could use at all."""

from __future__ import annotations

from collections.abc import Sequence

from cachetools import TTLCache

from tabard_sidecar.grants import IndexedGrant, tool_possible
from tabard_sidecar.interfaces import CandidateTool
from tabard_sidecar.pipeline.stages import Stages

_CACHED_ANSWERS = 16_384
# Rules may look at the clock, and an evaluation that was cut short counts as a no.
_ANSWER_SECONDS = 30.0


class ToolFilter:
    """Answers FilterTools: caveats first, then partial evaluation of policy.

    An answer is cached for half a minute per grant, tool and policy revision. It tells what could be allowed, so
    an old one does no harm beyond a denied call. Under a policy with facts it counts until the task's facts change.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._answers: TTLCache[tuple[str, str, str, str, int], bool] = TTLCache(
            _CACHED_ANSWERS, _ANSWER_SECONDS, timer=stages.clock
        )

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
            state = await stages.task_states.standing(agent, verified, with_calls=policy.reads_calls)
            wanted = [self._annotated(tool) for tool in tools] or [
                CandidateTool(spec.name, spec.server, spec.annotations) for spec in stages.catalogue
            ]
            possible = [tool for tool in wanted if self._caveats_allow(verified, tool)]
            # A fact may open a tool, which must not be hidden for as long as an answer counts.
            version = state.label_version if policy.facts else 0
            keys = {
                tool: (verified.digest, *tool, policy.revision, version) for tool in map(_identity, possible)
            }
            # Copied, since other requests may displace cached answers while policy is evaluated.
            answers = {
                tool: offered for tool, key in keys.items() if (offered := self._answers.get(key)) is not None
            }
            unknown = [tool for tool in possible if _identity(tool) not in answers]
            if unknown:
                inputs = stages.inputs.filter_tools(
                    agent, verified, unknown, state=state, now=stages.clock(), facts=policy.facts
                )
                found = await policy.filter_tools(inputs)
                for tool, answer in zip(map(_identity, unknown), found, strict=True):
                    answers[tool] = self._answers[keys[tool]] = answer
            if stages.observing.covers(agent):
                # What policy would deny is to be tried; what it says is recorded at the call.
                answers |= {tool: True for tool in keys if stages.catalogue.lookup(*tool) is not None}
            return [tool for tool in possible if answers[_identity(tool)]], policy.revision

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
