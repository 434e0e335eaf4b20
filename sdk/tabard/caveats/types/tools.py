"""The caveat ``tools``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from tabard._lean import dataclass
from tabard.caveats import validation
from tabard.caveats.base import Caveat, DependsOn, set_field
from tabard.caveats.facts import Facts, Failure, listed, quoted
from tabard.caveats.globs import compile_glob
from tabard.caveats.limit_fields import TextsLimit


@dataclass(frozen=True, slots=True)
class Tools(Caveat):
    """Only tools whose name matches one of the globs may be called; none if the list is empty."""

    tag = "tools"
    depends_on = DependsOn.CALL
    limit_field = TextsLimit(name="tools", description="Globs of tool names.", nothing=())

    tools: tuple[str, ...] = field(metadata={"description": "globs"})
    matchers: tuple[Callable[[str], bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        set_field(self, "tools", validation.texts(self.tools, "tools"))
        set_field(self, "matchers", tuple(map(compile_glob, self.tools)))

    def check(self, facts: Facts) -> Failure | None:
        """See :meth:`Caveat.check`."""
        if facts.call is None:
            return None
        tool = facts.call.tool
        for matches in self.matchers:
            if matches(tool):
                return None
        return Failure("tool_not_granted", f"tool {quoted(tool)} matches none of {listed(self.tools)}")
