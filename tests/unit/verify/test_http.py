"""The ASGI and WSGI middlewares in front of real servers."""

import contextlib
import io
import json
import time
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.middleware.cors import CORSMiddleware
from tabard.verify import NO_CREDENTIAL, Rejected, asgi, wsgi
from tabard.verify._edge import find_token

from tests.support.backends import request, serve_asgi, serve_wsgi


def named_by_the_path(request):
    """The tool's arguments are the JSON body; the path names the tool."""
    return request.path.strip("/").replace("/", "."), request.json()


def crash(request):
    raise RuntimeError("the extractor broke")


CALLS = {
    ("POST", "/refunds/create"): named_by_the_path,
    ("POST", "/refunds/cancel"): named_by_the_path,
    ("POST", "/t"): named_by_the_path,
    ("POST", "/crash"): crash,
    ("POST", "/nothing"): lambda _: None,
    ("POST", "/open"): lambda _: NO_CREDENTIAL,
    ("POST", "/query"): lambda request: ("query", dict(request.query_params)),
    ("POST", "/by-header"): lambda request: ("pay", {"order": request.headers["X-Order"], **request.json()}),
    ("POST", "/by-headers"): lambda request: (
        "pay",
        {"orders": request.headers.getlist("X-Order"), **request.json()},
    ),
    ("POST", "/healthz"): NO_CREDENTIAL,
    ("POST", "/café"): NO_CREDENTIAL,
}


async def asgi_app(scope, receive, send):
    """Answers with what it received."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    verified = scope.get("tabard")
    answer = json.dumps({"subject": verified and verified.subject.id, "body": body.decode()}).encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def wsgi_app(environ, start_response):
    """Answers with what it received."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    verified = environ.get("tabard.verified")
    answer = json.dumps({"subject": verified and verified.subject.id, "body": body.decode()}).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


@contextmanager
def serve(kind, verifier, **options):
    options = {"verifier": verifier, "calls": CALLS, "routes": None, **options}
    if kind == "asgi":
        with serve_asgi(asgi.TabardMiddleware(asgi_app, **options)) as port:
            yield port
    else:
        with serve_wsgi(wsgi.TabardMiddleware(wsgi_app, **options)) as port:
            yield port


@pytest.fixture(params=["asgi", "wsgi"])
def port(request, verifier):
    with serve(request.param, verifier) as port:
        yield port


BODY = b'{"order": "A-17", "amount": 20}'
ARGUMENTS = json.loads(BODY)


JSON = {"Content-Type": "application/json"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def send(port, token=None, body=BODY, path="/refunds/create", headers=None):
    pairs = [
        *JSON.items(),
        *(headers.items() if isinstance(headers, dict) else headers or bearer(token).items()),
    ]
    status, answer_headers, answer = request(port, path=path, body=body, headers=pairs)
    return status, answer_headers, json.loads(answer)


def test_the_application_gets_the_subject_and_the_whole_body(port, issuer):
    token = issuer.jwt("refunds.create", ARGUMENTS)
    status, _, answer = send(port, token)
    assert (status, answer) == (200, {"subject": "fake-subject", "body": BODY.decode()})


def test_a_macaroon_or_a_txn_token_header_do_as_well(port, issuer):
    assert send(port, issuer.macaroon("refunds.create", ARGUMENTS))[0] == 200
    assert send(port, headers={"Txn-Token": issuer.jwt("refunds.create", ARGUMENTS)})[0] == 200
    assert (
        send(port, headers={"authorization": f"bEaReR {issuer.jwt('refunds.create', ARGUMENTS)}"})[0] == 200
    )


def test_without_a_credential_the_answer_says_what_is_needed(port):
    status, headers, answer = send(port, headers={"X-Other": "1"})
    assert status == 401
    assert headers["WWW-Authenticate"] == 'Bearer realm="refunds"'
    assert answer["code"] == "credential_missing"
    assert send(port, headers={"Authorization": "Basic dTpw"})[2]["code"] == "credential_missing"


def test_changed_arguments_are_forbidden(port, issuer):
    token = issuer.jwt("refunds.create", ARGUMENTS)
    status, headers, answer = send(port, token, body=b'{"order": "A-17", "amount": 21}')
    assert status == 403
    assert 'error="insufficient_scope"' in headers["WWW-Authenticate"]
    assert answer["code"] == "arguments_mismatch"
    assert send(port, token, path="/refunds/cancel")[2]["code"] == "tool_mismatch"


def test_a_single_use_credential_works_once(port, issuer):
    token = issuer.jwt("refunds.create", ARGUMENTS, single_use=True)
    assert send(port, token)[0] == 200
    status, headers, answer = send(port, token)
    assert status == 401
    assert answer["code"] == "credential_used"
    assert 'error="invalid_token"' in headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"aud": "orders"}, "credential_audience"),
        ({"exp": int(time.time()) - 60}, "credential_expired"),
        ({"header": {"kid": "unknown"}}, "credential_unknown_key"),
    ],
)
def test_credentials_that_do_not_fit_are_refused(port, issuer, options, code):
    status, headers, answer = send(port, issuer.jwt("refunds.create", ARGUMENTS, **options))
    assert (status, answer["code"]) == (401, code)
    assert headers["Cache-Control"] == "no-store"


