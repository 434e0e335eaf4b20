"""A guard of one route: the FastAPI dependency, the decorators of Flask and Starlette; and the optional mode of all guards."""

import asyncio
import json
from typing import Annotated

import flask
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from tabard import Credential
from tabard.verify import NO_CREDENTIAL, CredentialOptional, VerifiedCredential, asgi, wsgi
from tabard.verify import starlette as for_starlette
from tabard.verify.fastapi import TabardCredential
from tabard.verify.flask import tabard_credential, verified

from tests.support.backends import request, serve_asgi, serve_wsgi

CALL = {"order": "A-17", "amount": 20}
BODY = json.dumps(CALL).encode()
JSON = {"Content-Type": "application/json"}
ANYBODY = b'"anybody"'


def create(request):
    return "refunds.create", request.json()


def line(request):
    return "orders.line", {
        "order": request.path_params["order"],
        "line": request.path_params.integer("line"),
    }


def of_fastapi(verifier, **options):
    app = FastAPI(openapi_url=None)
    guard = Depends(TabardCredential(verifier, create, **options))

    @app.post("/refunds")
    def refund(call: dict, who: Annotated[VerifiedCredential | None, guard], again: Annotated[object, guard]):
        assert who is again
        return "anybody" if who is None else who.subject.id

    @app.get("/orders/{order}/lines/{line}")
    def read(
        order: str,
        line_number: Annotated[
            VerifiedCredential | None, Depends(TabardCredential(verifier, line, **options))
        ],
    ):
        return "anybody" if line_number is None else line_number.subject.id

    async def reads_before(request: Request):
        # As FastAPI does for a form, without caching it.
        return [chunk async for chunk in request.stream()]

    @app.post("/form", dependencies=[Depends(reads_before), guard])
    def form():
        return "reached"

    return app


def of_flask(verifier, **options):
    app = flask.Flask("shop")

    def who():
        found = verified()
        return json.dumps("anybody" if found is None else found.subject.id)

    @app.post("/refunds")
    @tabard_credential(verifier, create, **options)
    def refund():
        assert flask.request.get_json() == CALL
        return who()

    @app.get("/orders/<order>/lines/<int:line>")
    @tabard_credential(verifier, line, **options)
    def read(order, line):
        return who()

    @app.before_request
    def reads_before():
        if flask.request.path == "/form":
            assert flask.request.form["order"]

    @app.post("/form")
    @tabard_credential(verifier, create, **options)
    def form():
        return "reached"

    return app


def of_starlette(verifier, **options):
    async def refund(request):
        assert await request.json() == CALL
        return who(request)

    def who(request):
        found = for_starlette.verified(request)
        return JSONResponse("anybody" if found is None else found.subject.id)

    async def form(request):
        return PlainTextResponse("reached")

    def reads_before(endpoint):
        async def reading(request):
            # As a form is read, without caching it.
            assert [chunk async for chunk in request.stream()]
            return await endpoint(request)

        return reading

    def guarded(extract, endpoint):
        return for_starlette.tabard_credential(verifier, extract, **options)(endpoint)

    routes = [
        Route("/refunds", guarded(create, refund), methods=["POST"]),
        Route("/orders/{order}/lines/{line}", guarded(line, who)),
        Route("/form", reads_before(guarded(create, form)), methods=["POST"]),
    ]
    return Starlette(routes=routes)


def behind_wsgi(verifier, **options):
    def app(environ, start_response):
        start_response("200 OK", [])
        found = environ.get("tabard.verified")
        return [json.dumps(found.subject.id if found else "anybody").encode()]

    return wsgi.TabardMiddleware(app, verifier, {("POST", "/refunds"): create}, routes=None, **options)


def behind_asgi(verifier, **options):
    async def app(scope, receive, send):
        found = scope.get("tabard")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        answer = json.dumps(found.subject.id if found else "anybody").encode()
        await send({"type": "http.response.body", "body": answer})

    return asgi.TabardMiddleware(app, verifier, {("POST", "/refunds"): create}, routes=None, **options)


