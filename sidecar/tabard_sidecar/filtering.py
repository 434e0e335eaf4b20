"""Which tools a holder could use at all."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence

from tabard_sidecar.grants import tool_possible
from tabard_sidecar.interfaces import FilterQuestion
from tabard_sidecar.model import Operation, VerifiedGrant
from tabard_sidecar.stages import Stages

_CACHED_ANSWERS = 16_384


class ToolFilter:
    """Answers FilterTools: caveats first, then partial evaluation of policy.

    An answer is remembered per grant, tool and policy revision; it speaks of what could be allowed, so an old one does
    no harm beyond a denied call.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._answers: OrderedDict[tuple[str, str, str, str], bool] = OrderedDict()

    async def filter(self, grant: str, tools: Sequence[FilterQuestion]) -> tuple[list[FilterQuestion], str]:
        """Return the tools that some call might be allowed for, in order, and the policy revision.

        Raises:
            Refused: the grant doesn't verify or isn't held here.
            Unanswerable: policy or state can't be asked.
        """
        stages = self._stages
        agent, verified = stages.verify_held(grant)
        children = await stages.check_alive(verified)
        asked = [self._annotated(tool) for tool in tools] or [
            FilterQuestion(spec.name, spec.server, spec.annotations) for spec in stages.catalogue
        ]
        revision = stages.policy.revision
        possible = [tool for tool in asked if self._caveats_allow(verified, tool)]
        unknown = [tool for tool in possible if self._key(verified, tool, revision) not in self._answers]
        if unknown:
            base = json.loads(
                stages.inputs.without_tool(
                    Operation.FILTER_TOOLS, agent, verified, children=children, now=stages.clock()
                )
            )
            for tool, offered in zip(unknown, await stages.policy.filter_tools(base, unknown), strict=True):
                self._answers[self._key(verified, tool, revision)] = offered
        offered_tools = [tool for tool in possible if self._answers[self._key(verified, tool, revision)]]
        while len(self._answers) > _CACHED_ANSWERS:
            self._answers.popitem(last=False)
        return offered_tools, revision

    def _annotated(self, tool: FilterQuestion) -> FilterQuestion:
        spec = self._stages.catalogue.lookup(tool.name, tool.server)
        return tool if spec is None else FilterQuestion(tool.name, tool.server, spec.annotations)

    def _caveats_allow(self, grant: VerifiedGrant, tool: FilterQuestion) -> bool:
        spec = self._stages.catalogue.lookup(tool.name, tool.server)
        if spec is None and self._stages.catalogue.required:
            return False
        return tool_possible(
            grant, tool.name, now=self._stages.clock(), read_only=spec is not None and spec.read_only
        )

    @staticmethod
    def _key(grant: VerifiedGrant, tool: FilterQuestion, revision: str) -> tuple[str, str, str, str]:
        return grant.digest, tool.name, tool.server, revision