def test_the_refusal_never_repeats_what_was_sent(port, issuer):
    token = issuer.jwt("refunds.create", ARGUMENTS, aud="orders")
    _status, headers, answer = send(port, token)
    assert token not in str(headers) + str(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"\xff",
        b'{"a": 9007199254740993}',
        b"[" * 500,
        b'{"a":1}{}',
    ],
)
def test_a_body_that_two_parsers_could_read_differently_is_refused(port, issuer, body):
    status, _, answer = send(port, issuer.jwt("refunds.create", ARGUMENTS), body=body)
    assert status in {400, 403}
    assert answer["code"] in {"call_unreadable", "arguments_mismatch"}


def test_an_extractor_that_fails_refuses(port, issuer):
    for path in ("/crash", "/nothing", "/open"):
        status, _, answer = send(port, issuer.jwt("refunds.create", ARGUMENTS), path=path)
        assert (status, answer["code"]) == (400, "call_unreadable")


def test_query_parameters_can_be_the_arguments(port, issuer):
    token = issuer.jwt("query", {"q": "a b", "empty": ""})
    assert send(port, token, body=b"", path="/query?q=a%20b&empty=")[0] == 200
    assert send(port, token, body=b"", path="/query?q=a&q=b")[2]["code"] == "call_unreadable"
    assert send(port, token, body=b"", path="/query?q=%ff")[2]["code"] == "call_unreadable"


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_header_that_occurs_twice_is_never_taken_for_one_of_its_values(kind, verifier, issuer):
    """An application may read the first, the last, or both joined."""
    with serve(kind, verifier) as port:

        def pay(orders, sent, path="/by-header"):
            arguments = {"orders": orders} if isinstance(orders, list) else {"order": orders}
            credential = ("Authorization", f"Bearer {issuer.jwt('pay', arguments)}")
            return send(
                port, body=b"{}", path=path, headers=[credential, *(("X-Order", one) for one in sent)]
            )[0]

        assert pay("A", ["A"]) == 200
        assert pay("A", []) == 400
        for order in "AB":
            assert pay(order, ["A", "B"]) in {400, 403}
            assert pay(order, ["B", "A"]) in {400, 403}
        assert pay(["A", "B"] if kind == "asgi" else ["A,B"], ["A", "B"], "/by-headers") == 200
        assert pay(["B"], ["A", "B"], "/by-headers") == 403


def test_two_credentials_are_refused(port, issuer):
    token = issuer.jwt("refunds.create", ARGUMENTS)
    status, _, answer = send(port, headers={**bearer(token), "Txn-Token": token})
    assert (status, answer["code"]) == (400, "credential_ambiguous")
    status, _, answer = send(port, headers=[("Authorization", f"Bearer {token}")] * 2)
    assert status in {400, 401}


def test_a_cors_middleware_outside_answers_preflights(verifier, issuer):
    """A browser sends no credential with them."""
    origin = {"Origin": "https://app.example"}
    guarded = asgi.TabardMiddleware(asgi_app, verifier, CALLS, routes=None)
    app = CORSMiddleware(guarded, allow_origins=[origin["Origin"]], allow_methods=["POST"])
    with serve_asgi(app) as port:
        asked = {**origin, "Access-Control-Request-Method": "POST"}
        status, headers, _ = request(port, path="/t", method="OPTIONS", headers=asked.items())
        assert (status, headers["access-control-allow-origin"]) == (200, origin["Origin"])
        assert request(port, path="/t", method="OPTIONS", headers=origin.items())[0] == 403
        assert send(port, headers={**origin, **bearer(issuer.jwt("t", ARGUMENTS))}, path="/t")[0] == 200
        assert send(port, headers=origin, path="/t")[0] == 401


