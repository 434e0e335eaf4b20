"""JSON Schemas compiled into Python closures, for checks on every call.

Covers the keywords of JSON Schema 2020-12 that tool catalogues and the policy contract use; a schema with any other
keyword is refused here, and the caller falls back to the ``jsonschema`` package. Both accept the same instances: a
property test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized

from tabard_sidecar.policy.patterns import SchemaError, safe_pattern
from tabard_sidecar.policy.values import TYPES, Json, hashable, same

Fault = tuple[str, str]
"""Where in the instance (dotted, empty for the instance itself) and what is wrong with it."""

Check = Callable[[Json], Fault | None]

_ANNOTATIONS = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "contentEncoding",
        "contentMediaType",
        "default",
        "definitions",
        "deprecated",
        "description",
        "else",
        "examples",
        "format",
        "readOnly",
        "then",
        "title",
        "writeOnly",
    }
)


class UnsupportedKeywordError(SchemaError):
    """The schema is beyond what this module compiles."""


def compile_schema(schema: Json) -> Check:
    """Compile ``schema``.

    Returns:
        A function that returns ``None`` for an instance that fits, else the first fault. It never echoes the instance.

    Raises:
        UnsupportedKeywordError: a keyword that isn't compiled here.
        SchemaError: a keyword whose value makes no sense, or a pattern that could take exponential time.
    """
    return _Compiler(schema).compile(schema)


class _Compiler:
    """Compiles one schema document; remembers what ``$ref`` has already compiled."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._references: dict[str, list[Check]] = {}

    def compile(self, schema: Json) -> Check:
        if schema is True:
            return _accept
        if schema is False:
            return _refuse
        if not isinstance(schema, Mapping):
            raise SchemaError(f"a schema must be an object or a boolean, not {type(schema).__name__}")
        if schema.get("$schema", "").rstrip("#").endswith(("draft-03/schema", "draft-04/schema")):
            raise UnsupportedKeywordError("drafts before 6 are not compiled")
        checks: list[Check] = []
        for keyword, value in schema.items():
            if keyword in _ANNOTATIONS:
                continue
            factory = _KEYWORDS.get(keyword)
            if factory is None:
                raise UnsupportedKeywordError(f"keyword {keyword!r} is not compiled")
            check = factory(self, value, schema)
            if check is not None:
                checks.append(check)
        if not checks:
            return _accept
        return checks[0] if len(checks) == 1 else _all(tuple(checks))

    def reference(self, target: Json) -> Check:
        """Return a check for a local reference; recursion is resolved when the check first runs."""
        if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
            raise UnsupportedKeywordError("only references within the same schema are compiled")
        if target not in self._references:
            self._references[target] = cell = []
            cell.append(self.compile(_resolve(self._root, target)))
        cell = self._references[target]
        if cell:
            return cell[0]

        def later(value: Json) -> Fault | None:  # the target is still being compiled: it refers to itself
            return cell[0](value)

        return later


def _resolve(root: Json, target: str) -> Json:
    node = root
    for raw in target[2:].split("/") if target != "#" else ():
        part = raw.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or part not in node:
            raise SchemaError(f"$ref {target!r} leads nowhere")
        node = node[part]
    return node


def _accept(_value: Json) -> Fault | None:
    return None


def _refuse(_value: Json) -> Fault | None:
    return "", "must not be there"


def _all(checks: tuple[Check, ...]) -> Check:
    def check(value: Json) -> Fault | None:
        for one in checks:
            fault = one(value)
            if fault is not None:
                return fault
        return None

    return check


def _below(name: str | int, fault: Fault) -> Fault:
    path, message = fault
    return (f"{name}.{path}" if path else str(name)), message


def _type(_compiler: _Compiler, names: Json, _schema: Mapping[str, Json]) -> Check:
    wanted = (names,) if isinstance(names, str) else tuple(names)
    if not wanted or any(name not in TYPES for name in wanted):
        raise SchemaError(f"type {names!r} is unknown")
    message = "must be of type " + " or ".join(wanted)
    if len(wanted) == 1:
        test = TYPES[wanted[0]]
        return lambda value: None if test(value) else ("", message)
    tests = tuple(TYPES[name] for name in wanted)
    return lambda value: None if any(test(value) for test in tests) else ("", message)


