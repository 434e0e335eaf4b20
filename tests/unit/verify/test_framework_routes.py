"""The route that Starlette, FastAPI or Flask selects is the route whose extractor is asked."""

import threading
from contextlib import contextmanager

import pytest
from fastapi import APIRouter, FastAPI
from flask import Blueprint, Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route
from tabard.verify import asgi, wsgi
from werkzeug import serving
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.support.backends import request, serve_asgi, serve_wsgi


def read(request):
    return "orders.read", {"order": request.path_params["order"]}


def file(request):
    return "files.read", {"file": request.path_params["file"]}


CALLS = {("GET", "/orders/{order}"): read, ("GET", "/files/{file:path}"): file}


def starlette_routes():
    async def endpoint(request):
        return PlainTextResponse(f"{request.url.path} {request.path_params}")

    return [
        Route("/orders/export", endpoint),
        Route("/orders/{order}", endpoint),
        Route("/files/{name:path}", endpoint),
    ]


def fastapi_routes(app):
    @app.get("/export")
    def export():
        return "export"

    @app.get("/n{number:int}")
    def numbered(number: int):
        return f"numbered {number}"

    @app.get("/{order}")
    def order(order: str):
        return f"order {order}"


def with_include_router():
    app, router, inner = FastAPI(), APIRouter(prefix="/orders"), APIRouter()
    fastapi_routes(inner)
    router.include_router(inner)
    app.include_router(router)

    @app.get("/files/{name:path}")
    def files(name: str):
        return name

    return app


def flask_app():
    app, blueprint = Flask("shop"), Blueprint("orders", "orders", url_prefix="/orders")

    @blueprint.get("/export")
    def export():
        return "export"

    @blueprint.get("/<order>")
    def order(order):
        return f"order {order}"

    @app.get("/files/<path:name>")
    def files(name):
        return name

    app.register_blueprint(blueprint)
    return app


def wrapped_method(verifier):
    app = flask_app()
    app.wsgi_app = wsgi.TabardMiddleware(app.wsgi_app, verifier, CALLS)
    return app


def added(app):
    def build(verifier):
        app.add_middleware(asgi.TabardMiddleware, verifier=verifier, calls=CALLS)
        return app

    return build


SERVED = {
    "starlette": lambda verifier: asgi.TabardMiddleware(
        Starlette(routes=starlette_routes()), verifier, CALLS
    ),
    "starlette, added": added(Starlette(routes=starlette_routes())),
    "starlette, by host": lambda verifier: asgi.TabardMiddleware(
        Starlette(routes=[Host("127.0.0.1", app=Starlette(routes=starlette_routes()))]), verifier, CALLS
    ),
    "fastapi": lambda verifier: asgi.TabardMiddleware(with_include_router(), verifier, CALLS),
    "fastapi, added": added(with_include_router()),
    "flask": lambda verifier: wsgi.TabardMiddleware(flask_app(), verifier, CALLS),
    "flask, its wsgi_app": wrapped_method,
}


@contextmanager
def serve(name, verifier):
    app = SERVED[name](verifier)
    with serve_wsgi(app) if name.startswith("flask") else serve_asgi(app) as port:
        yield port


@pytest.mark.parametrize("name", SERVED)
def test_a_route_that_no_extractor_names_is_not_reached_through_one_that_fits_too(name, verifier, issuer):
    with serve(name, verifier) as port:

        def get(path, tool, arguments):
            token = issuer.jwt(tool, arguments)
            return request(port, "GET", path, headers={"Authorization": f"Bearer {token}"})[::2]

        status, answer = get("/orders/A-17", "orders.read", {"order": "A-17"})
        assert status == 200
        assert b"A-17" in answer
        assert get("/files/a/b.txt", "files.read", {"file": "a/b.txt"})[0] == 200
        status, answer = get("/orders/export", "orders.read", {"order": "export"})
        assert status == 403
        assert b"operation_unknown" in answer
        if "fastapi" in name:
            assert get("/orders/n5", "orders.read", {"order": "n5"})[0] == 403
            assert get("/orders/nx", "orders.read", {"order": "nx"})[0] == 200


