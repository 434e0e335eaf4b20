"""The examples of docs/backends.md in front of real applications and servers, attacked.

Each application has more operations than the credential is for. Its handlers note what ran, so a test sees which operation
a credential opened, and not only which status was answered.
"""

import json
import socket
from contextlib import contextmanager

import grpc
import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from tabard.testing import FakeIssuer
from tabard.verify.asgi import TabardMiddleware

from tests.support import markdown
from tests.support.backends import request, serve_asgi, serve_wsgi

REFUND = {"order": "A-17", "amount": 20}
BODY = json.dumps(REFUND).encode()
JSON = ("Content-Type", "application/json")


class Shop:
    """A backend with more operations than any credential of the tests is for; ``ran`` lists those that ran."""

    def __init__(self):
        self.ran = []

    def starlette(self):
        def handler(name):
            async def endpoint(request):
                self.ran.append((name, dict(request.path_params)))
                return JSONResponse(await request.json() if await request.body() else {})

            return endpoint

        return Starlette(
            routes=[
                Route("/healthz", handler("health"), methods=["GET"]),
                Route("/refunds", handler("refunds.create"), methods=["POST"]),
                Route("/refunds", handler("refunds.delete"), methods=["DELETE"]),
                Route("/payouts", handler("payouts.create"), methods=["POST"]),
                Route("/orders/export", handler("orders.export"), methods=["GET"]),
                Route("/orders/{order}", handler("orders.read"), methods=["GET"]),
                Route("/orders/{order}/cancel", handler("orders.cancel"), methods=["GET", "POST"]),
                Mount("/admin", routes=[Route("/orders/{order}", handler("admin.read"), methods=["GET"])]),
                Route("/{rest:path}", handler("catch all"), methods=["GET", "POST"]),
            ]
        )

    def wsgi(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.ran.append((f"{method} {path}", {}))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}"]


@pytest.fixture(scope="module")
def issuer():
    return FakeIssuer("refunds")


@pytest.fixture(scope="module")
def page(tmp_path_factory, issuer):
    """Runs blocks of the page; returns the names that they define."""
    folder = tmp_path_factory.mktemp("page")
    settings = {
        "XDG_STATE_HOME": str(folder / "state"),
        "TABARD_ISSUER": issuer.name,
        "TABARD_JWKS": str(issuer.write_jwks(folder / "jwks.json")),
        "REPLAY_FILE": str(folder / "replay.sqlite3"),
    }

    def run(*names):
        namespace = {"__name__": "page", "app": Starlette(), "wsgi_app": Flask("shop"), "django_app": print}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            for name, language, code in markdown.blocks("docs/backends.md"):
                if language == "python" and name in {"asgi", *names}:
                    markdown.run(code, namespace)
        return namespace

    return run


@contextmanager
def serve(kind, page, shop):
    """Serve the application behind the page's longer list of calls."""
    names = page("wsgi" if kind == "wsgi" else "asgi")
    options = {"verifier": names["verifier"], "calls": names["calls"]}
    if kind == "wsgi":
        with serve_wsgi(names["TabardMiddleware"](shop.wsgi, routes=None, **options)) as port:
            yield port
        return
    app = shop.starlette()
    if kind == "wrapped":
        app = TabardMiddleware(app, **options)
    elif kind == "added":
        app.add_middleware(TabardMiddleware, **options)
    else:
        app = Starlette(routes=[Mount("/shop", app=TabardMiddleware(app, **options))])
    with serve_asgi(app) as port:
        yield port


