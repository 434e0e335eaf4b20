"""Evaluates calls on shapes: comparisons, membership, builtins, and the policy's own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tabard_sidecar.policy.loading import passing, walking
from tabard_sidecar.policy.loading.bounds import (
    ANY,
    Fits,
    Listed,
    Many,
    Origin,
    SetValue,
    Shape,
    Unknown,
    Values,
)
from tabard_sidecar.policy.loading.builtins import builtin_results
from tabard_sidecar.policy.loading.finding import (
    Frame,
    constant_order,
    lookup_mismatch,
    mismatch,
    mixed_types,
    require_written,
    unknown_key,
)
from tabard_sidecar.policy.loading.operands import check_operands, operands_of
from tabard_sidecar.policy.loading.patterns import may_match_glob, may_match_regex
from tabard_sidecar.policy.loading.program import Path, Program
from tabard_sidecar.policy.loading.ranges import count_of, flipped, order
from tabard_sidecar.policy.loading.shapes import (
    certain,
    common_origin,
    fits,
    is_literal,
    items_of,
    kind_of,
    kinds,
    same,
)
from tabard_sidecar.policy.values import Json

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ORDER = frozenset(_SIGNS)
_COMPARISONS = _ORDER | {"equal", "neq"}
_COLLECTIONS = frozenset({"array", "object", "set"})
_KEYS = {"array": frozenset({"number"}), "object": frozenset({"string"})}
"""Types of the keys of arrays, and of objects of JSON."""
_PARTS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda value, text: text in value,
    "endswith": str.endswith,
    "startswith": str.startswith,
}
_COLLECTED = {"object.keys": 1, "sort": 1, "array.reverse": 1, "array.slice": 3}
"""Builtins that return the keys or items of their first operand, by their number of operands."""
_PAIR = 2
_MOST_CHARACTERS = 100_000
_MOST_MEMBERS = 100_000
"""Of a text and of a set that are put together: rules that name each other make them grow with the power of their number."""
_TRIPLE = 3


class Flow(Protocol):
    """Evaluates terms on shapes: what the operators need of :class:`.flow.Flow`."""

    program: Program

    def term(self, node: Json, frame: Frame) -> Shape:
        """Return the bound of a term."""
        ...

    def bind(self, pattern: Json, shape: Shape, frame: Frame) -> None:
        """Give the variables of a pattern their bounds."""
        ...

    def unbound(self, term: Json, frame: Frame) -> bool:
        """Tell whether a term is a variable without a bound."""
        ...

    def keys(self, shape: Shape) -> Shape:
        """Return the bound of a collection's keys."""
        ...

    def under(self, shape: Shape, key: Shape, frame: Frame) -> Shape:
        """Return the bound of what stands under a key."""
        ...

    def function(self, path: Path, arguments: list[Shape], frame: Frame) -> Shape:
        """Return the bound of what a function returns."""
        ...

    def equate(self, target: Json, shape: Shape, frame: Frame) -> None:
        """Bind a variable or pattern to a value, or compare a term with it."""
        ...


def name_of(called: Json) -> str:
    """Return the name of a called builtin."""
    return ".".join(str(part.get("value")) for part in called["value"])


def call(flow: Flow, terms: list[Json], frame: Frame) -> Shape:
    """Return the bound of a call."""
    name, operands = name_of(terms[0]), terms[1:]
    if name in {"assign", "eq"} and len(operands) == _PAIR:
        return _assign(flow, name, operands, frame)
    path = _path(flow, terms[0], frame)
    if path is None and name.startswith("internal.member_"):
        return _member(flow, operands, frame)
    if path is not None:
        return flow.function(path, [flow.term(operand, frame) for operand in operands], frame)
    if name == "walk" and len(operands) == _PAIR:
        return walking.walk(flow, operands, frame)
    target = operands.pop() if len(operands) == (operands_of(name) or 0) + 1 else None
    shapes = [flow.term(operand, frame) for operand in operands]
    check_operands(name, shapes, frame)
    known = _builtin(flow, name, shapes, frame)
    result = builtin_results().get(name)
    if known is None:
        known = ANY if result is None else Fits(({"x-what": name, **result},))
    if target is None:
        return known
    flow.equate(target, known, frame)
    return ANY


