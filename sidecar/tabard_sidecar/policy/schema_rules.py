"""Accepts or refuses JSON Schemas: known keywords, references within the document, bounded work.

The validator itself ignores a keyword that it doesn't know, so a misspelt one would check nothing. It also bounds
the time of a single pattern, but not how often a schema refers to its own parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from urllib.parse import unquote

from tabard_sidecar.policy.schema_sense import nonsense
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.similar import get_close_matches

MAX_PARTS = 20_000
"""Most subschemas of one document, each counted once per reference to it."""
MAX_HEIGHT = 100
"""Deepest nesting of subschemas, references included."""
MAX_PATTERN_CHARS = 16 * 1024
"""Longest text of all patterns of one document; compiling them takes a fraction of a second."""
MAX_UNEVALUATED = 5
"""Most schemas with ``unevaluated…`` for one value, one within another: each multiplies the validator's time by seven."""

_DRAFTS = {
    "http://json-schema.org/draft-06/schema": 6,
    "http://json-schema.org/draft-07/schema": 7,
    "https://json-schema.org/draft/2019-09/schema": 2019,
    "https://json-schema.org/draft/2020-12/schema": 2020,
}
_ANNOTATIONS = "$comment $id $schema $defs definitions default deprecated description examples format readOnly title writeOnly"
_ADDED = {
    6: f"{_ANNOTATIONS} $ref additionalItems additionalProperties allOf anyOf const contains dependencies enum "
    "exclusiveMaximum exclusiveMinimum items maxItems maxLength maxProperties maximum minItems minLength "
    "minProperties minimum multipleOf not oneOf pattern patternProperties properties propertyNames required type "
    "uniqueItems",
    7: "contentEncoding contentMediaType else if then",
    2019: "contentSchema dependentRequired dependentSchemas maxContains minContains unevaluatedItems "
    "unevaluatedProperties",
    2020: "prefixItems",
}
_REMOVED = {2020: "additionalItems"}
CHECKING = frozenset(" ".join(_ADDED.values()).split()) - {*_ANNOTATIONS.split(), "contentSchema"} | {"$ref"}
"""Keywords of all drafts that check something."""