def server_of(kind, verifier):
    make, start = {
        "fastapi": (of_fastapi, serve_asgi),
        "flask": (of_flask, serve_wsgi),
        "starlette": (of_starlette, serve_asgi),
        "behind asgi": (behind_asgi, serve_asgi),
        "behind wsgi": (behind_wsgi, serve_wsgi),
    }[kind]

    def serve(**options):
        return start(make(verifier, **options))

    serve.nested = kind == "fastapi"
    return serve


@pytest.fixture(params=["fastapi", "flask", "starlette"])
def serve(request, verifier):
    return server_of(request.param, verifier)


@pytest.fixture(params=["fastapi", "flask", "starlette", "behind asgi", "behind wsgi"])
def serve_optional(request, verifier):
    return server_of(request.param, verifier)


def bearer(token):
    return {**JSON, "Authorization": f"Bearer {token}"}


def code(serve, body):
    document = json.loads(body)
    return (document["detail"] if serve.nested else document)["code"]


def test_a_guarded_route_takes_exactly_its_call_once(serve, issuer):
    token = issuer.jwt("refunds.create", CALL, single_use=True)
    with serve() as port:
        status, _, body = request(port, path="/refunds", body=BODY, headers=bearer(token))
        assert (status, json.loads(body)) == (200, "fake-subject")
        status, _, body = request(port, path="/refunds", body=BODY, headers=bearer(token))
        assert (status, code(serve, body)) == (401, "credential_used")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"headers": JSON}, (401, "credential_missing")),
        ({"body": b'{"order": "A-17", "amount": 21}'}, (403, "arguments_mismatch")),
        ({"body": b'{"order": "A-17", "amount": 20, "amount": 20}'}, (400, "call_unreadable")),
        ({"path": "/refunds?to=me"}, (400, "call_unreadable")),
        ({"extra": {"X-HTTP-Method-Override": "PUT"}}, (403, "operation_unknown")),
        ({"extra": {"Txn-Token": "twice"}}, (400, "credential_ambiguous")),
    ],
)
def test_a_guarded_route_refuses_everything_else(serve, issuer, change, expected):
    headers = change.get("headers", bearer(issuer.jwt("refunds.create", CALL))) | change.get("extra", {})
    with serve() as port:
        status, answered, body = request(
            port, path=change.get("path", "/refunds"), body=change.get("body", BODY), headers=headers
        )
    assert (status, code(serve, body)) == expected
    named = {name.lower() for name in dict(answered)}
    assert ("www-authenticate" in named) == (status in {401, 403})


def test_a_body_over_the_limit_is_refused_before_it_is_compared(serve, issuer):
    with serve(max_body_bytes=10) as port:
        status, _, body = request(
            port, path="/refunds", body=BODY, headers=bearer(issuer.jwt("refunds.create", CALL))
        )
    assert (status, code(serve, body)) == (413, "body_too_large")


def test_a_route_sees_its_own_parameters(serve, issuer):
    headers = {"Authorization": f"Bearer {issuer.jwt('orders.line', {'order': 'A', 'line': 7})}"}
    with serve() as port:
        path = "/orders/A/lines/"
        assert request(port, method="GET", path=f"{path}7", headers=headers)[0] == 200
        assert request(port, method="GET", path=f"{path}8", headers=headers)[0] == 403
        assert request(port, method="GET", path=f"{path}7?x=1", headers=headers)[0] == 400


