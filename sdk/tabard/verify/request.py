"""HTTP requests and gRPC calls as extractors see them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tabard.arguments import ArgumentsError, parse_arguments
from tabard.verify.errors import Rejected
from tabard.verify.json_rpc import JsonRpcRequest, read_json_rpc

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
_UTF_8 = frozenset({"charset=utf-8", 'charset="utf-8"'})


class MultiMapping(Mapping[str, str]):
    """Names with one or more values each, such as the parameters of a query.

    ``m["name"]`` is the value of a name that occurs once. A repeated name raises :class:`~tabard.verify.Rejected`,
    because the application could read another of its values; :meth:`getlist` returns all values.

    Args:
        pairs: names and values.
        what: what they are, for the log.
        ignore_case: whether names are compared without regard to case.
    """

    def __init__(
        self, pairs: Iterable[tuple[str, str]] = (), *, what: str, ignore_case: bool = False
    ) -> None:
        self._what = what
        self._ignore_case = ignore_case
        self._values: dict[str, list[str]] = {}
        self._unread: dict[str, None] = {}
        for name, value in pairs:
            key = self._key(name)
            self._values.setdefault(key, []).append(value)
            self._unread[key] = None

    def getlist(self, name: str) -> list[str]:
        """Return all values of a name in the order of the request; an empty list if there is none."""
        key = self._key(name)
        self._unread.pop(key, None)
        return list(self._values.get(key, ()))

    def integer(self, name: str) -> int:
        """Return the value of a name that occurs once as an integer, written in the one way that every parser reads alike.

        Raises:
            KeyError: there is none.
            Rejected: the name is repeated, or its value isn't such an integer (``+1``, ``01``, ``1_0``, spaces, other digits).
        """
        value = self[name]
        if not _INTEGER.fullmatch(value):
            raise Rejected("call_unreadable", f"{self._what} {name[:100]!r} is no plain integer")
        return int(value)

    def unread(self) -> list[str]:
        """Return the names whose values were never asked for."""
        return list(self._unread)

    def __getitem__(self, name: str) -> str:
        values = self.getlist(name)
        if not values:
            raise KeyError(name)
        if len(values) > 1:
            raise Rejected("call_unreadable", f"{self._what} {name[:100]!r} is repeated; getlist returns all")
        return values[0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._key(name) in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._values)})"

    def _key(self, name: str) -> str:
        return name.lower() if self._ignore_case else name


class _Headers(MultiMapping):
    """Headers, of which none that is read may also be spelled with ``_``: CGI and WSGI take that for ``-``."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        pairs = list(pairs)
        super().__init__(pairs, what="header", ignore_case=True)
        self._ambiguous = {dashed(name) for name, _ in pairs if "_" in name}

    def _key(self, name: str) -> str:
        key = name.lower()
        # While the pairs are taken in, nothing is read yet.
        if dashed(key) in getattr(self, "_ambiguous", ()):
            raise Rejected("call_unreadable", f"the header {key[:100]!r} is spelled with an underscore")
        return key


