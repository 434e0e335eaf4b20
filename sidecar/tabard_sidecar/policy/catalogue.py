"""Loads the tool catalogue: schemas, annotations and labels of tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from tabard.files import read_regular
from tabard.trust import read_trusted

from tabard_sidecar.interfaces import ArgumentFault
from tabard_sidecar.model import REPORTED, ToolCall
from tabard_sidecar.policy.loading.documents import MAX_BYTES, DocumentError, parse_json, parse_yaml
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.schema import Check, Fault, compile_schema
from tabard_sidecar.policy.schema_cost import MAX_STEPS, Cost, Size, cost_of, size_of, size_of_json
from tabard_sidecar.policy.schema_rules import SchemaError
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.similar import get_close_matches
from tabard_sidecar.util.wanted import require_wanted

_MAX_PROBLEMS = 100
_FIX_SCHEMA = "Fix its inputSchema. Of another party's tools/list, `tabard catalogue from-mcp FILE.json` writes what can be used"
_SIZED_STEPS = 100_000
_SIZED_BYTES = 4096
"""Estimates below both are made from the text of the arguments; for others their values are counted."""
MAX_NAME_BYTES = 256
_HINTS: Mapping[str, type] = {
    "title": str,
    **dict.fromkeys(("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"), bool),
}
"""MCP's annotations; others may be there, too."""
_LIST_KEYS = frozenset({"_meta", "nextCursor", "tools"})
_RESPONSE_KEYS = frozenset({"id", "jsonrpc", "result"})
_TOOL_KEYS = frozenset(
    {
        "annotations",
        "description",
        "inputSchema",
        "labels",
        "name",
        "outputSchema",
        "server",
        "title",
        "_meta",
        "icons",
        "execution",
    }
)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool of the catalogue.

    Attributes:
        name: the tool's name.
        server: server that offers it; empty for any.
        labels: labels of what the tool returns, sorted; a call adds them to its task.
        annotations: hints such as ``readOnlyHint``, as policies see them under ``input.tool.annotations``.
        arguments: names that the schema knows, or ``None`` if it accepts others, too.
        schema: JSON Schema of the arguments; ``True`` if the catalogue has none.
        schema_json: the same as JSON.
        check: the compiled schema.
        cost: how much work the schema can make.
    """

    name: str
    server: str
    labels: tuple[str, ...]
    annotations: Mapping[str, Any]
    arguments: frozenset[str] | None
    schema: Json = field(repr=False)
    schema_json: bytes = field(repr=False, compare=False)
    check: Check = field(repr=False, compare=False)
    cost: Cost = field(repr=False, compare=False)

    @property
    def read_only(self) -> bool:
        """True only if the catalogue marks the tool as read-only."""
        return self.annotations.get("readOnlyHint") is True

    def validate(self, arguments: Mapping[str, Any]) -> ArgumentFault | None:
        """Return the problem of the arguments, without their values, or ``None``."""
        fault = self.check(arguments)
        return None if fault is None else self.told(fault, arguments)

    def fits(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether arguments fit, without saying why not."""
        return self.check.fits(arguments)

    def explain(self, arguments: Mapping[str, Any]) -> ArgumentFault:
        """Return the problem of arguments that don't fit."""
        return self.told(self.check.explain(arguments), arguments)

    def steps(self, call: ToolCall) -> int:
        """Return an upper bound of the steps, of some 10 ns each, that :meth:`fits` takes."""
        cost = self.cost
        if cost.parts == 1:  # which looks at the object itself, whatever is in it
            return cost.per_value + cost.per_fraction + cost.per_exponent
        return self._steps(call, cost.steps)

    def explaining_steps(self, call: ToolCall) -> int:
        """Return an upper bound of the steps that :meth:`explain` takes."""
        return self._steps(call, self.cost.explaining_steps)

    @staticmethod
    def _steps(call: ToolCall, estimate: Callable[[Size], int]) -> int:
        steps = estimate(size_of_json(call.arguments_json))
        if steps <= _SIZED_STEPS and len(call.arguments_json) <= _SIZED_BYTES:
            return steps
        size = size_of(call.arguments, len(call.arguments_json))
        return MAX_STEPS if size is None else estimate(size)

    def told(self, fault: Fault, arguments: Mapping[str, Any]) -> ArgumentFault:
        """Return a fault of arguments as it is told."""
        path, problem = fault
        message = f"argument {path!r} {problem}" if path else f"the arguments object {problem}"
        return ArgumentFault(message, path if _names_a_value(path, arguments) else "")


