"""Operations of a backend and, for each, how its tool call is read from a request."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from tabard._lean import dataclass
from tabard.plain_path import path_flaw
from tabard.verify.errors import Rejected
from tabard.verify.request import GrpcRequest, Request

RequestT = TypeVar("RequestT")


class _NoCredential(Enum):
    NO_CREDENTIAL = "NO_CREDENTIAL"

    def __repr__(self) -> str:
        return self.name


NO_CREDENTIAL: Final = _NoCredential.NO_CREDENTIAL
"""In place of an extractor: the operation needs no credential. Returned by the extractor of :class:`CredentialOptional`: this
request needs none."""

ToolCall: TypeAlias = tuple[str, Mapping[str, Any]] | tuple[str, Mapping[str, Any], str]
"""Tool, arguments and, if the agent names one, server."""
Extract: TypeAlias = Callable[[Request], "ToolCall | _NoCredential"]
"""Says which tool call a request makes."""
ExtractGrpc: TypeAlias = Callable[[GrpcRequest], "ToolCall | _NoCredential"]
"""Says which tool call a gRPC call makes."""


@dataclass(frozen=True, slots=True)
class CredentialOptional:
    """An operation that serves many purposes at one path, such as an MCP endpoint.

    The extractor is asked also if a request has no credential, and may return :data:`NO_CREDENTIAL`. So a stranger can make the
    backend read a body; ``max_body_bytes`` bounds it.
    """

    extract: Callable[[Any], Any]
    max_body_bytes: int = 64 * 1024


HttpCalls: TypeAlias = Mapping[tuple[str, str], "Extract | CredentialOptional | _NoCredential"]
"""Extractors by method and route, for example ``("GET", "/orders/{order}")``."""
GrpcCalls: TypeAlias = Mapping[str, "ExtractGrpc | CredentialOptional | _NoCredential"]
"""Extractors by full method name, for example ``/shop.Refunds/Create``."""
Operation: TypeAlias = Callable[[Any], Any] | CredentialOptional | _NoCredential

_METHOD = re.compile(r"[A-Z]+")
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?\}")
_ENCODED = re.compile(rb"%(?:2[35EF]|3[BF]|5C|[01][0-9A-F]|7F)", re.IGNORECASE)
"""Percent-encoded separators, dots, percent signs and control characters, which other programs decode once more or not at all."""


def check_operation(name: str, operation: object) -> None:
    """Check what stands in the place of an extractor.

    Raises:
        ValueError: it is none.
    """
    if (
        operation is not NO_CREDENTIAL
        and not isinstance(operation, CredentialOptional)
        and not callable(operation)
    ):
        message = (
            f"{name}: {operation!r} is no extractor; pass a function, CredentialOptional or NO_CREDENTIAL"
        )
        raise ValueError(message)
    extract = operation.extract if isinstance(operation, CredentialOptional) else operation
    if inspect.iscoroutinefunction(extract) or inspect.iscoroutinefunction(
        getattr(extract, "__call__", None)  # noqa: B004  # its method is asked about, not whether it has one
    ):
        message = (
            f"{name}: {operation!r} is async; an extractor is called in a thread and must be a plain function"
        )
        raise ValueError(message)


class Routes:
    """Finds the operation that a method and a path select.

    Routes are written as in Starlette and FastAPI: ``{name}`` stands for one segment, ``{name:path}`` at the end for one or
    more. Where several routes fit, a literal segment goes before a parameter, and a parameter before ``:path``.

    Raises:
        ValueError: a method or route is malformed, or two routes are the same.
    """

    def __init__(self, calls: HttpCalls) -> None:
        self._routes: dict[str, list[_Route]] = {}
        shapes: dict[tuple[str, str], str] = {}
        for (method, template), operation in calls.items():
            name = f"{method} {template}"
            if not _METHOD.fullmatch(method):
                message = f"{name}: a method is written in upper case"
                raise ValueError(message)
            check_operation(name, operation)
            route = _Route(template, operation)
            twin = shapes.setdefault((method, shape_of(template)), template)
            if twin != template:
                message = f"{name} and {twin} are the same route"
                raise ValueError(message)
            self._routes.setdefault(method, []).append(route)
        for routes in self._routes.values():
            routes.sort(key=lambda route: route.rank)

    def find(self, method: str, path: str, raw: bytes | None) -> Found:
        """Return the operation of a request.

        Args:
            method: as in the request.
            path: decoded path below the mount point.
            raw: the whole path as in the request, if the server tells it.

        Raises:
            Rejected: no route fits, or another program might read the path differently.
        """
        require_plain_path(path, raw)
        segments = path.split("/")[1:]
        for route in self._routes.get(method, ()):
            values = route.match(segments)
            if values is not None:
                return Found(route.operation, route.template, values)
        raise Rejected("operation_unknown", f"no route for {method[:20]!r} {path[:200]!r}")


@dataclass(frozen=True, slots=True)
class Found:
    """An operation, its route and the values of the route's parameters."""

    operation: Operation
    template: str
    values: Mapping[str, str]


