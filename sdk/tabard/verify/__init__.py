"""Verification of credentials that Tabard issued, for backends. Install it with ``pip install 'tabard[verify]'``.

A :class:`Verifier` decides which credentials are acceptable; ``tabard.verify.asgi``, ``.wsgi`` and ``.grpc_server`` put one
in front of an application. docs/backends.md is the guide.
"""

from tabard.outcome import sign_outcome
from tabard.verify.calls import NO_CREDENTIAL, CredentialOptional, Extract, ExtractGrpc, GrpcCalls, HttpCalls
from tabard.verify.errors import Rejected
from tabard.verify.introspection import IntrospectionClient
from tabard.verify.json_rpc import JsonRpcRequest
from tabard.verify.model import Call, ChainLink, VerifiedCredential
from tabard.verify.replay import ReplayStore, ReplayUnavailable, SqliteReplayStore
from tabard.verify.request import GrpcRequest, MultiMapping, Request
from tabard.verify.verifier import Verifier

__all__ = [
    "NO_CREDENTIAL",
    "Call",
    "ChainLink",
    "CredentialOptional",
    "Extract",
    "ExtractGrpc",
    "GrpcCalls",
    "GrpcRequest",
    "HttpCalls",
    "IntrospectionClient",
    "JsonRpcRequest",
    "MultiMapping",
    "Rejected",
    "ReplayStore",
    "ReplayUnavailable",
    "Request",
    "SqliteReplayStore",
    "VerifiedCredential",
    "Verifier",
    "sign_outcome",
]
