"""Finds the path and the route that an ASGI application itself will use."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from tabard.verify.calls import decodes_to, shape_of
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
        Rejected: it would route it to another one.
    """
    routes = getattr(app, "routes", None)
    if routes is None and "router" not in scope:
        # Added with add_middleware: the application above hasn't routed yet.
        routes = getattr(scope.get("app"), "routes", None)
    if not isinstance(routes, list | tuple):
        return
    actual = _route_of(routes, scope)
    if actual is not None and shape_of(actual) != shape_of(template):
        raise Rejected("operation_unknown", f"the application routes it to {actual!r}, not to {template!r}")


def _route_of(routes: Iterable[Any], scope: Scope) -> str | None:
    """Return the template of the first route that fits, ``None`` if none does or it can't be told."""
    for route in routes:
        match, below = route.matches(scope)
        if match.name != "FULL":
            continue
        path = getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        if inner is None:
            return str(path)
        found = _route_of(inner, {**scope, **below}) if inner else None
        return None if found is None else f"{path}{found}"
    return None
