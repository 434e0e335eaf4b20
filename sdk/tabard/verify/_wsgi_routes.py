"""Finds the route that a Flask application itself will use."""

from __future__ import annotations

import sys
from typing import Any

from tabard.verify._own_routes import MAX_LAYERS, own_application, require_same
from tabard.verify.errors import Rejected

_TRANSPARENT = frozenset({"werkzeug.middleware.proxy_fix", "werkzeug.middleware.lint"})
"""Modules of middlewares that pass each request on to the one application behind them, with the same path."""


class WsgiRoutes:
    """The routes of an application of Flask; arguments and errors are those of :func:`own_application`."""

    def __init__(self, app: object, routes: object) -> None:
        self._flask = own_application(app, routes, _find)

    def require_same(self, environ: dict[str, Any], template: str) -> None:
        """Check that the application routes a request to the route whose extractor will be asked.

        Raises:
            Rejected: it would route it to another one, or to none.
        """
        if self._flask is None:
            return
        try:
            adapter = self._flask.create_url_adapter(self._flask.request_class(dict(environ)))
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


def _find(app: Any) -> object | None:  # noqa: ANN401  # any WSGI application
    """Return the Flask application that an application is, or that stands behind middlewares that choose nothing."""
    flask: type | None = getattr(sys.modules.get("flask"), "Flask", None)
    for _ in range(MAX_LAYERS):
        # `app.wsgi_app` is what is usually wrapped: a method of the application.
        owner = getattr(app, "__self__", None)
        if flask is not None and isinstance(owner, flask):
            return owner
        if flask is not None and isinstance(app, flask):
            replaced = vars(app).get("wsgi_app")
            if replaced is None:
                return app
            app = replaced
        elif type(app).__module__ in _TRANSPARENT or type(app).__module__ == "tabard.verify.wsgi":
            app = app.app
        else:
            return None
    return None
