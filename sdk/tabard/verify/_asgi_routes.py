"""Finds the path and the route that an ASGI application itself will use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

from tabard.verify.calls import decodes_to, require_same_shape
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


def require_same_route(app: object, scope: Scope, template: str) -> None:
    """Check that an application of Starlette or FastAPI routes a request to the route whose extractor will be asked.

    Applications that don't list their routes in ``routes`` aren't checked.

    Raises:
        Rejected: it would route it to another one, or to one that doesn't tell its path.
    """
    routes = getattr(app, "routes", None)
    if routes is None and "router" not in scope:
        # Added with add_middleware: the application above hasn't routed yet.
        routes = getattr(scope.get("app"), "routes", None)
    if isinstance(routes, list | tuple):
        require_same_shape(_route_of(routes, scope), template)


def _route_of(routes: Iterable[Any], scope: Scope) -> str | None:
    """Return the template of the first route that fits; ``None`` if none does, or an application of another kind is mounted.

    Raises:
        Rejected: the route doesn't tell its path.
    """
    for route in _each(routes):
        match, below = route.matches(scope)
        if match.name != "FULL":
            continue
        path, inner = getattr(route, "path", None), getattr(route, "routes", None)
        if path is None and inner is None:
            raise Rejected("operation_unknown", f"a {type(route).__name__} doesn't tell its path")
        if inner is None:
            return str(path)
        found = _route_of(inner, {**scope, **below})
        return None if found is None else f"{path or ''}{found}"
    return None


def _each(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield the routes, those of FastAPI's included routers as they are below their prefix."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context
