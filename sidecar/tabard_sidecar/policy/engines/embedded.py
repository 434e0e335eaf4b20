"""Loads a policy from a folder or bundle and evaluates it in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tabard_opa import Engine, EngineError, EvaluationError

from tabard_sidecar.interfaces import InputParts
from tabard_sidecar.policy.engines.provider import Active, EvaluationFailedError, load_took_too_long
from tabard_sidecar.policy.engines.recalled import LONGEST_INPUT, RecalledAnswers
from tabard_sidecar.policy.engines.stuck import StuckCount
from tabard_sidecar.policy.loading.compiling import Compiled, CompileOptions, compile_policy, read_policy
from tabard_sidecar.policy.loading.sequences import Place
from tabard_sidecar.policy.loading.sources import PolicySource, fingerprint
from tabard_sidecar.policy.offers import Residual
from tabard_sidecar.policy.resources import ENTRYPOINT, MASK
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.detached import Detached, StuckError

UNKNOWNS = ("input.tool.arguments",)


class EmbeddedEvaluator:
    """Evaluates a policy that is compiled into this process.

    Args:
        compiled: the policy.
        began: is told the deadline in seconds of each evaluation that begins.
        recalled: is told of each answer that is given again without the engine; ``None`` gives none.
    """

    def __init__(
        self,
        compiled: Compiled,
        began: Callable[[float], None] = lambda _: None,
        recalled: Callable[[], None] | None = None,
    ) -> None:
        self.compiled = compiled
        self._began = began
        self._known = None if recalled is None else RecalledAnswers(compiled.decision.readings, recalled)

    async def decision(
        self, input_json: bytes, deadline_seconds: float, parts: InputParts | None = None
    ) -> bytes:
        """Return ``data.tabard.decision``."""
        known = self._known if parts is not None and len(input_json) <= LONGEST_INPUT else None
        if known is not None and parts is not None:
            answer = known.recall(parts)
            if answer is not None:
                return answer
            if count := known.untold():
                self.compiled.decision.recalled(count)
        self._began(deadline_seconds)
        try:
            answered = await self.compiled.decision.answer(
                ENTRYPOINT, input_json, deadline_seconds=deadline_seconds
            )
        except EvaluationError as error:
            return _undefined(error)
        if known is not None and parts is not None:
            known.remember(parts, answered)
        return answered.result

    async def residual(self, query: str, input_json: bytes, deadline_seconds: float) -> Residual:
        """Return what remains of a query."""
        self._began(deadline_seconds)
        try:
            found = await self.compiled.decision.residual(
                query, input_json, UNKNOWNS, deadline_seconds=deadline_seconds
            )
        except EvaluationError as error:
            raise _failed(error) from error
        return Residual(possible=found.queries > 0, unconditional=found.unconditional)

    @property
    def masks_records(self) -> bool:
        """Whether a module defines ``data.system.log.mask``."""
        return self.compiled.mask is not None

    async def mask(self, record_json: bytes, deadline_seconds: float) -> Json:
        """Return ``data.system.log.mask``."""
        if self.compiled.mask is None:
            return None
        self._began(deadline_seconds)
        try:
            found = await self.compiled.mask.evaluate(MASK, record_json, deadline_seconds=deadline_seconds)
        except EvaluationError as error:
            found = _undefined(error)
        return json.loads(found)

    def close(self) -> None:
        """Free the policy."""
        self.compiled.close()


def _undefined(error: EvaluationError) -> bytes:
    """Return what an undefined entrypoint has for an answer; raise any other failure."""
    if error.code == "undefined":
        return b"null"
    raise _failed(error) from error


def _failed(error: EvaluationError) -> EvaluationFailedError:
    return EvaluationFailedError(error.code, error.message, error.file or "", error.row or 0)


def evaluations(engine: Engine) -> dict[str, int]:
    """Return how many inputs were evaluated, and how many got a remembered answer. A closed engine tells nothing."""
    try:
        stats = engine.stats()
    except EngineError:
        return {}
    return {"evaluated": stats.asked - stats.remembered, "remembered": stats.remembered}


def activate(
    engine: Engine, source: PolicySource, options: CompileOptions, began: Callable[[float], None]
) -> Active:
    """Check and compile a policy that was read; ``began`` is for its :class:`EmbeddedEvaluator`.

    Raises:
        PolicyBrokenError: with every problem that was found.
    """
    compiled = compile_policy(engine, source.modules, source.data, options, source.tests)
    evaluator = EmbeddedEvaluator(compiled, began, engine.recalled if options.remembered_bytes else None)
    return Active(evaluator, source.revision, compiled.rules, compiled.warnings)


def activate_large(  # noqa: PLR0913 - one argument per part
    engine: Engine,
    path: Path,
    content: bytes | None,
    options: CompileOptions,
    began: Callable[[float], None],
    *,
    trusted: bool = True,
    accept: Callable[[Place], None] = lambda _: None,
) -> tuple[Active, Place]:
    """Read and check a policy in a process of its own, and compile it here. Return it, and where it stands among bundles.

    Args:
        engine: evaluates the policy.
        path: folder or bundle; of the bundle in ``content``, what messages call it.
        content: a bundle; ``None`` if ``path`` is read.
        options: how policies are compiled.
        began: is for its :class:`EmbeddedEvaluator`.
        trusted: whether files are refused that strangers could have written.
        accept: refuses a bundle by its place, with PolicyBrokenError.

    Raises:
        PolicyBrokenError: with every problem that was found.
    """
    from tabard_sidecar.policy.engines.large import compiled, prepared  # noqa: PLC0415 - for those who need it

    with prepared(path, content, options, trusted=trusted) as found:
        accept(found.told.place)
        made = compiled(engine, found)
    evaluator = EmbeddedEvaluator(made, began)
    return Active(evaluator, found.told.revision, made.rules, made.warnings), found.told.place


class FileProvider:
    """Loads a folder or bundle. A loaded policy stays usable if the files change or disappear."""

    keeps_last_good = True
    outdated = None
    unchecked = False

    def __init__(
        self,
        engine: Engine,
        path: Path,
        options: CompileOptions,
        *,
        load_seconds: float = 30.0,
        trusted: bool = True,
    ) -> None:
        self._engine = engine
        self._path = path
        self._options = options
        self._load_seconds = load_seconds
        self._trusted = trusted
        self._stuck = StuckCount(engine)
        self._looking = Detached("looking for changes of the policy", places=1, often=True)
        self._loading = Detached("loading the policy")

    async def fingerprint(self) -> object:
        """Return names, inodes, sizes, times, owners and modes of the files."""
        try:
            return await self._looking.run(lambda: fingerprint(self._path), self._load_seconds)
        except StuckError as error:
            return str(error)

    async def load(self) -> Active:
        """Read, check and compile, off the event loop."""
        busy = time.process_time()
        try:
            return await self._loading.run(self.load_blocking, self._load_seconds, lambda late: late.close())
        except StuckError as error:
            raise load_took_too_long(str(self._path), error, time.process_time() - busy) from error
        finally:
            # Checking a policy evaluates parts of it.
            self._stuck.began(0)

    def load_blocking(self) -> Active:
        """Read, check and compile.

        Raises:
            PolicyBrokenError: with every problem that was found.
        """
        if self._options.large:
            return activate_large(
                self._engine, self._path, None, self._options, self._stuck.began, trusted=self._trusted
            )[0]
        source = read_policy(
            self._engine,
            self._path,
            self._options.bundle_keys,
            trusted=self._trusted,
            sizes=self._options.sizes,
        )
        active = activate(self._engine, source, self._options, self._stuck.began)
        # From now on a process serves that a later policy must not take down; before, it only wouldn't start.
        self._options = replace(self._options, apart=True)
        return active

    def stuck(self) -> tuple[int, int]:
        """Return what the engine counts; a closed one evaluates nothing."""
        return self._stuck.read()

    async def close(self) -> None:
        """Do nothing: the provider holds no resources."""
