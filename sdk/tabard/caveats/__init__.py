"""Caveats: the restrictions that a grant carries.

Every caveat is judged alone and all must pass; nothing is merged or overridden, so what one closed no later one opens.

Example:
    >>> rule = Arguments("refunds.create", (Constraint("amount", "range", {"max": 100}),), open=True)
    >>> Limits(tools=("refunds.*",), arguments=(rule,), ttl_seconds=600).tools
    ('refunds.*',)
"""

from tabard.caveats.codec import caveat_from_json, caveat_json, decode_caveat, encode_caveat
from tabard.caveats.constraints import OPERATORS, Constraint
from tabard.caveats.errors import CaveatError
from tabard.caveats.globs import glob_matches
from tabard.caveats.judge import CallFacts, CredentialFacts, Failure, Question, judge
from tabard.caveats.limits import Limits, limits_from_json, limits_json
from tabard.caveats.types import (
    CAVEAT_TYPES,
    Arguments,
    Audiences,
    Branch,
    Budget,
    Call,
    Caveat,
    Expiry,
    Hop,
    MaxChildren,
    MaxDepth,
    Purposes,
    ReadOnly,
    Scopes,
    ThirdParty,
    Tools,
    Uses,
)

__all__ = [
    "CAVEAT_TYPES",
    "OPERATORS",
    "Arguments",
    "Audiences",
    "Branch",
    "Budget",
    "Call",
    "CallFacts",
    "Caveat",
    "CaveatError",
    "Constraint",
    "CredentialFacts",
    "Expiry",
    "Failure",
    "Hop",
    "Limits",
    "MaxChildren",
    "MaxDepth",
    "Purposes",
    "Question",
    "ReadOnly",
    "Scopes",
    "ThirdParty",
    "Tools",
    "Uses",
    "caveat_from_json",
    "caveat_json",
    "decode_caveat",
    "encode_caveat",
    "glob_matches",
    "judge",
    "limits_from_json",
    "limits_json",
]