def _names_a_value(path: str, arguments: Json) -> bool:
    """Tell whether a dotted path leads to a value of the call; a schema's own names don't."""
    node = arguments
    for name in path.split("."):
        if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        elif isinstance(node, dict) and name in node:
            node = node[name]
        else:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All tools of the catalogue.

    Attributes:
        required: True if a tool that isn't here must be denied.
        tools: by (name, server); the server is empty for a tool that any server may offer.
    """

    required: bool = False
    tools: Mapping[tuple[str, str], ToolSpec] = field(default_factory=dict)

    def lookup(self, name: str, server: str) -> ToolSpec | None:
        """Return the tool of this server, else the one of any server, else ``None``."""
        found = self.tools.get((name, server))
        return found if found is not None or not server else self.tools.get((name, ""))

    def __iter__(self) -> Iterator[ToolSpec]:
        return iter(self.tools.values())


class CurrentCatalogue:
    """The catalogue in use, which a reload replaces as a whole."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def replace(self, catalogue: Catalogue) -> None:
        """Use another catalogue from the next call on."""
        self._catalogue = catalogue

    @property
    def required(self) -> bool:
        """True if a tool that isn't here must be denied."""
        return self._catalogue.required

    def lookup(self, name: str, server: str) -> ToolSpec | None:
        """Return the tool of this server, else the one of any server, else ``None``."""
        return self._catalogue.lookup(name, server)

    def __iter__(self) -> Iterator[ToolSpec]:
        return iter(self._catalogue)


def load_catalogue(path: Path, *, required: bool = False, trusted: bool = False) -> Catalogue:
    """Read a catalogue.

    The file is YAML or JSON: ``{"tools": [...]}``, an MCP ``tools/list`` result or its JSON-RPC response, or a bare list.
    A tool has ``name`` and may have ``server``, ``description``, ``inputSchema`` (JSON Schema of the arguments),
    ``annotations`` and ``labels`` (what a call of it adds to its task).

    Args:
        path: the file.
        required: whether a tool that isn't in it is denied.
        trusted: whether a file that strangers could have written is refused, as for serving.

    Raises:
        PolicyBrokenError: the catalogue can't be used; it holds every problem that was found.
    """
    file = str(path)
    try:
        content, _ = read_trusted(path, MAX_BYTES) if trusted else read_regular(path, MAX_BYTES)
    except OSError as error:
        problem = PolicyProblem(
            error.filename or file,
            0,
            0,
            "unreadable",
            f"can't be read: {error.strerror}",
            "Fix catalogue.path",
        )
        raise PolicyBrokenError([problem]) from error
    try:
        document = parse_json(content) if path.suffix == ".json" else parse_yaml(content)
    except DocumentError as error:
        problem = PolicyProblem(file, error.row, 0, error.code, error.message, error.next_step)
        raise PolicyBrokenError([problem]) from error
    return catalogue_of(document, file, required=required)


def catalogue_of(document: Json, file: str, *, required: bool = False) -> Catalogue:
    """Build a catalogue from a parsed document; see :func:`load_catalogue`.

    Raises:
        PolicyBrokenError: it holds every problem that was found.
    """
    problems: list[PolicyProblem] = []
    tools: dict[tuple[str, str], ToolSpec] = {}

    def wrong(code: str, message: str, step: str) -> None:
        problems.append(PolicyProblem(file, 0, 0, code, message, step))
        if len(problems) >= _MAX_PROBLEMS:
            raise PolicyBrokenError(problems)

    for position, item in enumerate(_items(document, wrong)):
        require_wanted()
        spec = _tool(item, position, wrong)
        if spec is None:
            continue
        key = (spec.name, spec.server)
        if key in tools:
            wrong("tool_twice", f"tool {spec.name!r} is listed twice for the same server", "Keep one of them")
        tools[key] = spec
    if problems:
        raise PolicyBrokenError(problems)
    return Catalogue(required, tools)