def _builtin(flow: Flow, name: str, shapes: list[Shape], frame: Frame) -> Shape | None:
    """Return what is known of a builtin's value beyond its type."""
    found: Shape | None = None
    if name in _COMPARISONS and len(shapes) == _PAIR:
        compare(name, shapes[0], shapes[1], frame)
    elif name in _PARTS and len(shapes) == _PAIR:
        _compare_parts(_PARTS[name], shapes[0], shapes[1], frame)
    elif name == "glob.match" and len(shapes) == _TRIPLE:
        _compare_parts(may_match_glob, shapes[2], shapes[0], frame)
    elif name == "regex.match" and len(shapes) == _PAIR:
        _compare_parts(may_match_regex, shapes[1], shapes[0], frame)
    elif name == "object.get" and len(shapes) == _TRIPLE:
        found = _get(flow, shapes, frame)
    elif _COLLECTED.get(name) == len(shapes):
        found = (
            Many("set", flow.keys(shapes[0])) if name == "object.keys" else Many("array", items_of(shapes[0]))
        )
    elif name == "concat":
        found = _concat(shapes)
    elif name == "or" and len(shapes) == _PAIR:
        found = _joined(shapes)
    elif len(shapes) == _PAIR:
        found = _passed(flow, name, shapes, frame)
    else:
        found = _counted(name, shapes)
    return found


def _counted(name: str, shapes: list[Shape]) -> Shape | None:
    """Return the bound of the number of items of a part of the input."""
    whole = shapes[0] if name == "count" and shapes else None
    return Fits(tuple(map(count_of, whole.schemas)), whole.chosen_by) if isinstance(whole, Fits) else None


def _passed(flow: Flow, name: str, shapes: list[Shape], frame: Frame) -> Shape | None:
    """Return what a builtin passes on of two collections."""
    left, right = shapes

    def under(shape: Shape, key: Shape) -> Shape:
        return flow.under(shape, key, frame)

    if name in {"object.filter", "json.filter"}:
        return passing.picked(name, left, right, under)
    if name == "object.subset":
        passing.contained(left, right, under, lambda one, other: compare("equal", one, other, frame))
    elif name == "object.union":
        return passing.merged(left, right)
    elif name == "array.concat":
        return passing.joined_arrays(left, right)
    elif name == "and":
        compare("equal", items_of(left), items_of(right), frame)
    return None


def _path(flow: Flow, called: Json, frame: Frame) -> Path | None:
    """Return the path of a called function of the policy or the library below ``data``; ``None`` for a builtin."""
    head, *rest = (str(part.get("value")) for part in called["value"])
    imported = frame.source.imports.get(head)
    base = () if head == "data" else imported[1:] if imported is not None else (*frame.source.package, head)
    path = (*base, *rest)
    return path if path in flow.program.clauses else None


def _compare_parts(holds: Callable[[str, str], bool], whole: Shape, piece: Shape, frame: Frame) -> None:
    """Find a beginning, end, part or pattern that no value of a listed part of the input has."""
    if isinstance(whole, Values) and whole.origin is not None and isinstance(piece, Fits):
        parts = [schema.get("enum") for schema in piece.schemas]
        for text in whole.items:
            if isinstance(text, str) and all(
                isinstance(values, list) and not any(holds(text, value) for value in values)
                for values in parts
            ):
                frame.sink.never(text, piece, whole.origin, frame)
        return
    if not isinstance(piece, Values) or piece.origin is None or not isinstance(whole, Fits):
        return
    listed = [schema.get("enum") for schema in whole.schemas]
    for text in piece.items:
        if isinstance(text, str) and all(
            isinstance(values, list) and not any(holds(value, text) for value in values) for values in listed
        ):
            frame.sink.never(text, whole, piece.origin, frame)


def _assign(flow: Flow, name: str, operands: list[Json], frame: Frame) -> Shape:
    left, right = operands
    pattern = name == "assign" or left.get("type") in {"array", "object"}
    if pattern or flow.unbound(left, frame):
        flow.bind(left, flow.term(right, frame), frame)
    else:
        flow.equate(right, flow.term(left, frame), frame)
    return ANY


