"""Compares what was decided with what a policy decides, decision by decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tabard_opa import Engine

from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.replay.comparing import Change, changes
from tabard_sidecar.replay.not_replayable import NotReplayableError
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.report import Report
from tabard_sidecar.replay.verdict import Verdict
from tabard_sidecar.replay.world import World, loaded

_FORGET_AFTER = 10_000
_LATE_SECONDS = 3600.0


class Side(NamedTuple):
    """A policy to replay: where it is, how it is compiled, the tools' catalogue, and policies whose data it decides with."""

    path: Path
    options: CompileOptions
    catalogue: Catalogue
    data: tuple[Path, ...] = ()


class Sides(NamedTuple):
    """The policy whose changes are wanted, and the one that it is compared with; ``None`` for what was recorded."""

    new: Side
    old: Side | None


class Plan(NamedTuple):
    """How to replay.

    Attributes:
        sides: returns the policies; it runs in each process of a replay, so it can be pickled.
        stateless: see :class:`~tabard_sidecar.replay.world.World`.
        most_examples: how many examples each group of changes keeps.
    """

    sides: Callable[[], Sides]
    stateless: bool = False
    most_examples: int = 3


class Difference(NamedTuple):
    """One decision that changes, and how; ``carried`` tells whether only the task's state makes the difference."""

    recorded: Recorded
    before: Verdict
    now: Verdict
    changes: tuple[Change, ...]
    carried: bool


class Judge:
    """Judges the decisions of whole tasks in their order; ``report`` has what it found.

    Args:
        new: what would have happened under the policy.
        old: the same under the policy that it is compared with; ``None`` for what was recorded.
        most_examples: see :class:`Plan`.
        tell: is told of each decision that changes.
    """

    def __init__(
        self,
        new: World,
        old: World | None,
        most_examples: int,
        tell: Callable[[Difference], None] | None = None,
    ) -> None:
        self.report = Report(most_examples)
        self._tell = tell
        self._new = new
        self._old = old
        self._worlds = (new,) if old is None else (new, old)
        self._seen = 0

    async def judge(self, items: Iterable[Recorded]) -> None:
        """Judge further decisions."""
        for item in items:
            if item.outcome is not None:
                for world in self._worlds:
                    world.report(item)
            else:
                await self._judge(item)
            self._seen += 1
            if self._seen % _FORGET_AFTER == 0:
                for world in self._worlds:
                    world.forget(item.time - _LATE_SECONDS)

    async def _judge(self, item: Recorded) -> None:
        before, old_why = await _verdict(self._old, item) if self._old is not None else (item.verdict, "")
        now, why = await _verdict(self._new, item)
        if before is None or now is None:
            self.report.not_replayable[why or old_why] += 1
            return
        found = changes(before, now, item.about.at)
        carried = bool(found) and await self._by_state(item, found)
        self.report.count(item, before, now, found, carried=carried)
        if found and self._tell is not None:
            self._tell(Difference(item, before, now, found, carried))

    async def _by_state(self, item: Recorded, found: tuple[Change, ...]) -> bool:
        """Tell whether a decision changes only because earlier ones of its task do."""
        try:
            alone = await self._new.alone(item)
            before = item.verdict if self._old is None else await self._old.alone(item)
        except NotReplayableError:
            return False
        return not set(found) & set(changes(before, alone, item.about.at))


async def _verdict(world: World, item: Recorded) -> tuple[Verdict | None, str]:
    try:
        return await world.decide(item), ""
    except NotReplayableError as error:
        return None, error.why


@contextmanager
def judging(plan: Plan, tell: Callable[[Difference], None] | None = None) -> Iterator[Judge]:
    """Load the policies; yield a judge that works while the context lasts, and tells of each decision that changes.

    Raises:
        PolicyBrokenError: a policy can't be used.
    """
    sides = plan.sides()
    with ExitStack() as stack:
        engine = stack.enter_context(Engine())
        new, old = (
            World(stack.enter_context(loaded(engine, *side)), stateless=plan.stateless)
            if side is not None
            else None
            for side in (sides.new, sides.old)
        )
        if new is None:
            raise RuntimeError("a plan has no policy")
        yield Judge(new, old, plan.most_examples, tell)