def test_a_form_that_the_framework_has_read_is_refused(serve, issuer):
    headers = {
        **bearer(issuer.jwt("refunds.create", CALL)),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    with serve() as port:
        status, _, body = request(port, path="/form", body=b"order=A-17", headers=headers)
    assert (status, code(serve, body)) == (400, "call_unreadable")


def test_optional_leaves_requests_without_a_credential_to_the_application(serve_optional, issuer):
    token = issuer.jwt("refunds.create", CALL)
    with serve_optional(optional=True) as port:
        for scheme in ({}, {"Authorization": "Basic YTpi"}):
            status, _, body = request(port, path="/refunds", body=BODY, headers=JSON | scheme)
            assert (status, body) == (200, ANYBODY)
        assert (
            json.loads(request(port, path="/refunds", body=BODY, headers=bearer(token))[2]) == "fake-subject"
        )


@pytest.mark.parametrize("header", ["Authorization", "Txn-Token"])
def test_optional_never_lets_a_bad_credential_pass_as_none(serve_optional, issuer, header):
    for token in ("a.b.c", "", issuer.jwt("refunds.create", {**CALL, "amount": 1}), "two words"):
        value = f"Bearer {token}" if header == "Authorization" else token
        with serve_optional(optional=True) as port:
            status, _, body = request(port, path="/refunds", body=BODY, headers=JSON | {header: value})
        assert status in {401, 403}, token
        assert body != ANYBODY


def test_people_may_have_bearer_tokens_of_their_own_beside_the_txn_token(serve_optional, issuer):
    credential = Credential(kind="jwt", value=issuer.jwt("refunds.create", CALL))
    person = bearer("opaque-session")
    with serve_optional(optional=True, headers=["txn-token"]) as port:
        assert request(port, path="/refunds", body=BODY, headers=person)[2] == ANYBODY
        both = person | credential.txn_token_headers
        assert json.loads(request(port, path="/refunds", body=BODY, headers=both)[2]) == "fake-subject"
        changed = json.dumps({**CALL, "amount": 1}).encode()
        assert request(port, path="/refunds", body=changed, headers=both)[0] == 403


def test_optional_websockets_reach_the_application_only_without_a_credential(verifier, issuer):
    reached = []

    async def app(scope, receive, send):
        reached.append(scope.get("tabard"))

    sent = []

    async def send(message):
        sent.append(message["type"])

    for optional, headers in ((False, []), (True, []), (True, [(b"txn-token", b"x")])):
        middleware = asgi.TabardMiddleware(app, verifier, {}, routes=None, optional=optional)
        scope = {"type": "websocket", "path": "/", "headers": headers, "tabard": "forged"}
        asyncio.run(middleware(scope, None, send))
    assert reached == [None]
    assert sent == ["websocket.close", "websocket.close"]


async def _async_extractor(request):
    return "x", {}


class _AsyncCallable:
    async def __call__(self, request):
        return "x", request.json()


@pytest.mark.parametrize(
    "extract", [_async_extractor, _AsyncCallable(), CredentialOptional(_async_extractor)]
)
def test_an_async_extractor_is_refused_when_it_is_named(verifier, extract):
    for make in (
        lambda: asgi.TabardMiddleware(None, verifier, {("GET", "/"): extract}, routes=None),
        lambda: TabardCredential(verifier, extract),
        lambda: tabard_credential(verifier, extract),
        lambda: for_starlette.tabard_credential(verifier, extract),
    ):
        with pytest.raises(ValueError, match="is async"):
            make()


def test_a_route_guard_needs_an_extractor(verifier):
    for wrong in (NO_CREDENTIAL, None, "refunds.create"):
        with pytest.raises(ValueError, match=r"extractor|needs no guard"):
            tabard_credential(verifier, wrong)


@pytest.mark.parametrize("wrong", [HTTPEndpoint, None])
def test_the_starlette_decorator_takes_functions_only(verifier, wrong):
    """A class of endpoints would run unguarded methods."""
    with pytest.raises(TypeError, match="decorate a function"):
        for_starlette.tabard_credential(verifier, create)(wrong)


def test_an_endpoint_of_any_kind_of_function_runs_guarded(verifier, issuer):
    class Callable:
        async def __call__(self, request):
            return PlainTextResponse(for_starlette.verified(request).subject.id)

    guard = for_starlette.tabard_credential(verifier, create)
    app = Starlette(routes=[Route("/refunds", guard(Callable()), methods=["POST"])])
    with serve_asgi(app) as port:
        headers = bearer(issuer.jwt("refunds.create", CALL))
        assert request(port, path="/refunds", body=BODY, headers=headers)[::2] == (200, b"fake-subject")
        assert request(port, path="/refunds", body=BODY, headers=JSON)[0] == 401
