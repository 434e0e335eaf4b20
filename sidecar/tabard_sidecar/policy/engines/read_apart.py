"""Reads, checks and prepares a policy, in a process of its own.

Python holds its lock while it handles large data, and an allocator keeps what that took. So the process that serves gets
the engine's requests as bytes, which Go reads without Python.

Standard input holds a pickled :class:`Task`, standard output a number of bytes (8, big endian), a pickled :class:`Prepared`
or list of problems of that size, and the requests one after the other. Both ends are this program.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabard_opa import Engine, Policy

from tabard_sidecar.policy.loading.compiling import (
    CompileOptions,
    compile_policy,
    read_bundle_policy,
    read_policy,
)
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.loading.sequences import Place, sequence_of
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.util.lean import dataclass

_NICE = 5


@dataclass(frozen=True, slots=True)
class Task:
    """The policy to prepare.

    Attributes:
        path: folder or bundle; of a bundle in ``content``, what messages call it.
        content: a bundle; ``None`` if ``path`` is read.
        options: how policies are compiled.
        trusted: whether files are refused that strangers could have written.
    """

    path: Path
    content: bytes | None
    options: CompileOptions
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Prepared:
    """A policy that passed every check.

    Attributes:
        revision: its revision.
        place: where it stands among the bundles of its policy.
        rules: places of its rules.
        warnings: warnings about it.
        requests: entrypoint and number of bytes of each of the engine's requests, the decision's first.
    """

    revision: str
    place: Place
    rules: RuleIndex
    warnings: tuple[PolicyProblem, ...]
    requests: tuple[tuple[str, int], ...]


class _Noting(Engine):
    """Keeps what it compiles."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, bytes]] = []

    def compile_request(self, request: Any, entrypoints: Sequence[str], *place: Any) -> Policy:  # noqa: ANN401 - as there
        """Compile a request, and keep it."""
        self.noted.append((entrypoints[0], request))
        return super().compile_request(request, entrypoints, *place)


def prepare(task: Task) -> tuple[Prepared, list[bytes]]:
    """Read and check a policy; return what is to be known of it, and the engine's requests.

    Raises:
        PolicyBrokenError: with every problem that was found.
    """
    options = replace(task.options, apart=False)  # this process can be ended
    with _Noting() as engine:
        if task.content is None:
            source = read_policy(
                engine, task.path, options.bundle_keys, trusted=task.trusted, sizes=options.sizes
            )
        else:
            source = read_bundle_policy(engine, task.content, task.path, options.bundle_keys, options.sizes)
        place = Place(sequence_of(source.manifest, str(task.path)), source.digest)
        compiled = compile_policy(engine, source.modules, source.data, options, source.tests)
        compiled.close()
        named = tuple((entrypoint, len(request)) for entrypoint, request in engine.noted)
        prepared = Prepared(source.revision, place, compiled.rules, compiled.warnings, named)
        return prepared, [request for _, request in engine.noted]


def main() -> None:
    """Prepare what standard input says."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The first that the kernel ends if memory gets short.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.nice(_NICE)
    found: object
    requests: list[bytes] = []
    try:
        found, requests = prepare(pickle.load(sys.stdin.buffer))  # noqa: S301 - of the process that started this one
    except PolicyBrokenError as error:
        found = list(error.problems)
    head = pickle.dumps(found)
    sys.stdout.buffer.write(len(head).to_bytes(8) + head)
    for request in requests:
        sys.stdout.buffer.write(request)
    sys.stdout.buffer.flush()
