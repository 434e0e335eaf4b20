"""Remembers checks of policies: sidecars of a zone load the same one, and proposals and replays theirs many times."""

from __future__ import annotations

import json
from collections import OrderedDict
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any
from unittest import mock

from tabard_sidecar.policy.loading import compiling

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 16
"""A checked policy takes some megabytes."""


class CheckedOnce:
    """Finds for a policy that was checked before what was found then, if its files have the same names.

    OPA compiles it all the same.
    """

    def __init__(self) -> None:
        self._check = compiling._check
        self._lock = Lock()  # sidecars of a zone start together
        self._known: OrderedDict[object, tuple[Any, list[Any]]] = OrderedDict()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let sidecars and commands of this process use it."""
        with mock.patch.object(compiling, "_check", self._remembered):
            yield

    def _remembered(self, engine: Any, sources: Any, data: Any, offers: Any, findings: Any) -> Any:
        key = (*(tuple(files.items()) for files in sources), json.dumps(data), _key(offers))
        with self._lock:
            if key not in self._known:
                checked = self._check(engine, sources, data, offers, findings)
                self._known[key] = checked, [*findings.problems]
                if len(self._known) > _MOST:
                    self._known.popitem(last=False)
                return checked
            self._known.move_to_end(key)
            checked, problems = self._known[key]
        findings.problems += problems
        return checked


def _key(offers: Any) -> object:
    """Return all that the checks read of what lies outside of a policy."""
    tools = offers.tools and [
        (one.name, one.labels, json.dumps(one.annotations), one.arguments, json.dumps(one.schema))
        for one in offers.tools
    ]
    rest = (offers.claims, offers.roles, offers.kinds, offers.vault_roles, offers.exchange_scopes)
    return (*map(repr, rest), repr(tools))