def _enum(_compiler: _Compiler, allowed: Json, _schema: Mapping[str, Json]) -> Check:
    if not isinstance(allowed, list):
        raise SchemaError("enum must be an array")
    if all(isinstance(item, str) for item in allowed):
        strings = frozenset(allowed)
        message = "must be one of " + ", ".join(sorted(strings))
        return lambda value: None if isinstance(value, str) and value in strings else ("", message)
    return lambda value: (
        None if any(same(value, item) for item in allowed) else ("", "must be one of the listed values")
    )


def _const(_compiler: _Compiler, wanted: Json, _schema: Mapping[str, Json]) -> Check:
    return lambda value: None if same(value, wanted) else ("", "must be the one listed value")


def _bound(word: str, test: Callable[[Json, Json], bool]) -> Json:
    def factory(_compiler: _Compiler, bound: Json, _schema: Mapping[str, Json]) -> Check:
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise SchemaError(f"a bound must be a number, not {bound!r}")
        message = f"must be {word} {bound}"

        def check(value: Json) -> Fault | None:
            if isinstance(value, bool) or not isinstance(value, (int, float)) or test(value, bound):
                return None
            return "", message

        return check

    return factory


def _multiple(_compiler: _Compiler, step: Json, _schema: Mapping[str, Json]) -> Check:
    if isinstance(step, bool) or not isinstance(step, int) or step <= 0:
        raise UnsupportedKeywordError("multipleOf is compiled for positive integers only")

    def check(value: Json) -> Fault | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value % step == 0:
            return None
        return "", f"must be a multiple of {step}"

    return check


def _size(kind: type[Sized], unit: str, *, most: bool) -> Json:
    def factory(_compiler: _Compiler, bound: Json, _schema: Mapping[str, Json]) -> Check:
        if isinstance(bound, bool) or not isinstance(bound, int) or bound < 0:
            raise SchemaError(f"a size must be a non-negative integer, not {bound!r}")
        message = f"must have at {'most' if most else 'least'} {bound} {unit}"

        def check(value: Json) -> Fault | None:
            if not isinstance(value, kind):
                return None
            size = len(value)
            return ("", message) if (size > bound if most else size < bound) else None

        return check

    return factory


def _pattern(_compiler: _Compiler, pattern: Json, _schema: Mapping[str, Json]) -> Check:
    search = safe_pattern(pattern).search
    message = f"must match the pattern {pattern}"
    return lambda value: None if not isinstance(value, str) or search(value) is not None else ("", message)


def _properties(compiler: _Compiler, properties: Json, _schema: Mapping[str, Json]) -> Check:
    checks = tuple((name, compiler.compile(schema)) for name, schema in properties.items())

    def check(value: Json) -> Fault | None:
        if isinstance(value, dict):
            for name, one in checks:
                if name in value:
                    fault = one(value[name])
                    if fault is not None:
                        return _below(name, fault)
        return None

    return check


def _required(_compiler: _Compiler, names: Json, _schema: Mapping[str, Json]) -> Check:
    wanted = tuple(names)

    def check(value: Json) -> Fault | None:
        if isinstance(value, dict):
            for name in wanted:
                if name not in value:
                    return name, "is missing"
        return None

    return check


def _additional(compiler: _Compiler, rest: Json, schema: Mapping[str, Json]) -> Check | None:
    if rest is True:
        return None
    known = frozenset(schema.get("properties", ()))
    patterns = tuple(safe_pattern(pattern) for pattern in schema.get("patternProperties", ()))
    one = None if rest is False else compiler.compile(rest)

    def check(value: Json) -> Fault | None:
        if not isinstance(value, dict):
            return None
        for name in value:
            if name in known or any(pattern.search(name) for pattern in patterns):
                continue
            fault = ("", "is not a known name") if one is None else one(value[name])
            if fault is not None:
                return _below(name[:100], fault)
        return None

    return check


