"""Fakes for the tests of programs that use Tabard. Never use them for anything else.

:class:`FakeSidecar` answers the whole API over a real unix socket with decisions that a test scripts; the pytest fixture
``tabard_fake`` starts one and points ``$TABARD_ADDRESS`` to it. :class:`FakeIssuer` (needs the extra ``verify``) makes
credentials as a sidecar would, for the tests of a backend.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tabard.testing.issuer import FakeIssuer
    from tabard.testing.rules import RecordedCall, ReportedOutcome
    from tabard.testing.sidecar import FakeSidecar

__all__ = ["FakeIssuer", "FakeSidecar", "RecordedCall", "ReportedOutcome"]

_HOMES = {
    "FakeIssuer": "issuer",
    "FakeSidecar": "sidecar",
    "RecordedCall": "rules",
    "ReportedOutcome": "rules",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'tabard.testing' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"tabard.testing.{home}"), name)


def __dir__() -> list[str]:
    # help() asks for every name that is listed here.
    absent = set() if importlib.util.find_spec("jwt") else {"FakeIssuer"}
    return sorted(set(__all__) - absent)
