"""Compares the operation whose extractor is asked with the one that the application itself would choose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import Enum
from typing import Any, Final

from tabard.verify.calls import shape_of
from tabard.verify.errors import Rejected

MAX_LAYERS = 64
"""So many middlewares may stand before an application."""

HIDDEN_HOSTS: Final = (
    "the application chooses routes by host, and a middleware between could set another host than the one that is compared;"
    " let TabardMiddleware stand inside of that middleware, or guard the application of each host by itself"
)


class _OwnRoutes(Enum):
    OWN_ROUTES = "OWN_ROUTES"

    def __repr__(self) -> str:
        return self.name


OWN_ROUTES: Final = _OwnRoutes.OWN_ROUTES
"""Default of a middleware's ``routes``: they are those of the application that it guards."""


def own_application(app: object, routes: object, find: Callable[[Any], object | None]) -> Any:  # noqa: ANN401
    """Return the application whose routes are compared; ``None`` if none are.

    Args:
        app: the application that is guarded.
        routes: the application that has the routes, ``OWN_ROUTES`` if it is the same, ``None`` if there are none to compare.
        find: returns the application with routes that an application is or has behind it, ``None`` if there is none.

    Raises:
        ValueError: the routes aren't found.
    """
    if routes is None:
        return None
    start = app if routes is OWN_ROUTES else routes
    found = find(start)
    if found is not None:
        return found
    kind = type(start)
    message = (
        f"the routes of the application aren't found behind {kind.__module__}.{kind.__qualname__}, so requests couldn't be"
        " compared with them; pass routes=<the application of Starlette, FastAPI or Flask>, or routes=None if the application"
        " has another framework and `calls` names all of its routes that could fit a path"
    )
    raise ValueError(message)


def require_same(
    chosen: str, template: str, method: str, every: Iterable[tuple[str, Collection[str] | None]]
) -> None:
    """Check that the application's choice is the route whose extractor will be asked, and that method and path alone decide.

    Two routes of one shape differ by something that extractors' routes don't tell: a converter, a host, a header.

    Args:
        chosen: the template that the application has chosen.
        template: the template whose extractor will be asked.
        method: method of the request.
        every: template and methods of all routes of the application; ``None`` stands for all methods.

    Raises:
        Rejected: the application might run another operation.
    """
    shape = shape_of(template)
    if shape_of(chosen) != shape:
        raise Rejected("operation_unknown", f"the application routes it to {chosen!r}, not to {template!r}")
    fit = [own for own, methods in every if shape_of(own) == shape and (methods is None or method in methods)]
    if len(fit) != 1:
        raise Rejected("operation_unknown", f"routes of the application have the same shape: {fit}")
