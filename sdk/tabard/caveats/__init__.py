"""Caveats: the restrictions that a grant carries.

Every caveat is checked alone and all must pass; nothing is merged or overridden, so a later caveat can't
widen an earlier one.

Example:
    >>> rule = Arguments("refunds.create", (Constraint("amount", "range", {"max": 100}),), open=True)
    >>> Limits(tools=("refunds.*",), arguments=(rule,), ttl_seconds=600).tools
    ('refunds.*',)
"""

from tabard.caveats.base import Caveat, DependsOn
from tabard.caveats.codec import caveat_json, encode_caveat
from tabard.caveats.constraints import Constraint
from tabard.caveats.errors import CaveatError
from tabard.caveats.facts import CallFacts, CredentialFacts, Facts, Failure
from tabard.caveats.globs import glob_matches
from tabard.caveats.operators import OPERATORS
from tabard.caveats.registry import CaveatRegistry
from tabard.caveats.vocabulary import *  # noqa: F403 - so that a new type is named in one file
from tabard.caveats.vocabulary import __all__ as _vocabulary

__all__ = [  # noqa: PLE0604 - the vocabulary's names are literals there
    "OPERATORS",
    "CallFacts",
    "Caveat",
    "CaveatError",
    "CaveatRegistry",
    "Constraint",
    "CredentialFacts",
    "DependsOn",
    "Facts",
    "Failure",
    "caveat_json",
    "encode_caveat",
    "glob_matches",
    *_vocabulary,
]