class _Route:
    def __init__(self, template: str, operation: Operation) -> None:
        self.template = template
        self.operation = operation
        self._segments: list[str] = template.split("/")[1:]
        self._names: list[str | None] = []
        self._rest = False
        for index, segment in enumerate(self._segments):
            parameter = _PARAMETER.fullmatch(segment)
            self._names.append(parameter[1] if parameter else None)
            self._rest = parameter is not None and parameter[2] is not None
            if self._rest and index + 1 < len(self._segments):
                message = f"{template}: {segment} must be the last segment"
                raise ValueError(message)
            if parameter is None and not set("{}<>*").isdisjoint(segment):
                message = f"{template}: a segment is plain text, {{name}} or, at the end, {{name:path}}"
                raise ValueError(message)
        flaw = path_flaw(_PARAMETER.sub("x", template))
        if flaw:
            message = f"{template}: the route {flaw}"
            raise ValueError(message)
        names = [name for name in self._names if name is not None]
        if len(set(names)) < len(names):
            message = f"{template}: a parameter's name is repeated"
            raise ValueError(message)
        self.rank = [(name is not None) + (self._rest and name == names[-1]) for name in self._names]

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Return the values of the parameters, ``None`` if the route doesn't fit."""
        if self._rest:
            if len(segments) < len(self._names):
                return None
            last = len(self._names) - 1
            segments = [*segments[:last], "/".join(segments[last:])]
        if len(segments) != len(self._names):
            return None
        values = {}
        for found, literal, name in zip(segments, self._segments, self._names, strict=True):
            if name is None:
                if found != literal:
                    return None
            elif not found:
                return None
            else:
                values[name] = found
        return values


@lru_cache(maxsize=4096)
def shape_of(template: str) -> str:
    """Return a route without its parameters' names and converters, so that equal routes are equal.

    Knows the parameters of Starlette (``{name:path}``) and Flask (``<path:name>``).
    """

    def parameter(found: re.Match[str]) -> str:
        return "{:path}" if found[0].startswith("<path:") or found[0].endswith(":path}") else "{}"

    return re.sub(r"\{[^{}]*\}|<[^<>]*>", parameter, template)


def require_plain_path(path: str, raw: bytes | None) -> None:
    """Check that every program reads a path alike; arguments as for :meth:`Routes.find`.

    Raises:
        Rejected: another program might read it differently.
    """
    flaw = path_flaw(path)
    if flaw is None and raw is not None:
        flaw = _raw_flaw(raw)
    if flaw is not None:
        raise Rejected("path_ambiguous", f"the path {flaw}")


def _raw_flaw(raw: bytes) -> str | None:
    """Return what another program might understand differently in a path as it was sent, ``None`` if nothing."""
    if not raw.isascii() or _ENCODED.search(raw):
        return "holds an encoded separator, dot, percent sign or control character"
    # Some servers tidy a path up, for example one that begins with two slashes.
    return path_flaw(unquote_to_bytes(raw).decode("utf-8", "replace"))


def decodes_to(raw: bytes, path: str) -> bool:
    """Tell whether a raw path, decoded once, is this path."""
    try:
        return unquote_to_bytes(raw).decode("utf-8") == path
    except UnicodeDecodeError:
        return False