@pytest.fixture(scope="module", params=["wrapped", "added", "mounted", "wsgi"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def served(kind, page):
    """A shop and the port at which it is served."""
    shop = Shop()
    with serve(kind, page, shop) as port:
        yield shop, port


@pytest.fixture
def shop(served):
    served[0].ran.clear()
    return served[0]


@pytest.fixture
def call(kind, served, issuer):
    """Sends a request with a credential for one tool call; returns the status."""

    def send(tool, arguments, method, path, headers=(), body=b""):  # noqa: PLR0917
        credential = ("Authorization", f"Bearer {issuer.jwt(tool, arguments)}")
        path = f"/shop{path}" if kind == "mounted" else path
        return request(served[1], method, path, body, [credential, *headers])[0]

    return send


READ = ("orders.read", {"order": "A-17", "lines": 20})


def test_what_the_page_promises_works(call, shop):
    assert call("refunds.create", REFUND, "POST", "/refunds", [JSON], BODY) == 200
    assert call(*READ, "GET", "/orders/A-17?lines=20") == 200
    assert call("orders.read", {"order": "A 1é", "lines": 2}, "GET", "/orders/A%201%C3%A9?lines=2") == 200
    assert call("orders.cancel", {"order": "A-17"}, "POST", "/orders/A-17/cancel") == 200
    assert len(shop.ran) == 4


OTHER_OPERATIONS = [
    ("POST", "/payouts"),
    ("DELETE", "/refunds"),
    ("PUT", "/refunds"),
    ("HEAD", "/refunds"),
    ("OPTIONS", "/refunds"),
    ("post", "/refunds"),
    ("POST", "/refunds/"),
    ("POST", "//refunds"),
    ("POST", "/./refunds"),
    ("POST", "/x/../refunds"),
    ("POST", "/Refunds"),
    ("POST", "/refunds;x=1"),
    ("POST", "/refunds%2f"),
    ("POST", "/refunds%00"),
    ("POST", "/refunds%3Fx"),
    ("POST", "/refunds?extra=1"),
    ("POST", "/refunds?_method=DELETE"),
    ("POST", "/anything"),
    ("GET", "/refunds"),
]


@pytest.mark.parametrize(("method", "path"), OTHER_OPERATIONS)
def test_a_credential_for_refunds_opens_nothing_else(call, kind, shop, method, path):
    if kind == "wsgi" and path == "//refunds":
        return  # the server itself makes one slash of two, for the application as well
    assert call("refunds.create", REFUND, method, path, [JSON], BODY) in {400, 403}
    assert shop.ran == []


@pytest.mark.parametrize(
    "headers",
    [
        [("X-HTTP-Method-Override", "DELETE")],
        [("x-http-method", "DELETE")],
        [("X-Method-Override", "DELETE")],
        [("X-Original-URL", "/payouts")],
        [("X-Rewrite-URL", "/payouts")],
        [("X_HTTP_Method_Override", "DELETE")],
        [("X_Original-URL", "/payouts")],
        [("Content_Encoding", "gzip")],
        [("Content-Encoding", "gzip")],
        [("Content-Encoding", "identity, br")],
    ],
)
def test_headers_do_not_select_another_operation(call, shop, headers):
    assert call("refunds.create", REFUND, "POST", "/refunds", [JSON, *headers], BODY) in {400, 403}
    assert shop.ran == []


@pytest.mark.parametrize(
    "content_type",
    [
        (),
        [("Content-Type", "text/plain")],
        [("Content-Type", "application/x-www-form-urlencoded")],
        [("Content-Type", "application/json; charset=utf-16")],
        [("Content-Type", "application/json, text/plain")],
        [("Content-Type", "multipart/form-data; boundary=x")],
    ],
)
def test_a_body_of_another_type_is_not_read_as_json(call, shop, content_type):
    assert call("refunds.create", REFUND, "POST", "/refunds", content_type, BODY) == 400
    assert shop.ran == []


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; charset=utf-7",
        "text/plain;charset = utf-7",
        "text/plain; charset=latin-1",
        "text/plain; charset=utf-8; charset=utf-7",
        "text/plain; charset*=us-ascii'en'utf-7",
        "application/json; charset*0=utf; charset*1=-7",
        "text/html, text/plain; charset=utf-16",
        "text/plain charset=utf-7",
        'text/plain; Charset="UTF-7"',
    ],
)
def test_a_query_is_not_decoded_from_another_encoding(call, shop, content_type):
    assert call(*READ, "GET", "/orders/A-17?lines=20", [("Content-Type", content_type)]) == 400
    assert shop.ran == []


