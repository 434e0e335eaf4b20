"""Middlewares between can't make the application run the route of another host than the one that was compared."""

import http.client

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Host, Mount, Route, Router
from tabard.verify import asgi, wsgi
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from tests.support.backends import serve_asgi, serve_wsgi

ORDERS = {("GET", "/orders/{order}"): lambda request: ("orders.read", dict(request.path_params))}
ADMIN = "admin.example.org"


class Forwarded(BaseHTTPMiddleware):
    """Takes the host from a header, as behind a proxy."""

    async def dispatch(self, request, call_next):
        host = request.headers.get("x-forwarded-host")
        if host:
            others = [pair for pair in request.scope["headers"] if pair[0] != b"host"]
            request.scope["headers"] = [*others, (b"host", host.encode())]
        return await call_next(request)


class PlainForwarded:
    """The same, without the framework."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        host = [value for name, value in scope.get("headers", ()) if name == b"x-forwarded-host"]
        if host:
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope = {**scope, "headers": [*others, (b"host", host[0])]}
        await self.app(scope, receive, send)


@pytest.fixture
def ran():
    return []


@pytest.fixture
def get(issuer):
    def get(port, path="/orders/export", host="example.org", forwarded=""):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        token = issuer.jwt("orders.read", {"order": path.rpartition("/")[2]})
        headers = {"Host": host, "Authorization": f"Bearer {token}"}
        connection.request(
            "GET", path, headers=headers | ({"X-Forwarded-Host": forwarded} if forwarded else {})
        )
        status = connection.getresponse().status
        connection.close()
        return status

    return get


def endpoint(ran, name):
    async def endpoint(_request):
        ran.append(name)
        return JSONResponse({})

    return endpoint


def by_host(ran):
    admin = Router([Route("/orders/export", endpoint(ran, "EXPORT"))])
    return [Host(ADMIN, app=admin), Route("/orders/{order}", endpoint(ran, "read"))]


def decorated(ran):
    app = FastAPI()
    app.router.routes += by_host(ran)
    app.middleware("http")(lambda request, call_next: call_next(request))
    return app


HIDDEN = {
    "inside": lambda ran: Starlette(routes=by_host(ran), middleware=[Middleware(Forwarded)]),
    "inside, not of the framework": lambda ran: Starlette(
        routes=by_host(ran), middleware=[Middleware(PlainForwarded)]
    ),
    "before": lambda ran: Forwarded(Starlette(routes=by_host(ran))),
    "further before": lambda ran: GZipMiddleware(Forwarded(Starlette(routes=by_host(ran)))),
    "in the router": lambda ran: Router(by_host(ran), middleware=[Middleware(Forwarded)]),
    "before a mount": lambda ran: Starlette(
        routes=[Mount("/", app=Starlette(routes=by_host(ran)))], middleware=[Middleware(Forwarded)]
    ),
    "in a mount": lambda ran: Starlette(
        routes=[Mount("/", routes=by_host(ran), middleware=[Middleware(Forwarded)])]
    ),
    "in a mounted application": lambda ran: Starlette(
        routes=[Mount("/", app=Starlette(routes=by_host(ran), middleware=[Middleware(Forwarded)]))]
    ),
    "a function": decorated,
}


@pytest.mark.parametrize("place", HIDDEN)
def test_routes_of_hosts_behind_a_middleware_that_could_set_the_host_are_refused_at_once(
    verifier, ran, place
):
    with pytest.raises(ValueError, match="by host"):
        asgi.TabardMiddleware(HIDDEN[place](ran), verifier, ORDERS)


def test_routes_passed_past_an_unknown_middleware_are_refused_if_they_go_by_host(verifier, ran):
    app = Starlette(routes=by_host(ran))
    with pytest.raises(ValueError, match="by host"):
        asgi.TabardMiddleware(PlainForwarded(app), verifier, ORDERS, routes=app)
    flask = Flask("shop", host_matching=True, static_folder=None)
    with pytest.raises(ValueError, match="by host"):
        wsgi.TabardMiddleware(lambda *_: None, verifier, ORDERS, routes=flask)


def test_a_middleware_or_host_added_afterwards_closes_the_application(verifier, ran, get):
    late_middleware, late_host = Starlette(routes=by_host(ran)), Forwarded(app := Starlette())
    guarded = [asgi.TabardMiddleware(each, verifier, ORDERS) for each in (late_middleware, late_host)]
    late_middleware.add_middleware(Forwarded)
    app.router.routes += by_host(ran)
    for each in guarded:
        with serve_asgi(each) as port:
            assert get(port, "/orders/A-17") == 403
            assert get(port, forwarded=ADMIN) == 403
    assert ran == []


OPEN = {
    "TabardMiddleware inside": lambda ran, verifier: Starlette(
        routes=by_host(ran),
        middleware=[
            Middleware(Forwarded),
            Middleware(asgi.TabardMiddleware, verifier=verifier, calls=ORDERS),
            Middleware(GZipMiddleware),
        ],
    ),
    "no other host": lambda ran, verifier: asgi.TabardMiddleware(
        Starlette(routes=by_host(ran), middleware=[Middleware(GZipMiddleware)]), verifier, ORDERS
    ),
    "below the host": lambda ran, verifier: asgi.TabardMiddleware(
        Starlette(
            routes=[
                Host(ADMIN, app=Router([Route("/orders/export", endpoint(ran, "EXPORT"))])),
                Host(
                    "example.org",
                    app=Starlette(
                        routes=[Route("/orders/{order}", endpoint(ran, "read"))],
                        middleware=[Middleware(Forwarded)],
                    ),
                ),
            ]
        ),
        verifier,
        ORDERS,
    ),
}


@pytest.mark.parametrize("place", OPEN)
def test_middlewares_elsewhere_do_not_matter(verifier, ran, get, place):
    with serve_asgi(OPEN[place](ran, verifier)) as port:
        assert get(port, "/orders/A-17") == 200
        assert get(port, host=ADMIN) == 403
        get(port, forwarded=ADMIN)
    assert "EXPORT" not in ran


def flask_by(kind, ran):
    matching = {"subdomain_matching": True} if kind == "subdomain" else {"host_matching": True}
    app = Flask("shop", static_folder=None, **matching)
    if kind == "subdomain":
        app.config["SERVER_NAME"] = "example.org"
        own, admin = {}, {"subdomain": "admin"}
    else:
        own, admin = {"host": "example.org"}, {"host": ADMIN}
    app.add_url_rule("/orders/<order>", "read", lambda order: ran.append("read") or order, **own)
    app.add_url_rule("/orders/export", "export", lambda: ran.append("EXPORT") or "all", **admin)
    return app


def replaced(app, *layers):
    for layer in layers:
        app.wsgi_app = layer(app.wsgi_app)
    return app


def forwarding(app):
    return ProxyFix(app, x_host=1)


PROXIED = {
    "around": lambda app, guard: guard(forwarding(app)),
    "around the method": lambda app, guard: guard(forwarding(app.wsgi_app)),
    "inside of the application": lambda app, guard: guard(replaced(app, forwarding)),
    "further inside": lambda app, guard: guard(replaced(app, forwarding, LintMiddleware)),
    "in place of the method": lambda app, guard: replaced(app, forwarding, guard),
}


@pytest.mark.parametrize("kind", ["subdomain", "host"])
@pytest.mark.parametrize("place", PROXIED)
def test_flask_is_compared_with_the_host_that_its_middleware_passes_on(verifier, ran, get, kind, place):
    app = PROXIED[place](flask_by(kind, ran), lambda inner: wsgi.TabardMiddleware(inner, verifier, ORDERS))
    with serve_wsgi(app) as port:
        assert get(port, "/orders/A-17") == 200
        assert get(port, "/orders/A-17", host="proxy", forwarded="example.org") == 200
        assert get(port, host=ADMIN) == 403
        assert get(port, forwarded=ADMIN) == 403
        get(port, host=ADMIN, forwarded="example.org")
    assert "EXPORT" not in ran


def test_a_middleware_put_before_flask_afterwards_is_seen(verifier, ran, get):
    app = flask_by("subdomain", ran)
    guarded = wsgi.TabardMiddleware(app, verifier, ORDERS)
    replaced(app, forwarding)
    with serve_wsgi(guarded) as port:
        assert get(port, forwarded=ADMIN) == 403
        assert get(port, "/orders/A-17") == 200
    method = app.wsgi_app
    app.wsgi_app = lambda *arguments: method(*arguments)  # noqa: PLW0108  # as an unknown middleware
    with serve_wsgi(guarded) as port:
        assert get(port, "/orders/A-17") == 403
    assert ran == ["read"]


class ByVersion:
    """Has a router and chooses another one by a header."""

    def __init__(self):
        self.router, self.other = Router(), Router()

    async def __call__(self, scope, receive, send):
        versioned = dict(scope["headers"]).get(b"x-api-version") == b"2"
        await (self.other if versioned else self.router)(scope, receive, send)


class OwnCall(Starlette):
    async def __call__(self, scope, receive, send):
        await super().__call__(scope, receive, send)


class OwnStack(FastAPI):
    def build_middleware_stack(self):
        return super().build_middleware_stack()


class OwnRouter(Router):
    async def app(self, scope, receive, send):
        await super().app(scope, receive, send)


def with_own_router():
    app = Starlette()
    app.router = OwnRouter()
    return app


class FlaskOwnCall(Flask):
    def __call__(self, environ, start_response):
        return super().__call__(environ, start_response)


class FlaskOwnMethod(Flask):
    def wsgi_app(self, environ, start_response):
        return super().wsgi_app(environ, start_response)


@pytest.mark.parametrize("make", [ByVersion, OwnCall, OwnStack, OwnRouter, with_own_router])
def test_an_application_that_chooses_by_itself_is_refused_at_once(verifier, make):
    for app in (make(), GZipMiddleware(make())):
        with pytest.raises(ValueError, match="routes=None"):
            asgi.TabardMiddleware(app, verifier, ORDERS)


@pytest.mark.parametrize("make", [FlaskOwnCall, FlaskOwnMethod])
def test_a_flask_that_handles_requests_by_itself_is_refused_at_once(verifier, make):
    app = make("shop", static_folder=None)
    for guarded in (app, ProxyFix(app), app.__call__) if make is FlaskOwnCall else (app, app.wsgi_app):
        with pytest.raises(ValueError, match="routes=None"):
            wsgi.TabardMiddleware(guarded, verifier, ORDERS)


def test_subclasses_that_choose_nothing_are_guarded(verifier):
    asgi.TabardMiddleware(type("Shop", (FastAPI,), {})(), verifier, ORDERS)
    asgi.TabardMiddleware(type("Shop", (Starlette,), {})(), verifier, ORDERS)
    wsgi.TabardMiddleware(type("Shop", (Flask,), {})("shop"), verifier, ORDERS)
