"""Interfaces of policy engines: loading a policy and evaluating it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import field
from typing import Protocol

from tabard_sidecar.interfaces import InputParts
from tabard_sidecar.policy.composer import Composer
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.offers import Residual
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.detached import StuckError
from tabard_sidecar.util.lean import dataclass

_TYPES = r"\{?(?:an?|any|array|boolean|null|numbers?|objects?|of|one|sets?|strings?|types?)\}?"
_WRONG_TYPE = re.compile(
    rf"[a-z0-9_.]+: operand \d+ must be {_TYPES}(?:,? {_TYPES})* but got {_TYPES}(?: containing {_TYPES})?"
)
_BUILTIN = re.compile(r"([a-z0-9_.]{1,60}): ")


def _without_values(message: str) -> str:
    """Return a builtin's message without the values that it repeats."""
    if _WRONG_TYPE.fullmatch(message):
        return message
    named = _BUILTIN.match(message)
    return f"{named[1] if named else 'a builtin'}: it can't read a value that it was given"


class EvaluationFailedError(Exception):
    """An evaluation produced no result.

    Attributes:
        code: ``timeout``, ``builtin_error``, ``conflict``, ``undefined``, ``internal``, ``overloaded`` or
            ``input_too_large``.
        message: OPA's own message; of a builtin's, only the builtin and types, because it repeats values of the input, which
            agents and logs must not get this way.
        file: file of the rule that failed, if known.
        row: line in it, from 1; 0 if unknown.
    """

    def __init__(self, code: str, message: str, file: str = "", row: int = 0) -> None:
        if code == "builtin_error":
            message = _without_values(message)
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.file = file
        self.row = row


class Evaluator(Protocol):
    """Evaluates one immutable policy."""

    async def decision(
        self, input_json: bytes, deadline_seconds: float, parts: InputParts | None = None
    ) -> bytes:
        """Return ``data.tabard.decision`` as JSON; ``null`` if it is undefined. ``parts`` are those of the input, if known.

        Raises:
            EvaluationFailedError: there is no result.
            NoDecision: the engine can't be reached.
        """
        ...

    async def residual(self, query: str, input_json: bytes, deadline_seconds: float) -> Residual:
        """Return what remains of ``query`` if it is evaluated with ``input.tool.arguments`` unknown.

        Raises:
            EvaluationFailedError: there is no result.
            NoDecision: the engine can't be reached.
        """
        ...

    @property
    def masks_records(self) -> bool:
        """Whether something defines ``data.system.log.mask``."""
        ...

    async def mask(self, record_json: bytes, deadline_seconds: float) -> Json:
        """Return the value of ``data.system.log.mask``; ``None`` if nothing defines it.

        Raises:
            EvaluationFailedError: there is no result.
            NoDecision: the engine can't be reached.
        """
        ...

    def close(self) -> None:
        """Free the policy; running evaluations finish."""
        ...


@dataclass(frozen=True, slots=True)
class Active:
    """A policy that passed every check. ``composer`` composes its answers into decisions."""

    evaluator: Evaluator
    revision: str
    rules: RuleIndex
    warnings: Sequence[PolicyProblem] = ()
    composer: Composer = field(init=False)

    def __post_init__(self) -> None:
        """Create the policy's own composer, so that its cache ends with the policy."""
        object.__setattr__(self, "composer", Composer(self.revision, self.rules))

    def close(self) -> None:
        """Free the policy."""
        self.evaluator.close()


LOAD_TIMEOUT = "load_timeout"
"""Code of the problem of a load that was given up. Another try may be in time."""

UNREACHABLE = "unreachable"
"""Code of the problem of a server that didn't answer as it has to. It may answer the next time."""


def load_took_too_long(where: str, error: StuckError, busy_seconds: float | None = None) -> PolicyBrokenError:
    """Return the problem of a load that was given up.

    Args:
        where: the policy's place.
        error: what says how long the wait was.
        busy_seconds: processor time of this process meanwhile. Far below the wait, the policy isn't to blame.
    """
    step = "Make the policy smaller, mend the disk, or raise policy.load_seconds"
    message = str(error)
    if busy_seconds is not None:
        message = f"{message}, of which this process had the processor for {busy_seconds:.1f} s"
        step = (
            "If that is far less, a disk or other programs of this machine kept it waiting: mend that, or raise "
            "policy.load_seconds. Otherwise make the policy smaller"
        )
    return PolicyBrokenError([PolicyProblem(where, 0, 0, LOAD_TIMEOUT, message, step)])


class PolicyProvider(Protocol):
    """Loads policies from one source."""

    @property
    def keeps_last_good(self) -> bool:
        """True if a loaded policy stays usable when the source breaks."""
        ...

    @property
    def outdated(self) -> asyncio.Event | None:
        """Is set once the source is known to have changed; ``None`` if only :meth:`fingerprint` tells."""
        ...

    @property
    def unchecked(self) -> bool:
        """Whether the last fingerprint found another policy, which is evaluated already and isn't checked."""
        ...

    async def fingerprint(self) -> object:
        """Return a value that changes whenever the source changes. Never raises."""
        ...

    async def load(self) -> Active:
        """Read, check and compile the source.

        Raises:
            PolicyBrokenError: the policy can't be used; it holds every problem that was found.
        """
        ...

    def stuck(self) -> tuple[int, int]:
        """Return how many evaluations go on long after their deadline, now and since the start."""
        ...

    async def close(self) -> None:
        """Free the provider's resources."""
        ...