@pytest.mark.parametrize("value", ["2_0", "+20", "020", " 20", "20 ", "20.0", "2e1", "-0", "%D9%A2%D9%A0"])
def test_an_integer_has_one_spelling(call, shop, value):
    assert call(*READ, "GET", f"/orders/A-17?lines={value.replace(' ', '+')}") == 400
    assert shop.ran == []


ORDERS = [
    "A-17/cancel",
    "A-17%2Fcancel",
    "A-17%2fcancel",
    "A-17%252Fcancel",
    "A-17%5Ccancel",
    "A-17\\cancel",
    "A-17;x",
    "A-17%3Bx",
    "A-17%00",
    "A-17%0A",
    "A-17%23x",
    "A-17%25",
    "..",
    "%2e%2e",
    "%2E",
    "..%2fpayouts",
    "x%2F..%2F..%2Fpayouts",
    "%ff",
    "%c0%af",
    "A-17%EF%BC%8Fcancel",
    "%EF%BC%8E%EF%BC%8E",
    "A-17%E2%80%8B",
    "export",
    "",
    "/A-17",
]


@pytest.mark.parametrize("order", ORDERS)
def test_no_value_of_an_order_reaches_another_operation(call, kind, shop, order):
    """The agent chooses the order's number and gets a credential for exactly that text, or its decoded form."""
    for text in {order, order.replace("%2F", "/").replace("%2f", "/"), "..", "\\", "export"}:
        status = call("orders.read", {"order": text, "lines": 20}, "GET", f"/orders/{order}?lines=20")
        if kind == "wsgi" and order == "export" and text == order:
            continue  # this application has no operation of that name
        assert status in {400, 403}, text
    assert kind == "wsgi" or shop.ran == []


@pytest.mark.parametrize(
    "query",
    [
        "lines=20&lines=2000",
        "lines=2000&lines=20",
        "lines=20&order=B-99",
        "lines=20;lines=2000",
        "lines=20&Lines=2000",
        "lines=20&",
        "lines=20&fields=secret",
        "lines=20&%6Cines=2000",
        "lines=",
        "",
    ],
)
def test_a_query_that_two_readers_could_understand_differently_is_refused(call, shop, query):
    assert call(*READ, "GET", f"/orders/A-17?{query}") == 400
    assert shop.ran == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"order": "A-17", "amount": 20, "amount": 2000}',
        b'{"amount": 2000, "order": "A-17", "amount": 20}',
        b'{"order": "A-17", "amount": 20, "\\u0061mount": 2000}',
        b'{"order": "A-17", "amount": 20}{}',
        b'\xef\xbb\xbf{"order": "A-17", "amount": 20}',
        json.dumps(REFUND).encode("utf-16"),
        b'[{"order": "A-17", "amount": 20}]',
    ],
)
def test_a_body_that_two_readers_could_understand_differently_is_refused(call, shop, body):
    assert call("refunds.create", REFUND, "POST", "/refunds", [JSON], body) == 400
    assert shop.ran == []


def test_a_body_that_the_extractor_does_not_read_is_refused(call, shop):
    assert call("orders.cancel", {"order": "A-17"}, "POST", "/orders/A-17/cancel", [JSON], BODY) == 400
    assert call(*READ, "GET", "/orders/A-17?lines=20", [JSON], BODY) == 400
    assert shop.ran == []


