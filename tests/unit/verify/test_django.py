"""Django behind the middlewares: its prefix, and the encoding by which it decodes a query."""

import django
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from tabard.verify import asgi, wsgi

from tests.support.backends import request, serve_asgi, serve_wsgi

ran = []


def search(request):
    ran.append(("search", request.GET.dict()))
    return JsonResponse({})


def admin(_request, user):
    ran.append(("ADMIN", user))
    return JsonResponse({})


def files(_request, file):
    ran.append(("files", file))
    return JsonResponse({})


urlpatterns = [path("search", search), path("admin/<str:user>", admin), path("<path:file>", files)]
CALLS = {
    ("GET", "/search"): lambda request: ("notes.search", {"q": request.query_params["q"]}),
    ("GET", "/admin/{user}"): lambda request: ("admin.read", dict(request.path_params)),
    ("GET", "/{file:path}"): lambda request: ("files.read", dict(request.path_params)),
}


@pytest.fixture(scope="module", autouse=True)
def _django():
    settings.configure(
        ROOT_URLCONF=__name__,
        SECRET_KEY="-",
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=[],
        LOGGING_CONFIG=None,
        FORCE_SCRIPT_NAME=None,
    )
    django.setup()


@pytest.fixture(params=["asgi", "wsgi"])
def get(request, issuer, verifier):
    """Sends a request with a credential; returns the status."""
    ran.clear()
    return _sender(request.param, issuer, verifier)


def _sender(kind, issuer, verifier):
    def send(target, tool, arguments, headers=()):
        credential = ("Authorization", f"Bearer {issuer.jwt(tool, arguments)}")
        if kind == "asgi":
            served = serve_asgi(asgi.TabardMiddleware(get_asgi_application(), verifier, CALLS, routes=None))
        else:
            served = serve_wsgi(wsgi.TabardMiddleware(get_wsgi_application(), verifier, CALLS, routes=None))
        with served as port:
            return request(port, "GET", target, headers=[credential, *headers])[0]

    return send


def test_a_query_is_read_as_it_was_compared(get):
    assert get("/search?q=hello", "notes.search", {"q": "hello"}) == 200
    query = {"q": "hello ACY-owner AD0-ceo"}
    charset = ("Content-Type", "text/plain; charset=utf-7")
    assert get("/search?q=hello+ACY-owner+AD0-ceo", "notes.search", query, [charset]) == 400
    assert ran == [("search", {"q": "hello"})]


def test_a_prefix_that_django_sets_itself_opens_nothing_else(get, monkeypatch):
    monkeypatch.setattr(settings, "FORCE_SCRIPT_NAME", "/v1")
    assert get("/a/b", "files.read", {"file": "a/b"}) == 200
    get("/v1/admin/root", "files.read", {"file": "v1/admin/root"})
    assert "ADMIN" not in {name for name, _ in ran}


def test_django_shows_no_routes(verifier):
    for guard, app in ((asgi, get_asgi_application()), (wsgi, get_wsgi_application())):
        with pytest.raises(ValueError, match="routes=None"):
            guard.TabardMiddleware(app, verifier, CALLS)