class Request:
    """An HTTP request.

    Attributes:
        method: as in the request; methods are case-sensitive.
        path: the path below the application's mount point, decoded once.
        path_params: values of the route's parameters.
        query_params: parameters of the query.
        headers: headers, whose names may be written in any case.

    Everything but headers must be read by the extractor: a query parameter, a path parameter or a body that it doesn't
    look at is refused, because the credential wouldn't be bound to it.

    Raises:
        Rejected: the query can't be decoded in one way only.
    """

    def __init__(  # noqa: PLR0913  # the parts of a request
        self,
        method: str,
        path: str,
        *,
        path_params: Mapping[str, str] | None = None,
        query_string: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.path = path
        self.path_params = MultiMapping((path_params or {}).items(), what="path parameter")
        self.query_params = MultiMapping(_form_pairs(query_string), what="query parameter")
        self.headers = _Headers(headers)
        self._body = body
        self._body_read = False

    @property
    def body(self) -> bytes:
        """The body as it was sent."""
        self._body_read = True
        return self._body

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object, parsed strictly, so that another parser can't read it differently.

        Raises:
            Rejected: the ``Content-Type`` isn't JSON in UTF-8, the body isn't one object, repeats a member at any depth, or
                holds a number that isn't exact. An array of JSON-RPC messages isn't an object either.
        """
        self._require_type("application/json", "+json")
        try:
            return parse_arguments(self.body)
        except ArgumentsError as error:
            raise Rejected("call_unreadable", str(error)) from error

    def json_rpc(self) -> JsonRpcRequest:
        """Return the body's JSON-RPC 2.0 request or notification (MCP, A2A).

        Raises:
            Rejected: the body isn't JSON (see :meth:`json`), is a response or a batch, or has a member that JSON-RPC doesn't
                know, so that another reader could take it for something else.
        """
        return read_json_rpc(self.json())

    def form(self) -> MultiMapping:
        """Return the fields of a body of the type ``application/x-www-form-urlencoded``.

        Raises:
            Rejected: the ``Content-Type`` is another, or the body can't be decoded.
        """
        self._require_type("application/x-www-form-urlencoded")
        try:
            text = self.body.decode("ascii")
        except UnicodeDecodeError as error:
            raise Rejected("call_unreadable", "the form isn't ASCII") from error
        self._form = MultiMapping(_form_pairs(text), what="form field")
        return self._form

    def require_all_read(self) -> None:
        """Check that the extractor looked at everything.

        Raises:
            Rejected: it left out a parameter or the body.
        """
        form = getattr(self, "_form", None)
        for values in (self.path_params, self.query_params, *([form] if form else [])):
            if unread := values.unread():
                raise Rejected(
                    "call_unreadable",
                    f"the extractor doesn't read {values._what} {unread[0][:100]!r}",  # noqa: SLF001  # same module
                )
        if self._body and not self._body_read:
            raise Rejected("call_unreadable", "the extractor doesn't read the body")

    def _require_type(self, *accepted: str) -> None:
        """Check the type by which the application may choose its parser."""
        found = self.headers.get("content-type", "")
        media_type, *parameters = (part.strip().lower() for part in found.split(";"))
        fits = any(media_type == one or (one[0] == "+" and media_type.endswith(one)) for one in accepted)
        if not fits or not set(parameters) <= _UTF_8:
            raise Rejected("call_unreadable", f"Content-Type must be {accepted[0]} in UTF-8")

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.path!r})"


class GrpcRequest:
    """A gRPC call.

    Attributes:
        method: full name, for example ``/shop.Refunds/Create``.
        message: the request message.
        metadata: the call's metadata; binary values are left out.
    """

    def __init__(self, method: str, message: Any, metadata: Iterable[tuple[str, str]] = ()) -> None:  # noqa: ANN401  # a message
        self.method = method
        self.message = message
        self.metadata = MultiMapping(metadata, what="metadata", ignore_case=True)

    def __repr__(self) -> str:
        return f"GrpcRequest({self.method!r})"


def dashed(name: str) -> str:
    """Return a header's name as CGI and WSGI understand it: in lower case, with ``-`` for ``_``."""
    return name.lower().replace("_", "-")


def names_other_charset(content_type: str) -> bool:
    """Tell whether a ``Content-Type`` names another encoding than UTF-8; some frameworks decode the query by it."""
    parts = [part.strip() for part in content_type.lower().split(";")]
    return any("charset" in part and part not in _UTF_8 for part in parts)


def _form_pairs(text: str) -> list[tuple[str, str]]:
    """Decode a query or form.

    Raises:
        Rejected: it is malformed, or other parsers would split it elsewhere.
    """
    if not text:
        return []
    if not text.isascii() or ";" in text:
        raise Rejected("call_unreadable", "the query or form isn't ASCII, or holds ';'")
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise Rejected("call_unreadable", "the query or form can't be decoded") from error
