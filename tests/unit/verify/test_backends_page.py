"""docs/backends.md: every code block runs, and the table is complete."""

import json
import re
import subprocess
import sys
from pathlib import Path

import flask
import grpc
import jwt
import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tabard.outcome import outcome_key
from tabard.testing import FakeIssuer
from tabard.verify import NO_CREDENTIAL, Rejected, Request, SqliteReplayStore
from tabard.verify.errors import CODES
from tabard_sidecar.keys import ROOT, Keyring

from tests.support import markdown
from tests.support.backends import Documents, request, serve_asgi, serve_wsgi

PAGE = "docs/backends.md"
BODY = b'{"order": "A-17", "amount": 20}'
BLOCKS = markdown.blocks(PAGE)


def asgi_app():
    """Return an application that answers with the credential's subject."""

    async def endpoint(request):
        return PlainTextResponse(
            request.scope["tabard"].subject.id if "tabard" in request.scope else "healthy"
        )

    return Starlette(
        routes=[Route("/refunds", endpoint, methods=["POST"]), Route("/healthz", endpoint, methods=["GET"])]
    )


def wsgi_app():
    """Return an application that answers with the credential's subject."""
    app = Flask("shop")

    @app.post("/refunds")
    @app.get("/healthz")
    def endpoint():
        verified = flask.request.environ.get("tabard.verified")
        return verified.subject.id if verified else "healthy"

    return app


@pytest.fixture
def namespace(monkeypatch, tmp_path):
    """What the page's blocks find around them."""
    issuer = FakeIssuer("refunds")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TABARD_ISSUER", issuer.name)
    monkeypatch.setenv("TABARD_JWKS", str(issuer.write_jwks(tmp_path / "jwks.json")))
    monkeypatch.setenv("REPLAY_FILE", str(tmp_path / "replay.sqlite3"))
    return {
        "__name__": "page",
        "app": asgi_app(),
        "wsgi_app": wsgi_app(),
        "django_app": print,
        "issuer": issuer,
    }


def run(namespace, *names):
    """Run the page's Python blocks with these names, in order; the ten lines come first."""
    for name, language, code in BLOCKS:
        if language == "python" and name in {"asgi", *names}:
            markdown.run(code, namespace)
    return namespace


def bearer(issuer, *args, **options):
    token = issuer.jwt(*args, **options)
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def test_every_block_belongs_to_a_test():
    assert {name for name, _, _ in BLOCKS} == {
        "asgi",
        "wsgi",
        "fastapi",
        "flask",
        "starlette",
        "grpc",
        "mcp",
        "introspection",
        "keys",
        "outcome",
        "people",
        "redis",  # tests/integration/verify
        "testing",
    }


def test_the_first_block_keeps_its_promise_of_ten_lines():
    assert len([line for line in BLOCKS[0][2].splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_the_ten_lines_guard_an_application(namespace, kind):
    run(namespace, "wsgi")
    issuer, arguments = namespace["issuer"], json.loads(BODY)
    server = serve_asgi(namespace["app"]) if kind == "asgi" else serve_wsgi(namespace["wsgi_app"])
    with server as port:
        headers = bearer(issuer, "refunds.create", arguments, single_use=True)
        assert request(port, path="/refunds", body=BODY, headers=headers)[::2] == (200, b"fake-subject")
        assert request(port, path="/refunds", body=BODY, headers=headers)[0] == 401
        changed = bearer(issuer, "refunds.create", {**arguments, "amount": 21})
        assert request(port, path="/refunds", body=BODY, headers=changed)[0] == 403
        assert request(port, method="GET", path="/healthz")[::2] == (200, b"healthy")


def test_the_other_blocks_of_the_first_chapter_do_what_they_say(namespace):
    run(namespace)
    issuer, arguments = namespace["issuer"], json.loads(BODY)
    verified = namespace["verifier"].verify(
        issuer.jwt("refunds.create", arguments), "refunds.create", arguments
    )
    assert "fake-subject at https://issuer.invalid through spiffe://" in namespace["audit_line"](
        {"tabard": verified}
    )
    assert isinstance(namespace["verifier"]._replay, SqliteReplayStore)
    message = {"credential": issuer.jwt("refunds.create", arguments), "arguments": arguments}
    assert namespace["handle"](message) == {"refunded_for": "fake-subject"}
    assert namespace["handle"]({**message, "arguments": {}}) == {"error": "arguments_mismatch"}


def test_the_longer_extractors_tell_calls_apart(namespace):
    calls = run(namespace)["calls"]
    order = {"order": "A-17"}
    read = Request("GET", "/orders/A-17", path_params=order, query_string="lines=20")
    assert calls["GET", "/orders/{order}"](read) == ("orders.read", {"order": "A-17", "lines": 20})
    cancel = Request("POST", "/orders/A-17/cancel", path_params=order)
    assert calls["POST", "/orders/{order}/cancel"](cancel) == ("orders.cancel", order)
    create = Request("POST", "/refunds", headers=[("Content-Type", "application/json")], body=BODY)
    assert calls["POST", "/refunds"](create) == ("refunds.create", json.loads(BODY))
    assert calls["GET", "/healthz"] is NO_CREDENTIAL


def test_the_outcome_block_signs_what_the_call_cost(namespace):
    run(namespace, "outcome")
    issuer, arguments = namespace["issuer"], json.loads(BODY)
    verified = namespace["verifier"].verify(
        issuer.jwt("refunds.create", arguments), "refunds.create", arguments
    )
    header = namespace["outcome_header"](verified, "root-1", b"k" * 32, rows_charged=10, rows_read=4)
    token = header["Tabard-Outcome"]
    claims = jwt.decode(token, outcome_key(b"k" * 32), algorithms=["HS256"], options={"verify_aud": False})
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "root-1", "typ": "tabard-outcome+jwt"}
    assert (claims["iss"], claims["decision_id"]) == ("refunds", verified.decision_id)
    assert (claims["refunds"], claims["labels"]) == ({"rows": 6}, ["untrusted"])


def test_the_grpc_block_guards_a_server(namespace, tmp_path):
    run(namespace, "grpc")
    server, issuer = namespace["server"], namespace["issuer"]

    def handler(message, context):
        return namespace["create_refund_handler"](message, context)

    method = grpc.unary_unary_rpc_method_handler(
        handler,
        request_deserializer=json.loads,
        response_serializer=lambda answer: json.dumps(answer).encode(),
    )
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("shop.Refunds", {"Create": method})]
    )
    address = f"unix:{tmp_path}/backend.sock"
    server.add_insecure_port(address)
    server.start()
    with grpc.insecure_channel(address) as channel:
        token = issuer.jwt("refunds.create", json.loads(BODY))
        answer = channel.unary_unary("/shop.Refunds/Create")(
            BODY, metadata=[("authorization", f"Bearer {token}")]
        )
    server.stop(None).wait()
    assert json.loads(answer) == {"refunded": "A-17", "for": "fake-subject"}