def _member(flow: Flow, operands: list[Json], frame: Frame) -> Shape:
    *wanted, collection = operands
    shape = flow.term(collection, frame)
    require_collection(shape, frame)
    compare("equal", flow.term(wanted[-1], frame), items_of(shape), frame)
    if len(wanted) == _PAIR:
        compare("equal", flow.term(wanted[0], frame), flow.keys(shape), frame)
    return ANY


def require_collection(shape: Shape, frame: Frame) -> None:
    """Find an iteration over what has no items."""
    types = kinds(shape)
    if types and not types & _COLLECTIONS:
        mismatch(types, _COLLECTIONS, _blamed(shape), frame)


def require_key(shape: Shape, key: Shape, frame: Frame) -> None:
    """Find a lookup that no key of its type can meet: by a text in an array, or anywhere in null or a text."""
    types, wanted = kinds(shape), kinds(key)
    if not types or (isinstance(key, Values) and key.origin is not None and types & _COLLECTIONS):
        return  # a constant key is looked for itself
    if not types & _COLLECTIONS:
        mismatch(types, _COLLECTIONS, _blamed(shape), frame)
        return
    known = [_keyed_by(kind, shape) for kind in types]
    of_input = wanted is None and (key.of_input if isinstance(key, Unknown) else isinstance(key, Fits))
    wanted = frozenset({"string"}) if of_input else wanted  # an index is seldom taken from a request
    if wanted and not any(keys is None or wanted & keys for keys in known):
        lookup_mismatch(types, wanted, _origin(shape), frame)


def _keyed_by(kind: str, shape: Shape) -> frozenset[str] | None:
    """Return the types of the keys of a collection of a kind; ``None`` if it may be any."""
    if kind == "set" or (kind == "object" and isinstance(shape, Many)):
        return None
    return _KEYS.get(kind, frozenset())


def compare(name: str, left: Shape, right: Shape, frame: Frame) -> None:
    """Find literals that the other side can't be, and sides of different types."""
    for part, counterpart in passing.pairs(left, right) if name in {"equal", "neq"} else ():
        compare(name, part, counterpart, frame)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Values) and one.origin is not None and isinstance(other, Fits):
            _compare_literals(flipped(name) if one is left else name, one, other, frame)
            return
        if name in {"equal", "neq"} and isinstance(other, Values) and other.named and _origin(one):
            _compare_names(one, other, frame)
            return
    if name in {"equal", "neq"} and isinstance(left, Fits) and isinstance(right, Fits):
        _compare_listed(left, right, frame)
    types = [_without_null(kinds(side)) for side in (left, right)]
    if name in _ORDER:
        _find_mixed(left, types[0], types[1], frame)
        _find_mixed(right, types[1], types[0], frame)
    if types[0] and types[1] and not types[0] & types[1] and not _both_literal(left, right):
        mismatch(types[0], types[1], _blamed(left) or _blamed(right), frame)


def _find_mixed(side: Shape, own: frozenset[str] | None, others: frozenset[str] | None, frame: Frame) -> None:
    """Find data of several types, some of which the other side never has."""
    several = own is not None and len(own) > 1 and bool(others is None or own - others)
    if isinstance(side, Values) and side.origin is None and own and several:
        mixed_types(side, own, frame)


def _compare_names(literals: Shape, names: Values, frame: Frame) -> None:
    """Find the literals that aren't among the keys of data."""
    if isinstance(literals, Values) and literals.origin is not None:
        for value in literals.items:
            if isinstance(value, str) and value not in names.items:
                unknown_key(names.path, value, names.items, literals.origin, frame)


def _compare_literals(name: str, literals: Values, other: Fits, frame: Frame) -> None:
    """Find the literals that a part of the input can't be. One of another type is told only if all are."""
    types = kinds(other)
    if any(schema.get("x-name") == "label" for schema in other.schemas):
        frame.sink.labels.update(value for value in literals.items if isinstance(value, str))
    alike = [value for value in literals.items if types is None or kind_of(value) in types]
    for value in alike or literals.items:
        if not fits(value, other) and (name not in _ORDER or not alike):
            frame.sink.never(value, other, literals.origin, frame)
    if name in _ORDER and alike:
        _compare_order(name, literals, alike, other, frame)


