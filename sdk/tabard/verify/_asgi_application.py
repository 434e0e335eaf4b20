"""Finds the application of Starlette or FastAPI behind middlewares, and whether these could change its choice by host."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tabard.verify._own_routes import MAX_LAYERS

_TRANSPARENT = ("starlette.middleware.", "fastapi.middleware.", "uvicorn.middleware.", "tabard.verify.asgi")
"""Modules of middlewares that pass each request on to the one application behind them, with the same path and host."""
_PROGRAMMED = "starlette.middleware.base"
"""Module of the middleware that runs a program's own function, which could set another host."""
_ROUTERS = (("starlette.routing", "Router"), ("fastapi.routing", "APIRouter"))
_APPLICATIONS = (("starlette.applications", "Starlette"), ("fastapi.applications", "FastAPI"))


def is_a(thing: object, name: str, module: str = "starlette.routing") -> bool:
    """Tell whether something is an instance of a class of a module that needn't be imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(thing, kind)


def reach(app: Any) -> tuple[Any, bool]:  # noqa: ANN401  # any ASGI application
    """Return the application or router that an application is, or that stands behind middlewares that choose nothing.

    Returns:
        It, ``None`` if there is none, and whether something between could set another host.
    """
    foreign = False
    for _ in range(MAX_LAYERS):
        if _routes_itself(app):
            return app, foreign or _sets_host_inside(app)
        if is_a(app, "BaseHTTPMiddleware", _PROGRAMMED):
            foreign = True
        elif not _is_transparent(type(app)):
            break
        app = app.app
    return None, True


def find(app: Any) -> Any:  # noqa: ANN401  # any ASGI application
    """Return the application or router of :func:`reach`."""
    return reach(app)[0]


def each(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield the routes, those of FastAPI's included routers as they are below their prefix."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context


def has_hidden_hosts(app: Any, *, foreign: bool) -> bool:  # noqa: ANN401  # what reach returns
    """Tell whether an application chooses by a host that a middleware inside of it could set.

    Args:
        app: the application or router.
        foreign: a middleware before it could set the host.
    """
    for route in each(app.routes):
        by_host = is_a(route, "Host")
        if by_host and foreign:
            return True
        if by_host or is_a(route, "Mount"):
            inner, before = reach(route.app)
            if inner is not None and has_hidden_hosts(inner, foreign=foreign or before):
                return True
    return False


def _routes_itself(app: Any) -> bool:  # noqa: ANN401  # any ASGI application
    """Tell whether something is a router or an application of the framework that handles requests as its class does."""
    if is_a(app, "Router"):
        return _is_original(app, ("__call__", "app"), _ROUTERS)
    return (
        is_a(app, "Starlette", "starlette.applications")
        and _is_original(app, ("__call__", "build_middleware_stack"), _APPLICATIONS)
        and is_a(app.router, "Router")
        and _routes_itself(app.router)
    )


def _is_original(app: object, methods: Iterable[str], classes: Iterable[tuple[str, str]]) -> bool:
    kinds = [getattr(sys.modules.get(module), name, None) for module, name in classes]
    return all(
        any(kind is not None and getattr(type(app), method) is getattr(kind, method) for kind in kinds)
        for method in methods
    )


def _sets_host_inside(app: Any) -> bool:  # noqa: ANN401  # an application or a router
    """Tell whether a middleware that is part of an application or of its router could set another host."""
    added = getattr(app, "user_middleware", ())
    if any(not _keeps_host(entry.cls) for entry in added):
        return True
    router = app if is_a(app, "Router") else app.router
    layer = getattr(router, "middleware_stack", None)
    while layer is not None and getattr(layer, "__self__", None) is not router:
        if not _keeps_host(type(layer)):
            return True
        layer = layer.app
    return False


def _keeps_host(kind: Any) -> bool:  # noqa: ANN401  # a class, or a function that makes a middleware
    return _is_transparent(kind) and kind.__module__ != _PROGRAMMED


def _is_transparent(kind: Any) -> bool:  # noqa: ANN401  # see _keeps_host
    module = getattr(kind, "__module__", None) or ""
    return module.startswith(_TRANSPARENT) and not module.endswith(".wsgi")