@pytest.mark.parametrize("kind", ["fastapi", "flask", "starlette"])
def test_the_blocks_for_one_route_guard_it(namespace, kind):
    (code,) = [code for name, _, code in BLOCKS if name == kind]
    markdown.run(code, namespace)
    server = serve_wsgi(namespace["shop"]) if kind == "flask" else serve_asgi(namespace["api"])
    with server as port:
        headers = bearer(namespace["issuer"], "refunds.create", json.loads(BODY), single_use=True)
        status, _, body = request(port, path="/refunds", body=BODY, headers=headers)
        assert (status, json.loads(body)) == (200, {"refunded": "A-17", "for": "fake-subject"})
        assert request(port, path="/refunds", body=BODY, headers=headers)[0] == 401


def test_the_block_for_people_and_agents_tells_them_apart(namespace):
    run(namespace)
    namespace["app"] = asgi_app()
    run_only = [code for name, _, code in BLOCKS if name == "people"]
    markdown.run(run_only[0], namespace)
    credential = namespace["issuer"].jwt("refunds.create", json.loads(BODY))
    person = {"Authorization": "Bearer a-person's", "Content-Type": "application/json"}
    with serve_asgi(namespace["app"]) as port:
        assert request(port, path="/refunds", body=BODY, headers=person)[::2] == (200, b"healthy")
        both = person | {"Txn-Token": credential}
        assert request(port, path="/refunds", body=BODY, headers=both)[::2] == (200, b"fake-subject")
        assert request(port, path="/refunds", body=b"{}", headers=both)[0] == 403


def test_the_introspection_block_asks(namespace, monkeypatch):
    issuer, active = namespace["issuer"], [True]
    token = issuer.jwt("refunds.create", jti="the-id")
    with Documents(lambda _: (200, {"active": active[0], "jti": "the-id"})) as server:
        monkeypatch.setenv("TABARD_INTROSPECTION", server.url)
        monkeypatch.setenv("TABARD_CLIENT_KEY", "a" * 32)
        verifier = run(namespace, "introspection")["verifier"]
        assert verifier.verify(token, "refunds.create", {})
        active[0] = False
        with pytest.raises(Rejected, match="credential_inactive"):
            verifier.verify(token, "refunds.create", {})


def test_the_keys_block_exports_what_the_verifier_reads(namespace, monkeypatch, tmp_path):
    Keyring.create_directory(tmp_path / "keys").create(ROOT)
    (tmp_path / "tabard.yaml").write_text("zone: support\nkeys: {directory: keys}\n")
    monkeypatch.setenv("TABARD_CONFIG", str(tmp_path / "tabard.yaml"))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    (command,) = [code for name, language, code in BLOCKS if (name, language) == ("keys", "console")]
    subprocess.run(["bash", "-euc", command.removeprefix("$ ")], check=True, cwd=tmp_path)
    assert run(namespace, "keys")["verifier"]
    assert json.loads((tmp_path / "refunds.keys.json").read_text())["audience"] == "refunds"


def test_the_testing_block_is_a_test_that_passes(namespace, tmp_path):
    (code,) = [code for name, _, code in BLOCKS if name == "testing"]
    markdown.run(code, namespace)
    namespace["test_refunds_are_guarded"](tmp_path)


def test_the_table_lists_every_code_with_its_status():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", (markdown.ROOT / PAGE).read_text(), re.MULTILINE)
    assert {code: int(status) for code, status in rows} == {code: row.status for code, row in CODES.items()}