_ONE = frozenset(
    {
        "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_MANY = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)
SAME_PLACE = frozenset(
    {"$ref", "allOf", "anyOf", "dependencies", "dependentSchemas", "else", "if", "not", "oneOf", "then"}
)
"""Keywords whose subschemas apply to the same part of the instance as the schema that contains them."""
UNEVALUATED = frozenset({"unevaluatedItems", "unevaluatedProperties"})
"""Keywords that look at what all others for the same part of the instance have looked at."""

_PATTERN_PARTS = re.compile(
    r"""(?P<foreign>
        \\(?:[<>]|b\{)              # word boundaries of other dialects
        |\\[ACE-OQRT-VX-Zaeg-jlmoqyz] # anchors and classes of other dialects: \A, \z, \h and so on
        |\[\]                      # a class without members in ECMAScript, the first member elsewhere
        |\(\?(?!:|i[:)]|P?<\w).?    # flags, look-around
    )
    |\\.                            # any other escape
    |\[(?:\\.|[^\]\\])*\]            # a class, in which none of the above is special
    """,
    re.VERBOSE | re.DOTALL,
)


_TRANSLATED = {"\\b": r"(?-u:\b)", "\\B": r"(?-u:\B)", "[^]": r"[\s\S]"}
"""Parts of patterns that the engine reads differently."""


class SchemaError(Exception):
    """The schema itself is invalid, or exceeds a limit."""


def require_acceptable(schema: Json) -> None:
    """Check a schema document before it is compiled.

    Raises:
        SchemaError: with a keyword that its draft doesn't have or that can't have been meant, a reference that leads
            out of the document or nowhere, a pattern outside the common dialect, or too many parts.
    """
    if isinstance(schema, Mapping):
        _Document(schema).check()
    elif not isinstance(schema, bool):
        raise SchemaError("a schema must be an object or a boolean")


@dataclass(frozen=True, slots=True)
class _Size:
    """Size of a subschema with its subschemas and everything that it refers to.

    ``unevaluated`` is how many schemas with ``unevaluated…`` look at the same part of the instance, one within another.
    """

    parts: int
    height: int
    unevaluated: int


class _Document:
    """One schema document."""

    def __init__(self, root: Mapping[str, Json]) -> None:
        self._root = root
        draft = root.get("$schema", "https://json-schema.org/draft/2020-12/schema")
        if not isinstance(draft, str) or draft.rstrip("#") not in _DRAFTS:
            raise SchemaError(
                f"$schema must be one of {', '.join(_DRAFTS)}, or be left out, which means the last"
            )
        self._draft = _DRAFTS[draft.rstrip("#")]
        self._keywords = frozenset(_keywords_of(self._draft))
        self._sizes: dict[int, _Size] = {}
        self._open: set[int] = set()
        self._pattern_chars = 0
        self._same_place: dict[int, list[int]] = {}

    def check(self) -> None:
        """Check the document. Raises SchemaError."""
        self._size(self._root, "")
        try:
            TopologicalSorter(self._same_place).prepare()
        except CycleError as error:
            raise SchemaError("a $ref leads back to itself without a step into the instance") from error

    def _size(self, schema: Json, place: str) -> _Size:
        """Check a subschema and return its size; a reference back to an enclosing schema counts as one."""
        if not isinstance(schema, Mapping) or id(schema) in self._open:
            return _Size(1, 1, 0)
        known = self._sizes.get(id(schema))
        if known is not None:
            return known
        if len(self._open) > MAX_HEIGHT:
            raise SchemaError(f"{place} is nested more than {MAX_HEIGHT} levels deep, references included")
        self._require_keywords(schema, place)
        problem = nonsense(schema)
        if problem:
            raise SchemaError(f"{place}.{problem}" if place else problem)
        self._open.add(id(schema))
        same_place = self._same_place[id(schema)] = []
        parts, height, unevaluated = 1, 0, 0
        for below, keyword, name in self._below(schema, place):
            size = self._size(below, _join(place, name))
            parts, height = parts + size.parts, max(height, size.height)
            if keyword in SAME_PLACE:
                same_place.append(id(below))
                unevaluated = max(unevaluated, size.unevaluated)
        self._open.remove(id(schema))
        unevaluated += not schema.keys().isdisjoint(UNEVALUATED)
        if unevaluated > MAX_UNEVALUATED:
            raise SchemaError(
                f"{place or 'it'} has unevaluatedProperties or unevaluatedItems within each other more than "
                f"{MAX_UNEVALUATED} times for the same value, references included"
            )
        if parts > MAX_PARTS or height >= MAX_HEIGHT:
            limits = f"{MAX_PARTS} parts, or is nested more than {MAX_HEIGHT} levels deep"
            raise SchemaError(f"{place or 'it'} has more than {limits}, references included")
        self._sizes[id(schema)] = size = _Size(parts, height + 1, unevaluated)
        return size

    def _below(self, schema: Mapping[str, Json], place: str) -> Iterator[tuple[Json, str, str]]:
        """Yield the subschemas of a schema and the targets of its references."""
        yield from subschemas(schema)
        if "$ref" in schema:
            yield self._target(schema["$ref"], place), "$ref", "$ref"

    def _require_keywords(self, schema: Mapping[str, Json], place: str) -> None:
        for keyword in schema:
            if keyword not in self._keywords and not keyword.startswith("x-"):
                close = get_close_matches(keyword[:50], self._keywords, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise SchemaError(f"{_join(place, keyword)} is no keyword of JSON Schema{hint}")
        if place and (schema.get("$schema", self._root.get("$schema")) != self._root.get("$schema")):
            raise SchemaError(f"{place} has a $schema other than the document's")
        if place and "$id" in schema:
            raise SchemaError(f"{place} has a $id: only the whole document may have one")
        if "$ref" in schema and self._draft <= 7:  # noqa: PLR2004  # the last draft that ignores what stands beside
            beside = schema.keys() - {"$ref", *_ANNOTATIONS.split()}
            if beside:
                raise SchemaError(
                    f"{_join(place, min(beside))} has no effect beside $ref in draft {self._draft}"
                )
        patterns = [schema["pattern"]] if "pattern" in schema else []
        if isinstance(schema.get("patternProperties"), Mapping):
            patterns += schema["patternProperties"]
        for pattern in patterns:
            self._pattern_chars += len(pattern) if isinstance(pattern, str) else 0
            if self._pattern_chars > MAX_PATTERN_CHARS:
                raise SchemaError(
                    f"{place or 'it'} has a pattern with which all patterns are longer than {MAX_PATTERN_CHARS} characters"
                )
            require_common_pattern(pattern)

    def _target(self, reference: Json, place: str) -> Json:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SchemaError(f"{_join(place, '$ref')} must be # or begin with #/: nothing is fetched")
        target = resolve(self._root, reference)
        if target is None:
            raise SchemaError(f"{_join(place, '$ref')} leads nowhere")
        return target


def require_common_pattern(pattern: Json) -> None:
    """Check that a pattern means the same to ECMAScript and to the engine.

    Raises:
        SchemaError: it sets flags other than ``i``, looks around, or uses what other dialects read differently.
    """
    for found in _PATTERN_PARTS.finditer(pattern) if isinstance(pattern, str) else ():
        if found["foreign"]:
            raise SchemaError(
                f"pattern {pattern[:100]!r} uses {found['foreign']}, which is not supported: "
                "neither are look-around, flags other than i, and word boundaries other than \\b"
            )


def as_engine_reads(schema: Json) -> Json:
    r"""Return an accepted schema whose patterns mean to the engine what they mean to ECMAScript.

    ``\b`` and ``\B`` look at ASCII letters only, as ``\w`` does, and ``[^]`` is any character.
    """
    if not isinstance(schema, Mapping):
        return schema
    written: dict[str, Json] = {}
    for keyword, value in schema.items():
        if keyword == "pattern" and isinstance(value, str):
            written[keyword] = _translated(value)
        elif keyword in _MANY and isinstance(value, list):
            written[keyword] = [as_engine_reads(one) for one in value]
        elif keyword in _NAMED and isinstance(value, Mapping):
            rename = _translated if keyword == "patternProperties" else str
            written[keyword] = {rename(name): as_engine_reads(one) for name, one in value.items()}
        else:
            written[keyword] = as_engine_reads(value) if keyword in _ONE else value
    return written


def _translated(pattern: str) -> str:
    def part(found: re.Match[str]) -> str:
        return _TRANSLATED.get(found[0], found[0])

    return _PATTERN_PARTS.sub(part, pattern)


def resolve(root: Mapping[str, Json], reference: str) -> Json:
    """Return the target of a local reference (RFC 6901 in a URI fragment); ``None`` if there is none."""
    node: Json = root
    for raw in reference[2:].split("/") if reference != "#" else ():
        part = unquote(raw).replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, Mapping) and part in node:
            node = node[part]
        else:
            return None
    return node


def _keywords_of(draft: int) -> Iterator[str]:
    for added, keywords in _ADDED.items():
        if added <= draft:
            yield from set(keywords.split()) - set(_REMOVED.get(draft, "").split())


def subschemas(schema: Mapping[str, Json]) -> Iterator[tuple[Json, str, str]]:
    """Yield each subschema with its keyword and its place below the schema."""
    for keyword, value in schema.items():
        if keyword in _MANY and isinstance(value, list):
            for index, one in enumerate(value):
                yield one, keyword, f"{keyword}.{index}"
        elif keyword in _NAMED and isinstance(value, Mapping):
            for name, one in value.items():
                yield one, keyword, f"{keyword}.{name}"
        elif keyword in _ONE:
            yield value, keyword, keyword


def _join(place: str, name: str) -> str:
    return f"{place}.{name}"[-200:] if place else name[:200]