_Wrong = Callable[[str, str, str], None]


def _items(document: Json, wrong: _Wrong) -> list[Json]:
    def known(keys: frozenset[str]) -> None:
        for key in sorted(document.keys() - keys):
            wrong(
                "catalogue_key",
                f"has an unknown key {key!r} beside the list of tools",
                "Remove or correct it",
            )

    if isinstance(document, dict) and isinstance(document.get("result"), dict):
        known(_RESPONSE_KEYS)
        document = document["result"]
    if isinstance(document, dict):
        known(_LIST_KEYS)
        if document.get("nextCursor"):
            wrong(
                "incomplete", "is only a part of a tools/list answer: nextCursor is set", "Fetch every page"
            )
        document = document.get("tools")
    if not isinstance(document, list):
        wrong("catalogue", "must be a list of tools, or an object with one under tools", "Fix the file")
        return []
    return document


def _tool(item: Json, position: int, wrong: _Wrong) -> ToolSpec | None:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str) or not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        wrong("tool_name", f"tool {position} needs a name of 1 to {MAX_NAME_BYTES} bytes", "Name it")
        return None
    for key in item.keys() - _TOOL_KEYS:
        wrong("tool_key", f"tool {name!r} has an unknown key {key!r}", "Remove or correct it")
    server, annotations = item.get("server", ""), item.get("annotations")
    annotations = {} if annotations is None else annotations
    if not isinstance(server, str) or not isinstance(annotations, dict):
        wrong("tool_form", f"tool {name!r}: server must be a string and annotations an object", "Fix it")
        return None
    for problem in _hint_problems(annotations):
        wrong("tool_form", f"tool {name!r}: annotations: {problem}", "Correct it")
    labels = item.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        wrong("tool_form", f"tool {name!r}: labels must be a list of non-empty strings", "Fix it")
        return None
    if any(label.startswith(REPORTED) for label in labels):
        problem = (
            f"tool {name!r}: labels must not begin with {REPORTED!r}, which marks what only an agent says"
        )
        wrong("tool_form", problem, "Choose another word")
        return None
    schema = item.get("inputSchema", True)
    try:
        check, cost = compile_schema(schema), cost_of(schema)
    except SchemaError as error:
        wrong("tool_schema", f"tool {name!r}: inputSchema: {error}", _FIX_SCHEMA)
        return None
    labels = tuple(sorted(set(labels)))
    known = _argument_names(schema)
    return ToolSpec(name, server, labels, annotations, known, schema, encode(schema), check, cost)


def _hint_problems(annotations: Mapping[str, Json]) -> Iterator[str]:
    """Yield misspelt hints and hints of the wrong type, which policies would look for in vain."""
    for key, value in annotations.items():
        kind = _HINTS.get(key)
        plain = re.sub("[^a-z]", "", key.lower())
        close = [name for name in _HINTS if plain in {name.lower(), name.lower().removesuffix("hint")}]
        close = [] if kind is not None else close or get_close_matches(key, _HINTS, n=1, cutoff=0.75)
        if kind is None and get_close_matches(key, ["labels"], cutoff=0.8):
            yield f"{key!r} has no effect here; write labels beside annotations"
        if close:
            yield f"{key!r} is unknown; did you mean {close[0]!r}?"
        elif kind is not None and not isinstance(value, kind):
            yield f"{key} must be {'true or false' if kind is bool else 'text'}"


def _argument_names(schema: Json) -> frozenset[str] | None:
    if not isinstance(schema, dict) or schema.get("additionalProperties") is not False:
        return None
    return None if schema.get("patternProperties") else frozenset(schema.get("properties", {}))