def _pattern_properties(compiler: _Compiler, patterns: Json, _schema: Mapping[str, Json]) -> Check:
    checks = tuple((safe_pattern(pattern), compiler.compile(schema)) for pattern, schema in patterns.items())

    def check(value: Json) -> Fault | None:
        if isinstance(value, dict):
            for name, item in value.items():
                for pattern, one in checks:
                    fault = one(item) if pattern.search(name) else None
                    if fault is not None:
                        return _below(name[:100], fault)
        return None

    return check


def _items(compiler: _Compiler, schema: Json, whole: Mapping[str, Json]) -> Check:
    if isinstance(schema, list) or "prefixItems" in whole:
        raise UnsupportedKeywordError("positional items are not compiled")
    one = compiler.compile(schema)

    def check(value: Json) -> Fault | None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                fault = one(item)
                if fault is not None:
                    return _below(index, fault)
        return None

    return check


def _unique(_compiler: _Compiler, wanted: Json, _schema: Mapping[str, Json]) -> Check | None:
    if not wanted:
        return None

    def check(value: Json) -> Fault | None:
        if not isinstance(value, list):
            return None
        unique = {hashable(item) for item in value}
        return None if len(unique) == len(value) else ("", "must not repeat an item")

    return check


def _all_of(compiler: _Compiler, schemas: Json, _schema: Mapping[str, Json]) -> Check:
    return _all(tuple(compiler.compile(schema) for schema in schemas))


def _any_of(compiler: _Compiler, schemas: Json, _schema: Mapping[str, Json]) -> Check:
    checks = tuple(compiler.compile(schema) for schema in schemas)

    def check(value: Json) -> Fault | None:
        faults = []
        for one in checks:
            fault = one(value)
            if fault is None:
                return None
            faults.append(fault)
        return faults[0] if len(faults) == 1 else ("", "fits none of the allowed forms")

    return check


def _one_of(compiler: _Compiler, schemas: Json, _schema: Mapping[str, Json]) -> Check:
    checks = tuple(compiler.compile(schema) for schema in schemas)

    def check(value: Json) -> Fault | None:
        fitting = sum(1 for one in checks if one(value) is None)
        return None if fitting == 1 else ("", "must fit exactly one of the allowed forms")

    return check


def _not(compiler: _Compiler, schema: Json, _schema: Mapping[str, Json]) -> Check:
    one = compiler.compile(schema)
    return lambda value: ("", "has a form that is not allowed") if one(value) is None else None


def _if(compiler: _Compiler, condition: Json, schema: Mapping[str, Json]) -> Check:
    test = compiler.compile(condition)
    then = compiler.compile(schema.get("then", True))
    otherwise = compiler.compile(schema.get("else", True))
    return lambda value: then(value) if test(value) is None else otherwise(value)


def _ref(compiler: _Compiler, target: Json, _schema: Mapping[str, Json]) -> Check:
    return compiler.reference(target)


_KEYWORDS: dict[str, Callable[[_Compiler, Json, Mapping[str, Json]], Check | None]] = {
    "$ref": _ref,
    "additionalProperties": _additional,
    "allOf": _all_of,
    "anyOf": _any_of,
    "const": _const,
    "enum": _enum,
    "exclusiveMaximum": _bound("below", lambda value, bound: bool(value < bound)),
    "exclusiveMinimum": _bound("above", lambda value, bound: bool(value > bound)),
    "if": _if,
    "items": _items,
    "maxItems": _size(list, "items", most=True),
    "maxLength": _size(str, "characters", most=True),
    "maxProperties": _size(dict, "members", most=True),
    "maximum": _bound("at most", lambda value, bound: bool(value <= bound)),
    "minItems": _size(list, "items", most=False),
    "minLength": _size(str, "characters", most=False),
    "minProperties": _size(dict, "members", most=False),
    "minimum": _bound("at least", lambda value, bound: bool(value >= bound)),
    "multipleOf": _multiple,
    "not": _not,
    "oneOf": _one_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "required": _required,
    "type": _type,
    "uniqueItems": _unique,
}
