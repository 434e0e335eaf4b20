"""The application's own choice is compared with the extractor's route, or the application isn't guarded at all."""

import http.client
import warnings

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from tabard.verify import NO_CREDENTIAL, asgi, wsgi
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from tests.support.backends import serve_asgi, serve_wsgi

ORDERS = {("GET", "/orders/{order}"): lambda request: ("orders.read", dict(request.path_params))}
ANYTHING = {
    ("GET", "/admin/{user}"): lambda request: ("admin.read", dict(request.path_params)),
    ("GET", "/{file:path}"): lambda request: ("files.read", dict(request.path_params)),
}


class Backend:
    """Notes which operations ran, and asks for them."""

    def __init__(self, issuer, verifier):
        self.ran, self._issuer, self.verifier = [], issuer, verifier

    def endpoint(self, name):
        async def endpoint(_request):
            self.ran.append(name)
            return JSONResponse({})

        return endpoint

    def view(self, name):
        def view(**_parameters):
            self.ran.append(name)
            return name

        return view

    def orders(self):
        return Starlette(
            routes=[
                Route("/orders/export", self.endpoint("export")),
                Route("/orders/{order}", self.endpoint("read")),
                WebSocketRoute("/orders/{order}", self.endpoint("socket")),
            ]
        )

    def flask_orders(self, **options):
        app = Flask("shop", static_folder=None, **options)
        app.add_url_rule("/orders/export", "export", self.view("export"))
        app.add_url_rule("/orders/<order>", "read", self.view("read"))
        return app

    def get(self, port, path, tool, arguments, host="127.0.0.1"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        token = self._issuer.jwt(tool, arguments)
        connection.request("GET", path, headers={"Host": host, "Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
        connection.close()
        return status

    def order(self, port, order, prefix="", host="127.0.0.1"):
        return self.get(port, f"{prefix}/orders/{order}", "orders.read", {"order": order}, host)


@pytest.fixture
def backend(issuer, verifier):
    return Backend(issuer, verifier)


def added(app, backend, **options):
    app.add_middleware(asgi.TabardMiddleware, verifier=backend.verifier, calls=ORDERS, **options)
    return app


def opaque(app):
    async def middleware(scope, receive, send):
        await app(scope, receive, send)

    return middleware


def fastapi_below_fastapi(backend):
    outer, inner = FastAPI(), added(fastapi_orders(backend), backend)
    outer.mount("/shop", inner)
    return outer


def fastapi_orders(backend):
    app = FastAPI()
    app.router.routes += backend.orders().routes
    return app


def behind_an_unknown_middleware(backend):
    app = backend.orders()
    return asgi.TabardMiddleware(opaque(app), backend.verifier, ORDERS, routes=app)


PLACES = {
    "wrapped": lambda backend: asgi.TabardMiddleware(backend.orders(), backend.verifier, ORDERS),
    "added": lambda backend: added(backend.orders(), backend),
    "GZip between": lambda backend: asgi.TabardMiddleware(
        GZipMiddleware(backend.orders()), backend.verifier, ORDERS
    ),
    "added to a mounted application": lambda backend: Starlette(
        routes=[Mount("/shop", app=added(backend.orders(), backend))]
    ),
    "added to a mounted FastAPI": fastapi_below_fastapi,
    "unknown middleware between, routes passed": behind_an_unknown_middleware,
}


@pytest.mark.parametrize("place", PLACES)
def test_the_choice_of_the_application_is_compared_wherever_the_middleware_stands(backend, place):
    prefix = "/shop" if "mounted" in place else ""
    with serve_asgi(PLACES[place](backend)) as port:
        assert backend.order(port, "A-17", prefix) == 200
        assert backend.order(port, "export", prefix) == 403
    assert backend.ran == ["read"]


@pytest.mark.parametrize("layer", [ProxyFix, lambda app: app], ids=["ProxyFix", "none"])
def test_flask_is_found_behind_its_own_middlewares(backend, layer):
    app = backend.flask_orders()
    app.wsgi_app = layer(app.wsgi_app)
    app.wsgi_app = wsgi.TabardMiddleware(app.wsgi_app, backend.verifier, ORDERS)
    with serve_wsgi(app) as port:
        assert backend.order(port, "A-17") == 200
        assert backend.order(port, "export") == 403
    assert backend.ran == ["read"]


def test_an_application_whose_routes_are_not_found_is_refused_at_once(backend):
    replaced = backend.flask_orders()
    replaced.wsgi_app = DispatcherMiddleware(replaced.wsgi_app, {"/admin": backend.flask_orders()})
    for guard, app in [
        (asgi, opaque(backend.orders())),
        (asgi, StaticFiles(directory="/")),
        (asgi, backend.flask_orders()),
        (wsgi, backend.orders()),
        (wsgi, lambda _environ, _start_response: []),
        (wsgi, replaced),
        (wsgi, DispatcherMiddleware(backend.flask_orders(), {"/admin": backend.flask_orders()})),
    ]:
        with pytest.raises(ValueError, match="routes=None"):
            guard.TabardMiddleware(app, backend.verifier, ORDERS)
        with pytest.raises(ValueError, match="routes=None"):
            guard.TabardMiddleware(lambda *_: None, backend.verifier, ORDERS, routes=app)
        guard.TabardMiddleware(app, backend.verifier, ORDERS, routes=None)


def test_a_route_chosen_by_host_is_not_opened(backend):
    def guarded(*routes):
        return asgi.TabardMiddleware(Starlette(routes=list(routes)), backend.verifier, ORDERS)

    admin = Starlette(routes=[Route("/orders/{order}", backend.endpoint("ADMIN"))])
    plain = Route("/orders/{order}", backend.endpoint("read"))
    for app in (
        guarded(Host("admin.example.org", app=admin), plain),
        guarded(Mount("", routes=[Host("{name}.example.org", app=admin)])),
        guarded(
            Host("{name}.example.org", app=admin), Host("shop.example.org", app=Starlette(routes=[plain]))
        ),
    ):
        with serve_asgi(app) as port:
            for host in ("admin.example.org", "shop.example.org"):
                assert backend.order(port, "A-17", host=host) == 403
    assert backend.ran == []


def test_a_rule_of_flask_chosen_by_host_is_not_opened(backend):
    by_host = Flask("shop", host_matching=True, static_folder=None)
    by_host.add_url_rule("/orders/<order>", "admin", backend.view("ADMIN"), host="admin.example.org")
    by_host.add_url_rule("/orders/<order>", "read", backend.view("read"), host="shop.example.org")
    parameter = Flask("shop", host_matching=True, static_folder=None)
    parameter.add_url_rule("/orders/<order>", "read", backend.view("ADMIN"), host="<name>.example.org")
    for app in (by_host, parameter):
        app.wsgi_app = wsgi.TabardMiddleware(app.wsgi_app, backend.verifier, ORDERS)
        with serve_wsgi(app) as port:
            for host in ("admin.example.org", "shop.example.org"):
                assert backend.order(port, "A-17", host=host) == 403
    assert backend.ran == []


def test_flask_is_bound_to_a_subdomain_as_flask_binds_itself(backend):
    app = backend.flask_orders(subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.org"
    app.add_url_rule("/<section>/<path:rest>", "admin", backend.view("ADMIN"), subdomain="admin")
    app.wsgi_app = wsgi.TabardMiddleware(app.wsgi_app, backend.verifier, ORDERS)
    with serve_wsgi(app) as port:
        assert backend.order(port, "A-17", host="admin.example.org") == 403
        assert backend.order(port, "A-17", host="example.org") == 200
    assert backend.ran == ["read"]


@pytest.mark.parametrize("path", ["/orders/7", "/orders/secret", "/orders/export"])
def test_routes_that_differ_by_a_converter_only_are_not_opened(backend, path):
    starlette = Starlette(
        routes=[
            Route("/orders/{number:int}", backend.endpoint("by number")),
            Route("/orders/{order}", backend.endpoint("read")),
        ]
    )
    flask = Flask("shop", static_folder=None)
    flask.add_url_rule("/orders/<int:number>", "number", backend.view("by number"))
    flask.add_url_rule("/orders/<any(export, all):what>", "export", backend.view("export"))
    flask.add_url_rule("/orders/<order>", "read", backend.view("read"))
    arguments = {"order": path.rpartition("/")[2]}
    with serve_asgi(asgi.TabardMiddleware(starlette, backend.verifier, ORDERS)) as port:
        assert backend.get(port, path, "orders.read", arguments) == 403
    with serve_wsgi(wsgi.TabardMiddleware(flask, backend.verifier, ORDERS)) as port:
        assert backend.get(port, path, "orders.read", arguments) == 403
    assert backend.ran == []


def test_the_prefix_that_an_application_sets_itself_is_cut_off(backend):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FastAPI advises to set it in the server
        app = FastAPI(root_path="/v1")
    app.router.routes += [
        Route("/admin/{user}", backend.endpoint("ADMIN")),
        Route("/{file:path}", backend.endpoint("file")),
    ]
    for guarded in (app, GZipMiddleware(app)):
        with serve_asgi(asgi.TabardMiddleware(guarded, backend.verifier, ANYTHING)) as port:
            assert backend.get(port, "/a/b", "files.read", {"file": "a/b"}) == 200
            assert backend.get(port, "/v1/a/b", "files.read", {"file": "a/b"}) == 200
            assert backend.get(port, "/v1/admin/root", "files.read", {"file": "v1/admin/root"}) == 403
    assert backend.ran == ["file"] * 4


def test_a_mounted_application_without_known_routes_is_opened_by_its_own_entry_only(backend, tmp_path):
    (tmp_path / "keys.txt").write_text("secret")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("public")
    app = Starlette(
        routes=[
            Mount("/private", app=StaticFiles(directory=tmp_path)),
            Mount("/public", app=StaticFiles(directory=tmp_path)),
            Route("/{section}/{order}", backend.endpoint("read")),
            Route("/{file:path}", backend.endpoint("file")),
        ]
    )
    calls = ANYTHING | {
        ("GET", "/{section}/{order}"): lambda request: ("orders.read", dict(request.path_params)),
        ("GET", "/public/{file:path}"): NO_CREDENTIAL,
    }
    with serve_asgi(asgi.TabardMiddleware(app, backend.verifier, calls)) as port:
        private = {"section": "private", "order": "keys.txt"}
        assert backend.get(port, "/private/keys.txt", "orders.read", private) == 403
        assert backend.get(port, "/private/a/b.txt", "files.read", {"file": "private/a/b.txt"}) == 403
        assert backend.get(port, "/public/a/b.txt", "any", {}) == 200
        assert backend.get(port, "/x/y/z", "files.read", {"file": "x/y/z"}) == 200
    assert backend.ran == ["file"]