def test_a_route_that_does_not_tell_its_path_is_refused(verifier, issuer):
    class Silent(BaseRoute):
        def matches(self, _scope):
            return Match.FULL, {}

    with serve_asgi(asgi.TabardMiddleware(Starlette(routes=[Silent()]), verifier, CALLS)) as port:
        token = issuer.jwt("orders.read", {"order": "1"})
        assert request(port, "GET", "/orders/1", headers={"Authorization": f"Bearer {token}"})[0] == 403


def test_mounted_applications_see_the_path_below_their_mount(verifier, issuer):
    token = issuer.jwt("orders.read", {"order": "A-17"})
    headers = {"Authorization": f"Bearer {token}"}
    guarded = wsgi.TabardMiddleware(flask_app(), verifier, CALLS)
    with serve_wsgi(DispatcherMiddleware(Flask("outer"), {"/shop": guarded})) as port:
        assert request(port, "GET", "/shop/orders/A-17", headers=headers)[0] == 200
        assert request(port, "GET", "/shop/orders/export", headers=headers)[0] == 403
        assert request(port, "GET", "/shop/shop/orders/A-17", headers=headers)[0] == 403
    inner = asgi.TabardMiddleware(Starlette(routes=starlette_routes()), verifier, CALLS)
    with serve_asgi(Starlette(routes=[Mount("/shop", app=inner)])) as port:
        assert request(port, "GET", "/shop/orders/A-17", headers=headers)[0] == 200
        assert request(port, "GET", "/shop/shop/orders/A-17", headers=headers)[0] == 403


TARGETS = {
    "/orders/A%2517": "400",
    "/orders/A%2E17": "400",
    "/orders%2FA-17": "400",
    "/orders/A\u00e917?x": "400",
    "//orders/A-17": "400",
    "http://shop.example/orders%2FA-17": "400",
    "HTTP://shop.example/orders/A%2E17?x": "400",
    "http:///orders%2FA-17": "400",
    "http://shop.example?/orders/A-17": "400",
    "x+y.z-1://user@shop.example:1/orders/../orders/A-17": "400",
    "orders/A-17": "400",
    "*": "400",
    "shop.example:443": "400",
    "/orders/A-17": "200",
    "/orders/A%2D17?x=%2F": "200",
    "http://shop.example/orders/A-17?http://other/": "200",
}


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize("target", TARGETS)
def test_wsgi_servers_that_tell_the_raw_path_are_heard(verifier, issuer, name, target):
    """PEP 3333 has no place for it; gunicorn, uWSGI, mod_wsgi, waitress, cheroot and Werkzeug each have."""

    def application(_environ, start_response):
        start_response("200 OK", [])
        return []

    statuses = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/orders/A-17",
        "HTTP_AUTHORIZATION": f"Bearer {issuer.jwt('orders.read', {'order': 'A-17'})}",
        name: target,
    }
    guarded = wsgi.TabardMiddleware(application, verifier, CALLS, routes=None)
    guarded(environ, lambda status, _: statuses.append(status))
    assert [status[:3] for status in statuses] == [TARGETS[target]]


@contextmanager
def serve_by_werkzeug(app):
    """Serve a WSGI application by a server that tells the request's target; yields the port."""
    server = serving.make_server("127.0.0.1", 0, app)
    server.log = lambda *_: None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("origin", ["", "http://127.0.0.1", "http://"])
def test_an_encoded_slash_is_refused_in_every_form_of_the_target(verifier, issuer, origin):
    ran = []
    app = Flask("files", static_folder=None)
    app.add_url_rule("/files/<path:name>", "file", lambda name: ran.append(name) or name)
    headers = {"Authorization": f"Bearer {issuer.jwt('files.read', {'file': 'a/b'})}"}
    with serve_by_werkzeug(wsgi.TabardMiddleware(app, verifier, CALLS)) as port:
        assert request(port, "GET", f"{origin}/files/a%2Fb", headers=headers)[0] == 400
        assert request(port, "GET", f"{origin}/files/a/b", headers=headers)[0] == 200
    assert ran == ["a/b"]
