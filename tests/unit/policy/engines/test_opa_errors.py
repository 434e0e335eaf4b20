"""Each error that OPA's API tells becomes the engine's own, never an allow. The codes are those of OPA 1.22."""

from __future__ import annotations

import json

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.policy.conf import RemoteConfig
from tabard_sidecar.policy.engines.opa_client import OpaClient
from tabard_sidecar.policy.engines.provider import EvaluationFailedError

from tests.unit.policy.engines.test_hostile_opa import Hostile

EVALUATION = {
    "eval_builtin_error": "builtin_error",
    "eval_type_error": "builtin_error",
    "eval_conflict_error": "conflict",
    "eval_cancel_error": "timeout",
    "eval_internal_error": "internal",
    "eval_with_merge_error": "internal",
    "another": "internal",
}


async def failure(body: dict, head: str) -> EvaluationFailedError:
    """Return what a client makes of an answer."""
    server = Hostile()
    server.body, server.head = json.dumps(body).encode(), f"HTTP/1.1 {head}"
    async with server.running() as url:
        client = OpaClient(RemoteConfig(url=url))
        try:
            with pytest.raises(EvaluationFailedError) as caught:
                await client.post("/v1/data/x", b"{}", 5)
        finally:
            await client.close()
    return caught.value


@pytest.mark.parametrize("code", EVALUATION)
async def test_errors_of_evaluations(code):
    """With the place of the rule."""
    one = {"code": code, "message": "f: wrong", "location": {"file": "a.rego", "row": 7, "col": 1}}
    whole = {"code": "internal_error", "message": "error(s) occurred while evaluating query", "errors": [one]}
    found = await failure(whole, "500 Internal Server Error")
    assert (found.code, found.file, found.row) == (EVALUATION[code], "a.rego", 7)


@pytest.mark.parametrize(
    ("head", "body", "code"),
    [
        (
            "400 Bad Request",
            {
                "code": "invalid_parameter",
                "message": "request body too large: 9 bytes exceeds limit of 8 bytes (server.decoding.max_length)",
            },
            "input_too_large",
        ),
        ("413 Content Too Large", {}, "input_too_large"),
        (
            "400 Bad Request",
            {"code": "invalid_parameter", "message": "body contains malformed input"},
            "internal",
        ),
        ("429 Too Many Requests", {}, "overloaded"),
        ("503 Service Unavailable", {}, "overloaded"),
        ("500 Internal Server Error", {"code": "internal_error", "message": "x", "errors": "y"}, "internal"),
        ("404 Not Found", {"code": "resource_not_found", "message": "x"}, "internal"),
    ],
)
async def test_errors_of_the_server(head, body, code):
    assert (await failure(body, head)).code == code


@pytest.mark.parametrize("head", ["401 Unauthorized", "403 Forbidden"])
async def test_a_refusal_is_no_evaluation(head):
    server = Hostile()
    server.body, server.head = b'{"code": "unauthorized"}', f"HTTP/1.1 {head}"
    async with server.running() as url:
        client = OpaClient(RemoteConfig(url=url))
        with pytest.raises(NoDecision, match="token_file"):
            await client.post("/v1/data/x", b"{}", 5)
        await client.close()
