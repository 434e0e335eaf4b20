"""Finds the route that a Flask application itself will use."""

from __future__ import annotations

import sys
from copy import copy
from typing import Any

from tabard.verify._own_routes import HIDDEN_HOSTS, MAX_LAYERS, OWN_ROUTES, own_application, require_same
from tabard.verify.errors import Rejected

_SETS_HOST = "werkzeug.middleware.proxy_fix"
_TRANSPARENT = frozenset({_SETS_HOST, "werkzeug.middleware.lint", "tabard.verify.wsgi"})
"""Modules of middlewares that pass each request on to the one application behind them, with the same path."""

Environ = dict[str, Any]


class WsgiRoutes:
    """The routes of an application of Flask; arguments and errors are those of :func:`own_application`.

    Raises:
        ValueError: also if the application chooses by a host that a middleware before it could set.
    """

    def __init__(self, app: object, routes: object) -> None:
        self._guarded = app
        self._start = app if routes is OWN_ROUTES else routes
        self._flask = own_application(app, routes, _find)
        if self._flask is not None and self._hides_hosts():
            raise ValueError(HIDDEN_HOSTS)

    def require_same(self, environ: Environ, template: str) -> None:
        """Check that the application routes a request to the route whose extractor will be asked.

        Raises:
            Rejected: it would route it to another one, or to none.
        """
        if self._flask is None:
            return
        # Middlewares can be put before the application after this one was made.
        if _find(self._start) is not self._flask or self._hides_hosts():
            raise Rejected("operation_unknown", HIDDEN_HOSTS)
        try:
            request = self._flask.request_class(_as_seen(self._guarded, environ))
            adapter = self._flask.create_url_adapter(request)
            rule, _ = adapter.match(return_rule=True)
        except Exception as error:  # not found, another method, a redirect, a host that isn't trusted
            raise Rejected("operation_unknown", "the application has no route for it") from error
        where = rule.host if adapter.map.host_matching else rule.subdomain
        if where and "<" in where:
            raise Rejected(
                "operation_unknown", f"the host {where!r} has parameters that no credential is bound to"
            )
        rules = [own for own in adapter.map.iter_rules() if not own.build_only and not own.websocket]
        every = ((str(own.rule), own.methods) for own in rules)
        require_same(str(rule.rule), template, environ["REQUEST_METHOD"], every)

    def _hides_hosts(self) -> bool:
        by_host = self._flask.subdomain_matching or self._flask.url_map.host_matching
        return bool(by_host) and _find(self._guarded) is not self._flask


def _find(app: Any) -> Any:  # noqa: ANN401  # any WSGI application, Flask
    """Return the Flask application that an application is, or that stands behind middlewares that choose nothing."""
    return _reach(app)[0]


def _reach(app: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401  # any WSGI application
    """Return the Flask application, ``None`` if there is none, and the middlewares before it, the outermost first."""
    flask: Any = getattr(sys.modules.get("flask"), "Flask", None)
    layers: list[Any] = []
    for _ in range(MAX_LAYERS):
        # `app.wsgi_app` is what is usually wrapped: a method of the application.
        owner = getattr(app, "__self__", None)
        if flask is not None and isinstance(owner, flask):
            method = getattr(app, "__func__", None)
            return (owner if method is flask.wsgi_app else None), layers
        if flask is not None and isinstance(app, flask):
            if type(app).__call__ is not flask.__call__:
                break
            app = app.wsgi_app
        elif type(app).__module__ in _TRANSPARENT:
            layers.append(app)
            app = app.app
        else:
            break
    return None, layers


def _as_seen(app: object, environ: Environ) -> Environ:
    """Return a request as it is behind the middlewares that stand before the application."""
    seen = dict(environ)
    for layer in _reach(app)[1]:
        if type(layer).__module__ == _SETS_HOST:
            seen = _passed_on(layer, seen)
    return seen


def _passed_on(layer: Any, environ: Environ) -> Environ:  # noqa: ANN401  # Werkzeug's
    """Return what a middleware passes on to its application."""
    passed: list[Environ] = []

    def note(inner: Environ, _start_response: object) -> tuple[bytes, ...]:
        passed.append(inner)
        return ()

    probe = copy(layer)
    probe.app = note
    probe(environ, None)
    return passed[0]