def test_a_request_target_in_absolute_form_opens_nothing_else(kind, served, shop, issuer):
    """Proxies send such targets; servers differ in what they make of them."""
    token = issuer.jwt("refunds.create", REFUND)
    prefix = "/shop" if kind == "mounted" else ""
    for target in (f"http://other/{prefix}/payouts", f"http://h{prefix}/refunds/../payouts", "*", "refunds"):
        with socket.create_connection(("127.0.0.1", served[1]), 5) as connection:
            connection.sendall(
                f"POST {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {token}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
                + BODY
            )
            assert int(connection.makefile("rb").readline().split()[1]) in {400, 403, 404}
    assert shop.ran == []


def rpc(method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


@contextmanager
def mcp_server(page):
    names, bodies = page("mcp"), []

    async def endpoint(request):
        bodies.append((await request.body(), "tabard" in request.scope))
        return JSONResponse({})

    routes = [Route("/mcp", endpoint, methods=["POST", "GET", "DELETE"])]
    with serve_asgi(TabardMiddleware(Starlette(routes=routes), names["verifier"], names["calls"])) as port:
        yield port, bodies


def test_an_mcp_server_needs_a_credential_for_tool_calls_only(page, issuer):
    call = rpc("tools/call", name="refunds.create", arguments=REFUND)
    token = ("Authorization", f"Bearer {issuer.jwt('refunds.create', REFUND, single_use=True)}")
    with mcp_server(page) as (port, bodies):
        assert request(port, path="/mcp", body=rpc("tools/list"), headers=[JSON])[0] == 200
        assert request(port, path="/mcp", body=call, headers=[JSON])[0] == 401
        # A credential isn't used up by an operation that needs none.
        assert request(port, path="/mcp", body=rpc("ping"), headers=[JSON, token])[0] == 200
        assert request(port, path="/mcp", body=call, headers=[JSON, token])[0] == 200
        assert request(port, path="/mcp", body=call, headers=[JSON, token])[0] == 401
    assert bodies == [(rpc("tools/list"), False), (rpc("ping"), False), (call, True)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"method": "tools/list", "method": "tools/call", "params": {"name": "payouts"}}', 400),
        (b'{"method": "tools/call", "method": "tools/list"}', 400),
        (b"[" + rpc("tools/list") + b"," + rpc("tools/call", name="payouts", arguments={}) + b"]", 400),
        (b"[" + rpc("tools/list") + b"]", 400),
        (rpc("tools/list") + rpc("tools/call", name="payouts"), 400),
        (rpc("tools/List"), 400),
        (b'{"jsonrpc": "2.0", "id": 0, "method": "ping", "params": [], "result": {"action": "accept"}}', 400),
        (b'{"jsonrpc": "2.0", "id": 0, "method": "ping", "result": {"action": "accept"}}', 400),
        (b'{"jsonrpc": "2.0", "id": 0, "method": "ping", "error": {"code": 1, "message": ""}}', 400),
        (b'{"jsonrpc": "2.0", "id": 0, "result": {"action": "accept"}}', 400),
        (b'{"jsonrpc": "2.0", "id": 0, "method": "ping", "params": []}', 400),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', 400),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', 400),
        (b'{"jsonrpc": "1.0", "id": 0, "method": "ping"}', 400),
        (b'{"id": 0, "method": "ping"}', 400),
        (b'{"jsonrpc": "2.0", "id": 0, "method": "ping", "extra": 1}', 400),
        (rpc("resources/read", uri="file:///etc/passwd"), 400),
        (b'{"params": {"name": "x", "arguments": {"a": 1, "a": 2}}, "method": "tools/call"}', 400),
        (rpc("tools/list", padding="x" * 70_000), 413),
        (b"", 400),
    ],
)
def test_an_mcp_request_without_a_credential_opens_nothing_else(page, body, status):
    with mcp_server(page) as (port, bodies):
        assert request(port, path="/mcp", body=body, headers=[JSON])[0] == status
        assert request(port, "GET", "/mcp", headers=[JSON])[0] == 403
        assert request(port, "DELETE", "/mcp", headers=[JSON])[0] == 403
        assert request(port, path="/mcp?method=tools/call", body=rpc("tools/list"), headers=[JSON])[0] == 400
        assert (
            request(port, path="/mcp", body=rpc("ping"), headers=[JSON, ("Authorization", "Bearer x.y.z")])[0]
            == 401
        )
    assert bodies == []