def test_public_paths_need_no_credential_and_are_exact(port):
    status, _, answer = send(port, headers={"X-Other": "1"}, path="/healthz")
    assert (status, answer["subject"]) == (200, None)
    for path in ("/healthz/", "/healthz/x", "/x/healthz", "/HEALTHZ"):
        assert send(port, headers={"X-Other": "1"}, path=path)[0] == 403
    assert send(port, headers={"X-Other": "1"}, path="/caf%C3%A9")[0] == 200


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_body_over_the_limit_is_refused(kind, verifier, issuer):
    with serve(kind, verifier, max_body_bytes=100) as port:
        token = issuer.jwt("refunds.create", ARGUMENTS)
        assert send(port, token)[0] == 200
        status, _, answer = send(port, token, body=b'{"x": "' + b"a" * 100 + b'"}')
        assert (status, answer["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_headers_can_be_restricted(kind, verifier, issuer):
    with serve(kind, verifier, headers=["Txn-Token"]) as port:
        token = issuer.jwt("refunds.create", ARGUMENTS)
        assert send(port, headers={"Txn-Token": token, "Authorization": "Basic dTpw"})[0] == 200
        assert send(port, token)[2]["code"] == "credential_missing"
    with pytest.raises(ValueError, match="among"):
        wsgi.TabardMiddleware(wsgi_app, verifier, CALLS, routes=None, headers=["cookie"])


def test_chunked_bodies_are_read_or_refused_but_never_skipped(verifier, issuer):
    token = issuer.jwt("refunds.create", ARGUMENTS)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    headers = {**bearer(token), "Transfer-Encoding": "chunked"}
    with serve("asgi", verifier) as port:
        assert send(port, body=chunked, headers=headers)[2]["body"] == BODY.decode()
    with serve("asgi", verifier, max_body_bytes=10) as port:
        assert send(port, body=chunked, headers=headers)[0] == 413
    with serve("wsgi", verifier) as port:
        assert send(port, body=chunked, headers=headers)[0] == 411


def test_wsgi_reads_a_terminated_stream_without_a_length(verifier, issuer):
    answers = []
    app = wsgi.TabardMiddleware(wsgi_app, verifier, CALLS, routes=None, max_body_bytes=100)
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/refunds/create",
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {issuer.jwt('refunds.create', ARGUMENTS)}",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.input_terminated": True,
        "tabard.verified": "forged",
    }
    (answer,) = app(dict(environ), lambda status, _: answers.append(status))
    assert answers == ["200 OK"]
    assert json.loads(answer)["body"] == BODY.decode()
    environ["wsgi.input"] = io.BytesIO(BODY * 10)
    app(environ, lambda status, _: answers.append(status))
    assert answers[1].startswith("413")
    for length in ("-1", "x", "9" * 30, "٣"):
        app({**environ, "CONTENT_LENGTH": length}, lambda status, _: answers.append(status))
        assert answers[-1][:3] in {"411", "413"}


async def test_asgi_refuses_websockets_and_passes_lifespan(verifier):
    sent, passed = [], []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    async def send_(message):
        sent.append(message)

    middleware = asgi.TabardMiddleware(app, verifier, CALLS, routes=None)
    await middleware({"type": "websocket", "path": "/healthz", "headers": []}, None, send_)
    await middleware({"type": "lifespan"}, None, send_)
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert passed == ["lifespan"]


async def test_asgi_gives_up_when_the_client_has_gone(verifier, issuer):
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send_(message):
        sent.append(message)

    middleware = asgi.TabardMiddleware(asgi_app, verifier, CALLS, routes=None)
    token = issuer.jwt("refunds.create", ARGUMENTS).encode()
    headers = [(b"authorization", b"Bearer " + token)]
    scope = {"type": "http", "method": "POST", "path": "/refunds/create", "headers": headers}
    await middleware(scope, receive, send_)
    assert sent == []


def test_a_body_is_read_only_after_a_genuine_credential(verifier):
    with serve("asgi", verifier, max_body_bytes=10) as port:
        assert send(port, "rubbish", body=b"a" * 1000)[0] == 401


header_values = st.binary(max_size=120) | st.sampled_from(
    [b"Bearer", b"Bearer ", b"bearer a.b.c", b"Bearer a b"]
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"authorization", b"txn-token", b"Authorization"]), header_values),
        max_size=3,
    )
)
async def test_no_random_header_crashes_or_passes(verifier, headers):
    sent = []

    async def app(scope, receive, send):
        pytest.fail("it passed")

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send_(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/t", "headers": headers}
    await asgi.TabardMiddleware(app, verifier, CALLS, routes=None)(scope, receive, send_)
    assert sent[0]["status"] in {400, 401}


@given(st.lists(st.tuples(st.sampled_from(["authorization", "txn-token", "cookie"]), st.text(max_size=60))))
def test_what_is_taken_for_a_token_looks_like_one(headers):
    with contextlib.suppress(Rejected):
        token = find_token(headers)
        assert token.isascii()
        assert " " not in token
