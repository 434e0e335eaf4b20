"""Hypothesis strategies for any message, made from its descriptor."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

_NASTY_TEXT = st.sampled_from(
    ["", "\x00", "../..", "*", "null", "true", "{}", "a" * 2000, "\u202e", "é", "💥" * 100]
)
_NASTY_BYTES = st.sampled_from(
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":1,"a":2}',
        b"[" * 5000,
        b"\xff\xfe",
        b"\x00" * 100,
    ]
)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    # Values that the enum doesn't know, too: proto3 enums are open.
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-5, 50),
}
_DEPTH = 4


def messages(
    kind: type[Message], known: dict[str, st.SearchStrategy[Any]] | None = None
) -> st.SearchStrategy[Any]:
    """Return messages of ``kind``; ``known`` offers values for fields by name, used about half of the time."""
    return _build(kind.DESCRIPTOR, known or {}, _DEPTH)


def _build(
    descriptor: Descriptor, known: dict[str, st.SearchStrategy[Any]], depth: int
) -> st.SearchStrategy[Any]:
    kind = GetMessageClass(descriptor)
    fields = [
        field for field in descriptor.fields if depth or field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE
    ]
    choices = {field.name: st.one_of(st.none(), _field(field, known, depth)) for field in fields}

    def make(values: dict[str, Any]) -> Message:
        return kind(**{name: value for name, value in values.items() if value is not None})

    return st.fixed_dictionaries(choices).map(make)


def _field(
    field: FieldDescriptor, known: dict[str, st.SearchStrategy[Any]], depth: int
) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return st.dictionaries(st.text(max_size=5), _single(value, known, depth), max_size=3)
    single = _single(field, known, depth)
    return st.lists(single, max_size=3) if field.is_repeated else single


def _single(
    field: FieldDescriptor, known: dict[str, st.SearchStrategy[Any]], depth: int
) -> st.SearchStrategy[Any]:
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return _build(field.message_type, known, depth - 1)
    if field.type == FieldDescriptor.TYPE_BYTES:
        own: st.SearchStrategy[Any] = st.one_of(st.binary(max_size=60), _NASTY_BYTES)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        own = st.one_of(st.text(max_size=30), _NASTY_TEXT)
    else:
        own = _SCALARS[field.cpp_type]
    return st.one_of(known[field.name], own) if field.name in known else own
