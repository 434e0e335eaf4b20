"""Finds the path and the route that an ASGI application itself will use."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, MutableMapping
from typing import Any

from tabard.verify._asgi_application import each, find, has_hidden_hosts, is_a, reach
from tabard.verify._own_routes import HIDDEN_HOSTS, OWN_ROUTES, own_application, require_same
from tabard.verify.calls import decodes_to
from tabard.verify.errors import Rejected

Scope = MutableMapping[str, Any]


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
    """The routes of an application of Starlette or FastAPI; arguments and errors are those of :func:`own_application`.

    Raises:
        ValueError: also if the application chooses by a host that a middleware inside of it could set.
    """

    def __init__(self, app: object, routes: object) -> None:
        self._guarded = app
        self._start = app if routes is OWN_ROUTES else routes
        self._app = own_application(app, routes, find)
        if self._app is not None and self._hides_hosts():
            raise ValueError(HIDDEN_HOSTS)

    def as_seen(self, scope: Scope) -> Scope:
        """Return a scope as the application sees it, if it sets its prefix itself."""
        return _with_prefix(self._guarded if self._app is None else self._app, scope)

    def require_same(self, scope: Scope, template: str) -> None:
        """Check that the application routes a request to the route whose extractor will be asked.

        Raises:
            Rejected: it would route it to another one, to none, or to one that doesn't tell its path.
        """
        if self._app is None:
            return
        # Routes and middlewares can be added after this middleware was made.
        if find(self._start) is not self._app or self._hides_hosts():
            raise Rejected("operation_unknown", HIDDEN_HOSTS)
        chosen = _chosen(self._app, scope, "")
        require_same(chosen, template, scope["method"], _every(self._app, ""))

    def _hides_hosts(self) -> bool:
        before, foreign = reach(self._guarded)
        return has_hidden_hosts(self._app, foreign=foreign or before is not self._app)


def _chosen(app: Any, scope: Scope, prefix: str) -> str:  # noqa: ANN401  # Starlette's
    """Return the template of the first route that fits.

    Raises:
        Rejected: none does, or it doesn't tell its path, or a host has parameters.
    """
    scope = _with_prefix(app, scope)
    for route in each(app.routes):
        match, below = route.matches(scope)
        if match.name != "FULL":
            continue
        path = getattr(route, "path", None)
        if is_a(route, "Mount") or is_a(route, "Host"):
            if path is None and route.param_convertors:
                message = f"the host {route.host!r} has parameters that no credential is bound to"
                raise Rejected("operation_unknown", message)
            inner = find(route.app)
            place = f"{prefix}{path or ''}"
            return _opaque(place) if inner is None else _chosen(inner, {**scope, **below}, place)
        if path is None:
            raise Rejected("operation_unknown", f"a {type(route).__name__} doesn't tell its path")
        return f"{prefix}{path}"
    raise Rejected("operation_unknown", "the application has no route for it")


def _every(app: Any, prefix: str) -> Iterator[tuple[str, Collection[str] | None]]:  # noqa: ANN401  # Starlette's
    """Yield template and methods of every route, those of all hosts included."""
    for route in each(app.routes):
        path = getattr(route, "path", None)
        place = f"{prefix}{path or ''}"
        if is_a(route, "Mount") or is_a(route, "Host"):
            inner = find(route.app)
            if inner is None:
                yield _opaque(place), None
            else:
                yield from _every(inner, place)
        elif path is not None and not is_a(getattr(route, "original_route", route), "WebSocketRoute"):
            yield place, getattr(route, "methods", None) or None


def _opaque(place: str) -> str:
    """Return the one template of an application whose routes aren't known, such as mounted files."""
    return f"{place}/{{path:path}}"


def _with_prefix(app: object, scope: Scope) -> Scope:
    """Return a scope with the prefix that the application sets whatever the server says."""
    prefix = getattr(app, "root_path", None)
    if is_a(app, "ASGIHandler", "django.core.handlers.asgi"):
        prefix = sys.modules["django.conf"].settings.FORCE_SCRIPT_NAME
    return {**scope, "root_path": prefix} if isinstance(prefix, str) and prefix else scope
