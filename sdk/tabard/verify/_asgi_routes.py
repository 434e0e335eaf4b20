"""Finds the path and the route that an ASGI application itself will use."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from typing import Any

from tabard.verify._own_routes import MAX_LAYERS, own_application, require_same
from tabard.verify.calls import decodes_to
from tabard.verify.errors import Rejected

Scope = MutableMapping[str, Any]
_TRANSPARENT = ("starlette.middleware.", "fastapi.middleware.", "uvicorn.middleware.", "tabard.verify.asgi")
"""Modules of middlewares that pass each request on to the one application behind them, with the same path."""


def path_below_mount(scope: Scope) -> str:
    """Return the path that the application routes by: without ``root_path``, as in Starlette and Django.

    Raises:
        Rejected: the path continues ``root_path`` within a segment, which frameworks cut differently.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root or not path.startswith(root):
        return path
    below = path[len(root) :]
    if not below.startswith("/"):
        raise Rejected("path_ambiguous", "the path doesn't go on below root_path with a slash")
    return below


def raw_path(scope: Scope) -> bytes | None:
    """Return the path as it was sent, ``None`` if the server doesn't tell it.

    Raises:
        Rejected: decoded once it isn't the path that the server has found.
    """
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return None
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    # Some servers leave root_path out of the raw path.
    if not decodes_to(raw, path) and not (
        root and path.startswith(root) and decodes_to(raw, path[len(root) :])
    ):
        raise Rejected("path_ambiguous", "the server has decoded the path in another way")
    return raw


class AsgiRoutes:
    """The routes of an application of Starlette or FastAPI; arguments and errors are those of :func:`own_application`."""

    def __init__(self, app: object, routes: object) -> None:
        self._guarded = app
        self._app = own_application(app, routes, _find)

    def as_seen(self, scope: Scope) -> Scope:
        """Return a scope as the application sees it, if it sets its prefix itself."""
        return _with_prefix(self._guarded if self._app is None else self._app, scope)

    def require_same(self, scope: Scope, template: str) -> None:
        """Check that the application routes a request to the route whose extractor will be asked.

        Raises:
            Rejected: it would route it to another one, to none, or to one that doesn't tell its path.
        """
        if self._app is not None:
            chosen = _chosen(self._app, scope, "")
            require_same(chosen, template, scope["method"], _every(self._app, ""))


def _chosen(app: Any, scope: Scope, prefix: str) -> str:  # noqa: ANN401  # Starlette's
    """Return the template of the first route that fits.

    Raises:
        Rejected: none does, or it doesn't tell its path, or a host has parameters.
    """
    scope = _with_prefix(app, scope)
    for route in _each(app.routes):
        match, below = route.matches(scope)
        if match.name != "FULL":
            continue
        path = getattr(route, "path", None)
        if _is(route, "Mount") or _is(route, "Host"):
            if path is None and route.param_convertors:
                message = f"the host {route.host!r} has parameters that no credential is bound to"
                raise Rejected("operation_unknown", message)
            inner = _find(route.app)
            place = f"{prefix}{path or ''}"
            return _opaque(place) if inner is None else _chosen(inner, {**scope, **below}, place)
        if path is None:
            raise Rejected("operation_unknown", f"a {type(route).__name__} doesn't tell its path")
        return f"{prefix}{path}"
    raise Rejected("operation_unknown", "the application has no route for it")


def _every(app: Any, prefix: str) -> Iterator[tuple[str, Collection[str] | None]]:  # noqa: ANN401  # Starlette's
    """Yield template and methods of every route, those of all hosts included."""
    for route in _each(app.routes):
        path = getattr(route, "path", None)
        place = f"{prefix}{path or ''}"
        if _is(route, "Mount") or _is(route, "Host"):
            inner = _find(route.app)
            if inner is None:
                yield _opaque(place), None
            else:
                yield from _every(inner, place)
        elif path is not None and not _is(getattr(route, "original_route", route), "WebSocketRoute"):
            yield place, getattr(route, "methods", None) or None


def _opaque(place: str) -> str:
    """Return the one template of an application whose routes aren't known, such as mounted files."""
    return f"{place}/{{path:path}}"


def _each(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield the routes, those of FastAPI's included routers as they are below their prefix."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context


def _find(app: Any) -> object | None:  # noqa: ANN401  # any ASGI application
    """Return the application or router that an application is, or that stands behind middlewares that choose nothing."""
    for _ in range(MAX_LAYERS):
        if _is(app, "Router") or _is(getattr(app, "router", None), "Router"):
            found: object = app
            return found
        module = type(app).__module__
        known = module.startswith(_TRANSPARENT) and not module.endswith(".wsgi")
        if not known and not _is(app, "BaseHTTPMiddleware", "starlette.middleware.base"):
            return None
        app = app.app
    return None


def _with_prefix(app: object, scope: Scope) -> Scope:
    """Return a scope with the prefix that the application sets whatever the server says."""
    prefix = getattr(app, "root_path", None)
    if _is(app, "ASGIHandler", "django.core.handlers.asgi"):
        prefix = sys.modules["django.conf"].settings.FORCE_SCRIPT_NAME
    return {**scope, "root_path": prefix} if isinstance(prefix, str) and prefix else scope


def _is(thing: object, name: str, module: str = "starlette.routing") -> bool:
    """Tell whether something is an instance of a class of a module that needn't be imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(thing, kind)