def _compare_order(name: str, literals: Values, values: list[Json], other: Fits, frame: Frame) -> None:
    """Find an order between a part of the input and literals that never holds, or always."""
    found = {order(name, schema, value) for schema in other.schemas for value in values}
    if found == {False} or (found == {True} and certain(other)):
        sign = f"{'always' if True in found else 'never'} {_SIGNS[name]}"
        constant_order(sign, values[0], other, literals.origin, frame)


def _compare_listed(left: Fits, right: Fits, frame: Frame) -> None:
    """Find two parts of the input whose listed values have none in common."""
    ours, theirs = (passing.listed(side) for side in (left, right))
    if ours and theirs and not any(same(one, other) for one in ours for other in theirs):
        frame.sink.never(theirs[0], left, None, frame)


def _without_null(types: frozenset[str] | None) -> frozenset[str] | None:
    """Return the types besides null, which stands for data that isn't there yet."""
    return None if types is None else types - {"null"}


def _both_literal(left: Shape, right: Shape) -> bool:
    """Tell whether both sides are written out: a function's parameter that is compared with its cases."""
    return _origin(left) is not None and _origin(right) is not None


def _origin(shape: Shape) -> Origin | None:
    return shape.origin if isinstance(shape, Values) else None


def _blamed(shape: Shape) -> Origin | None:
    """Return where the literal comes from that makes a term what it is."""
    return shape.chosen_by if isinstance(shape, Fits) else _origin(shape)


def _get(flow: Flow, shapes: list[Shape], frame: Frame) -> Shape:
    """Return the bound of object.get: an array is a path; a key that is nowhere always gives the default."""
    found, key, default = shapes
    types = kinds(found)
    if types and "object" not in types:
        mismatch(types, frozenset({"object"}), _origin(found), frame)
        return ANY
    if kinds(key) == frozenset({"string"}) and _origin(key) is None:
        flow.under(found, key, frame)
    elif isinstance(key, Listed):
        for part in key.items:
            found = flow.under(found, part, frame)
    elif _origin(key) is None:
        require_written(found, key, frame)
    if not isinstance(key, Values) or key.origin is None or len(key.items) != 1:
        return ANY
    for step in key.items[0] if isinstance(key.items[0], list) else [key.items[0]]:
        found = flow.under(found, Values((step,), key.origin), frame)
    return found if certain(found) else _or_default(found, default)


def _or_default(found: Shape, default: Shape) -> Shape:
    """Return the bound of a part of the input, or of a default where it isn't there."""
    types = kinds(default)
    if not isinstance(found, Fits) or types is None:
        return ANY
    if isinstance(default, Values) and default.origin is not None and not types & _COLLECTIONS:
        return Fits((*found.schemas, *({"type": kind_of(item), "enum": [item]} for item in default.items)))
    return Fits((*found.schemas, *({"type": kind} for kind in types)))


def _concat(shapes: list[Shape]) -> Shape:
    """Return what concat gives for literals: the library builds names with it."""
    if len(shapes) == _PAIR and is_literal(shapes[0]) and isinstance(shapes[1], Values):
        between, lists = shapes[0].items[0], shapes[1].items
        origin = common_origin([shapes[1], shapes[0]])
        texts = origin is not None and all(_is_texts([between]) and _is_texts(parts) for parts in lists)
        if texts and sum(len(part) + len(between) for parts in lists for part in parts) <= _MOST_CHARACTERS:
            return Values(tuple(between.join(parts) for parts in lists), origin)
    return Fits(({"type": "string", "x-what": "concat"},))


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _joined(shapes: list[Shape]) -> Shape:
    """Return the union of two literal sets."""
    left, right = shapes
    if is_literal(left) and is_literal(right):
        first, second = left.items[0], right.items[0]
        both = isinstance(first, SetValue) and isinstance(second, SetValue)
        if both and len(first.members) + len(second.members) <= _MOST_MEMBERS:
            return Values((SetValue((*first.members, *second.members)),), common_origin([left, right]))
    return ANY