def test_a_call_of_a_tool_has_no_parameters_that_the_credential_is_not_bound_to(page, issuer):
    token = ("Authorization", f"Bearer {issuer.jwt('refunds.create', REFUND)}")
    call = rpc("tools/call", name="refunds.create", arguments=REFUND, task={"ttl": 1})
    with mcp_server(page) as (port, bodies):
        assert request(port, path="/mcp", body=call, headers=[JSON, token])[0] == 400
    assert bodies == []


@contextmanager
def grpc_server(page, tmp_path, ran):
    names = page("grpc")
    server = names["server"]

    def method(name):
        def handler(message, context):
            ran.append((name, message))
            return b""

        return handler

    unary = {
        name: grpc.unary_unary_rpc_method_handler(method(name), json.loads) for name in ("Create", "Delete")
    }
    streams = {
        "Watch": grpc.unary_stream_rpc_method_handler(lambda *call: iter([method("Watch")(*call)])),
        "Upload": grpc.stream_unary_rpc_method_handler(method("Upload")),
        "Chat": grpc.stream_stream_rpc_method_handler(lambda *call: iter([method("Chat")(*call)])),
    }
    payouts = {"Create": grpc.unary_unary_rpc_method_handler(method("Payouts"), json.loads)}
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler("shop.Refunds", unary | streams),
            grpc.method_handlers_generic_handler("shop.Payouts", payouts),
        ]
    )
    address = f"unix:{tmp_path}/backend.sock"
    server.add_insecure_port(address)
    server.start()
    with grpc.insecure_channel(address) as channel:
        yield channel
    server.stop(None).wait()


def test_a_grpc_credential_for_refunds_opens_no_other_method(page, issuer, tmp_path):
    ran = []
    metadata = [("authorization", f"Bearer {issuer.jwt('refunds.create', REFUND)}")]
    with grpc_server(page, tmp_path, ran) as channel:
        channel.unary_unary("/shop.Refunds/Create")(BODY, metadata=metadata)
        for name in ("/shop.Refunds/Delete", "/shop.Payouts/Create"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(name)(BODY, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        for attempt in (
            lambda: list(channel.unary_stream("/shop.Refunds/Watch")(BODY, metadata=metadata)),
            lambda: channel.stream_unary("/shop.Refunds/Upload")(iter([BODY]), metadata=metadata),
            lambda: list(channel.stream_stream("/shop.Refunds/Chat")(iter([BODY]), metadata=metadata)),
            lambda: channel.unary_unary("/shop.Refunds/create")(BODY, metadata=metadata),
            lambda: channel.unary_unary("//shop.Refunds/Create")(BODY, metadata=metadata),
            lambda: channel.unary_unary("/shop.Refunds/Create/")(BODY, metadata=metadata),
            lambda: channel.unary_unary("/shop.Refunds/Create")(BODY, metadata=metadata * 2),
        ):
            with pytest.raises(grpc.RpcError):
                attempt()
    assert ran == [("Create", REFUND)]


@pytest.mark.parametrize("amount", [20.9, "20", " 2_0 ", True, "\u0662\u0660", 21])
def test_an_argument_of_a_grpc_message_is_compared_as_it_is(page, issuer, tmp_path, amount):
    ran, allowed = [], {"order": "A-17", "amount": 1 if amount is True else 20}
    metadata = [("authorization", f"Bearer {issuer.jwt('refunds.create', allowed)}")]
    body = json.dumps({"order": "A-17", "amount": amount}).encode()
    with grpc_server(page, tmp_path, ran) as channel:
        send = channel.unary_unary("/shop.Refunds/Create")
        with pytest.raises(grpc.RpcError):
            send(body, metadata=metadata)
    assert ran == []
