"""Evaluates a policy on an OPA server, and applies the same checks to it as to an embedded one.

Each answer names the bundles that it was made from: one that was made from other bundles than the checked ones isn't used.
A policy that was uploaded to the server has no such name and can change between two checks (``policy.poll_seconds``). Even
then an element that no rule of the last checked policy can have made denies, because
:func:`tabard_sidecar.policy.compose.compose` has the list of those rules.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

from tabard_opa import Engine

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Clock, InputParts
from tabard_sidecar.policy.conf import RemoteConfig
from tabard_sidecar.policy.engines.opa_client import OpaClient
from tabard_sidecar.policy.engines.provider import (
    UNREACHABLE,
    Active,
    EvaluationFailedError,
    load_took_too_long,
)
from tabard_sidecar.policy.engines.sent_input import SentInput
from tabard_sidecar.policy.engines.served import (
    CHECK_SECONDS,
    Bundles,
    Served,
    activated_by,
    bundles_of,
    served_by,
)
from tabard_sidecar.policy.loading.ast import Node, package_path, rules
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, parse_modules
from tabard_sidecar.policy.loading.input_paths import ALL_PATHS, InputPaths, input_paths
from tabard_sidecar.policy.offers import Residual, residual_of
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem, Severity
from tabard_sidecar.policy.resources import library
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.detached import Detached, StuckError
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.malformed import MALFORMED

WHOLE_SECONDS = 30.0
"""Longest time between two looks at all modules, if names of bundles tell of changes before."""
_STRICTLY = "?strict-builtin-errors=true&provenance=true"
_MOST_TOLD = 100

# The paths at which the sidecar evaluates rules. The rest of data.system is the server's own.
_ASKED = (("lib",), ("policy",), ("system", "log"), ("tabard",))
# The server's own modules, for example its authorization policy, which aren't checked.
_AUTHZ = ("system", "authz")
_NOT_OURS = (("tabard",), _AUTHZ)

_Paths = frozenset[tuple[str, ...]]
_T = TypeVar("_T")


class RemoteEvaluator:
    """Evaluates the server's policy.

    Args:
        client: asks the server.
        has_mask: whether a module defines ``data.system.log.mask``.
        checked: the bundles whose modules were checked, by name with their revisions.
        outdated: set when the server answers from other bundles.
        most_bytes: largest input that is accepted.
        reads: the parts of the input that the policy may read; others aren't sent.
    """

    def __init__(  # noqa: PLR0913 - one argument per part
        self,
        client: OpaClient,
        *,
        has_mask: bool,
        checked: Mapping[str, str],
        outdated: asyncio.Event,
        most_bytes: int,
        reads: InputPaths = ALL_PATHS,
    ) -> None:
        self._client = client
        self._has_mask = has_mask
        self._checked = checked
        self._outdated = outdated
        self._most_bytes = most_bytes
        self._sent = SentInput(reads)

    @property
    def masks_records(self) -> bool:
        """Whether a module defines ``data.system.log.mask``."""
        return self._has_mask

    async def decision(
        self, input_json: bytes, deadline_seconds: float, parts: InputParts | None = None
    ) -> bytes:
        """Return ``data.tabard.decision``; a missing result is ``null``, which denies."""
        sent = self._sent.of(self._small(input_json), parts)
        return encode(await self._data("/v1/data/tabard/decision", sent, deadline_seconds))

    async def residual(self, query: str, input_json: bytes, deadline_seconds: float) -> Residual:
        """Return what remains of a query."""
        head = json.dumps({"query": query, "unknowns": ["input.tool.arguments"], "input": None}).encode()
        body = head.removesuffix(b"null}") + self._small(input_json) + b"}"
        answer = await self._client.post("/v1/compile", body, deadline_seconds)
        return residual_of(answer.get("result") or {})

    async def mask(self, record_json: bytes, deadline_seconds: float) -> Json:
        """Return ``data.system.log.mask``."""
        if not self._has_mask:
            return None
        return await self._data("/v1/data/system/log/mask", self._small(record_json), deadline_seconds)

    def close(self) -> None:
        """Do nothing: the provider owns the connections."""

    async def _data(self, path: str, input_json: bytes, deadline_seconds: float) -> Json:
        answer = await self._client.post(path + _STRICTLY, b'{"input":%b}' % input_json, deadline_seconds)
        if bundles_of(answer) != self._checked:
            self._outdated.set()
            message = f"{self._client.where} has activated another bundle, which isn't checked yet"
            raise NoDecision("UNAVAILABLE", "policy_unavailable", message)
        return answer.get("result")

    def _small(self, input_json: bytes) -> bytes:
        if len(input_json) > self._most_bytes:
            message = f"the input has {len(input_json)} bytes; {self._most_bytes} are accepted"
            raise EvaluationFailedError("input_too_large", message)
        return input_json


class _Found(NamedTuple):
    """What is looked for on a server: its policy, and base documents that could be mistaken for rules."""

    served: Served
    foreign: tuple[tuple[str, ...], ...]


class RemoteProvider:
    """Checks the policy on an OPA server. A server whose policy fails a check isn't used any more."""

    keeps_last_good = False

    def __init__(  # noqa: PLR0913 - one argument per part
        self,
        engine: Engine,
        config: RemoteConfig,
        options: CompileOptions,
        *,
        load_seconds: float = 30.0,
        poll_seconds: float = 1.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._engine = engine
        self._client = OpaClient(config)
        self._options = replace(options, remote=True)
        self._whole_input = config.whole_input
        self._load_seconds = load_seconds
        self._names_seconds = WHOLE_SECONDS - poll_seconds
        self._loading = Detached("checking the policy")
        self._paths: _Paths = frozenset()
        self._last: Served | None = None
        self._clock = clock
        self._checked: _Found | None = None
        self._named = False
        self._looked_at = 0.0
        self.unchecked = False
        self.outdated = asyncio.Event()

    async def fingerprint(self) -> object:
        """Return the modules' digest, the bundles, and the path of every base document that could be mistaken for a rule.

        To list its modules takes a server a tenth of a second. If its bundles own the checked policy, they are asked for
        instead, and the modules only now and then: their content can have changed under the same names.
        """
        self.outdated.clear()
        try:
            self._client.refresh()
            if self._checked is not None and await self._unchanged(self._checked.served.activated):
                return self._checked
            found = await self._look()
        except (
            OSError,
            EvaluationFailedError,
            NoDecision,
            PolicyBrokenError,
            StuckError,
            *MALFORMED,
        ) as error:
            return str(error)
        if found == self._checked:
            self._checked = found  # a download may have another ETag and the same content
        self.unchecked = self._checked is not None and found != self._checked
        return found

    async def load(self) -> Active:
        """Fetch and check.

        Raises:
            PolicyBrokenError: the policy can't be used; it holds every problem that was found.
        """
        self.outdated.clear()
        try:
            self._client.refresh()
            at, served = self._clock(), await served_by(self._client)
            parsed = await self._detached(lambda: parse_modules(self._engine, served.modules))
            self._paths = frozenset(_rule_paths(parsed))
            problems = [*_check_library(served.modules, parsed)]
            found = await self._found(served)
            problems += [_base_document(self._client.where, path) for path in found.foreign]
            problems += [_compiled(self._client.where, name) for name in served.activated.compiled]
            self._named, self._looked_at = False, at
            try:
                active, named = await self._detached(lambda: self._check(parsed, problems, served))
            finally:  # Until here a look finds a policy that isn't checked.
                self._checked, self.unchecked = found, False
            self._named = named
        except StuckError as error:
            raise load_took_too_long(self._client.where, error) from error
        except (OSError, EvaluationFailedError, NoDecision, *MALFORMED) as error:
            message = getattr(error, "message", None) or str(error)
            problem = PolicyProblem("", 0, 0, UNREACHABLE, message, "Check policy.remote and the server")
            raise PolicyBrokenError([problem]) from error
        return active

    def stuck(self) -> tuple[int, int]:
        """Return none: the server evaluates."""
        return 0, 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _look(self) -> _Found:
        at, served = self._clock(), await served_by(self._client)
        if self._checked is None:  # which documents are foreign is known once its rules are
            return _Found(served, ())
        found = await self._found(served)
        self._looked_at = at
        return found

    async def _found(self, served: Served) -> _Found:
        return _Found(served, tuple(sorted([path async for path in self._foreign()])))

    async def _unchanged(self, activated: Bundles) -> bool:
        """Tell whether the names of the bundles say that the policy is the checked one."""
        recently = self._clock() - self._looked_at < self._names_seconds
        return (
            self._named and not self.unchecked and recently and await activated_by(self._client) == activated
        )

    async def _detached(self, work: Callable[[], _T]) -> _T:
        return await self._loading.run(work, self._load_seconds)

    def _check(
        self, parsed: Mapping[str, Node], problems: list[PolicyProblem], served: Served
    ) -> tuple[Active, bool]:
        """Return the policy, and whether names of bundles tell when it changes."""
        own = {file: text for file, text in served.modules.items() if not _is_foreign(parsed[file])}
        packages = frozenset(map(_root, parsed.values()))
        try:
            compiled = compile_policy(self._engine, own, None, self._options)
        except PolicyBrokenError as error:
            raise PolicyBrokenError([*problems, *error.problems]) from error
        compiled.close()
        self._options = replace(self._options, apart=True)
        if problems:
            raise PolicyBrokenError(problems)
        warnings = [*compiled.warnings]
        revision, known = served.revision(packages), served.is_named(packages)
        if known and self._last is not None and self._last.differs_under_the_same_name(served):
            known = False
            warnings.append(_reused(self._client.where, revision))
        else:
            self._last = served
        # Otherwise the server's next policy may be evaluated before this sidecar has noticed that it reads history, or more.
        rules = compiled.rules if known else replace(compiled.rules, reads_history=True, reads_calls=True)
        evaluator = RemoteEvaluator(
            self._client,
            has_mask=compiled.mask is not None,
            checked=served.bundles,
            outdated=self.outdated,
            most_bytes=self._engine.max_input_bytes,
            reads=compiled.reads if known and not self._sends_whole(parsed, compiled.reads) else ALL_PATHS,
        )
        return Active(evaluator, revision, rules, warnings), known

    def _sends_whole(self, parsed: Mapping[str, Node], reads: InputPaths) -> bool:
        """Tell whether something else than the checked rules may read a call's input."""
        authz = [module for module in parsed.values() if package_path(module)[:2] == _AUTHZ]
        # The server's authorization policy gets a request's body below its own input.
        return self._whole_input or any(
            path[:1] in {(), ("body",)} for path in reads.union(input_paths(authz))
        )

    async def _foreign(self) -> AsyncIterator[tuple[str, ...]]:
        """Yield the path of every base document at the paths where rules are evaluated."""
        for root in _ASKED:
            answer = await self._client.get("/v1/data/" + "/".join(root), CHECK_SECONDS)
            if "result" not in answer:
                continue
            for path in await self._detached(partial(_some_uncovered, answer["result"], root, self._paths)):
                yield path


def _root(module: Node) -> str:
    package = package_path(module)
    return "/".join(package[:2] if package[0] == "system" else package[:1])


def _is_foreign(module: Node) -> bool:
    package = package_path(module)
    return any(package[: len(prefix)] == prefix for prefix in _NOT_OURS)


def _rule_paths(parsed: Mapping[str, Node]) -> Iterator[tuple[str, ...]]:
    for module in parsed.values():
        package = package_path(module)
        for rule in rules(module):
            constant = rule.path[: rule.path.index("?")] if "?" in rule.path else rule.path
            yield package + constant


def _some_uncovered(value: Json, path: tuple[str, ...], paths: _Paths) -> list[tuple[str, ...]]:
    return list(islice(_uncovered(value, path, paths), _MOST_TOLD))


def _uncovered(value: Json, path: tuple[str, ...], paths: _Paths) -> Iterator[tuple[str, ...]]:
    if any(path[: len(rule)] == rule for rule in paths):
        return
    if not isinstance(value, dict) or not any(rule[: len(path)] == path for rule in paths):
        if value != {}:
            yield path
        return
    for key, item in value.items():
        yield from _uncovered(item, (*path, key), paths)


def _base_document(where: str, path: tuple[str, ...]) -> PolicyProblem:
    name = ".".join(path)
    message = f"the base document data.{name} could be mistaken for a rule"
    return PolicyProblem(
        where, 0, 0, "data_reserved", message, f"Delete it: DELETE /v1/data/{'/'.join(path)}"
    )


def _compiled(where: str, bundle: str) -> PolicyProblem:
    message = f"the bundle {bundle!r} has modules in WebAssembly, whose values could be mistaken for rules"
    return PolicyProblem(where, 0, 0, "wasm", message, "Build it without --target wasm")


def _reused(where: str, revision: str) -> PolicyProblem:
    message = f"the bundle changed and kept its revision {revision!r}, so a change between two checks isn't noticed at once"
    step = "Give each bundle a revision of its own: `tabard policy build` does"
    return PolicyProblem(where, 0, 0, "bundle_revision", message, step, Severity.WARNING)


def _check_library(modules: Mapping[str, str], parsed: Mapping[str, Node]) -> Iterator[PolicyProblem]:
    """Check that the server has exactly this version's entrypoint and library."""
    ours = {source.strip(): name for name, source in library().items()}
    missing = set(ours.values())
    for file, module in parsed.items():
        if package_path(module)[:1] != ("tabard",):
            continue
        name = ours.get(modules[file].strip())
        if name is None:
            message = "isn't a module of this version of Tabard's library"
            yield PolicyProblem(
                file, 1, 1, "library", message, "Upload rego/tabard of this version, or delete the module"
            )
        else:
            missing.discard(name)
    for name in sorted(missing):
        yield PolicyProblem(
            "", 0, 0, "library", f"the server lacks {name}", "Upload rego/tabard of this version"
        )
