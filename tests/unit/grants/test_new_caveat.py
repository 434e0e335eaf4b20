"""A new caveat type works everywhere as soon as it is defined and in a registry.

The type below is what docs/design.md asks of a new one: a class in a module of its own, a field of limits and a field of
the message. Nothing here changes the registry that everything else uses.
"""

import json
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import jsonschema
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2
from tabard import macaroon
from tabard.authz.v1 import types_pb2
from tabard.caveats import (
    CAVEATS,
    Caveat,
    CaveatError,
    CaveatRegistry,
    DependsOn,
    Expiry,
    Facts,
    Failure,
    Limits,
    encode_caveat,
    limits_from_json,
    limits_json,
)
from tabard.caveats.limit_fields import CountLimit
from tabard.caveats.validation import integer
from tabard.caveats.wire import limits_from_proto, write_limits
from tabard.delegation import narrow
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import GrantService, check_call, check_delegation, check_expiry, tool_possible
from tabard_sidecar.model import Agent, Operation
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.state.model import TaskState

from tests.support.grants import ALICE, BOB, NOW, WIDE, GrantKit, tool_call

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class MaxArguments(Caveat):
    """A call may have at most so many arguments."""

    tag = "max_arguments"
    depends_on = DependsOn.CALL
    limit_field = CountLimit(name="max_arguments", description="Most arguments of a call.", maximum=1000)

    max_arguments: int = field(metadata={"description": "integer"})

    def __post_init__(self) -> None:
        integer(self.max_arguments, "max_arguments", maximum=1000)

    def check(self, facts: Facts) -> Failure | None:
        if facts.call is None or facts.call.arguments is None:
            return None
        if len(facts.call.arguments) <= self.max_arguments:
            return None
        return Failure("argument_not_granted", f"the call has more than {self.max_arguments} arguments")


REGISTRY = CAVEATS.extended(MaxArguments)


@dataclass(frozen=True, slots=True)
class MoreLimits(Limits):
    registry: ClassVar[CaveatRegistry] = REGISTRY

    max_arguments: int | None = None


@pytest.fixture
def newer(kit):
    """A sidecar of the same zone that knows the new type."""
    return GrantKit(GrantService(kit.keyring, "shop", registry=REGISTRY), kit.keyring)


def code(function, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        function(*args, **kwargs)
    return caught.value.code


def script(path: str) -> Mapping[str, object]:
    return runpy.run_path(str(ROOT / path))


def newer_message():
    """The class of a message ``Limits`` that has a field ``max_arguments``, as an edited types.proto gives it."""
    file = descriptor_pb2.FileDescriptorProto()
    types_pb2.DESCRIPTOR.CopyToProto(file)
    (limits,) = (message for message in file.message_type if message.name == "Limits")
    limits.field.add(
        name="max_arguments",
        number=99,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        oneof_index=len(limits.oneof_decl),
        proto3_optional=True,
    )
    limits.oneof_decl.add(name="_max_arguments")
    pool = descriptor_pool.DescriptorPool()
    for known in (duration_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tabard.authz.v1.Limits"))


def test_canonical_form():
    assert encode_caveat(MaxArguments(2)) == b'{"max_arguments":2,"type":"max_arguments"}'
    assert REGISTRY.decode(encode_caveat(MaxArguments(2))) == MaxArguments(2)
    for malformed in (
        b'{"type":"max_arguments","max_arguments":2}',
        b'{"max_arguments":-1,"type":"max_arguments"}',
    ):
        with pytest.raises(CaveatError):
            REGISTRY.decode(malformed)


def test_a_call_is_checked(newer):
    grant = newer.verify(macaroon.append(newer.mint(), [encode_caveat(MaxArguments(2))]))

    check_call(grant, tool_call(a=1, b=2), now=NOW, read_only=False)
    assert tool_possible(grant, "refunds.create", now=NOW, read_only=False)
    assert (
        code(check_call, grant, tool_call(a=1, b=2, c=3), now=NOW, read_only=False) == "argument_not_granted"
    )


def test_a_sidecar_that_does_not_know_it_refuses_the_grant(kit, newer):
    text = macaroon.append(newer.mint(), [encode_caveat(MaxArguments(2))])

    assert code(kit.verify, text) == "caveat_unknown"
    assert CAVEATS.check(MaxArguments(2), Facts(NOW, "refunds", 0)).code == "caveat_unknown"


def test_limits_ask_for_it(newer):
    """Of a policy, of a request and by the holder."""
    for text in (
        newer.mint(MoreLimits(tools=("*",), max_arguments=1)),
        newer.mint(WIDE, requested=(MoreLimits(max_arguments=1),)),
        newer.delegate(newer.mint(), BOB, MoreLimits(max_arguments=1)),
        narrow(newer.mint(), MoreLimits(max_arguments=1)),
    ):
        grant = newer.verify(text)
        assert (
            code(check_call, grant, tool_call(a=1, b=2), now=NOW, read_only=False) == "argument_not_granted"
        )
        check_call(grant, tool_call(a=1), now=NOW, read_only=False)


def test_limits_as_json():
    limits = MoreLimits(tools=("a",), max_arguments=1)

    assert limits_json(limits) == {"tools": ["a"], "max_arguments": 1}
    assert limits_from_json(limits_json(limits), MoreLimits) == limits
    with pytest.raises(CaveatError, match="unknown field 'max_arguments'"):
        limits_from_json(limits_json(limits))


def test_limits_as_a_message():
    message = newer_message()()
    write_limits(MoreLimits(max_depth=1, max_arguments=0), message)

    assert limits_from_proto(message, MoreLimits) == MoreLimits(max_depth=1, max_arguments=0)
    with pytest.raises(CaveatError, match="unknown field"):
        limits_from_proto(message)  # a message that knows more than the limits
    with pytest.raises(CaveatError, match="unknown field"):
        limits_from_proto(types_pb2.Limits.FromString(message.SerializeToString()))


def test_policies_see_it(newer):
    grant = newer.verify(narrow(newer.mint(), MoreLimits(max_arguments=2)))
    state = TaskState(known=True)
    found = json.loads(
        PolicyInput()
        .without_tool(Operation.RENEW, Agent(ALICE, "static", {}), grant, state=state, now=NOW, facts={})
        .text
    )

    assert {"type": "max_arguments", "max_arguments": 2} in found["delegation"]["constraints"]


def test_schemas_of_policies_have_it():
    updated = script("rego/generate.py")["updated"](REGISTRY)
    schemas = {path.stem: json.loads(text) for path, text in updated.items()}

    for name in ("start", "delegate"):
        element = jsonschema.Draft202012Validator(schemas[name])
        assert element.is_valid({"code": "a", "limits": {"max_arguments": 1000}})
        assert not element.is_valid({"code": "a", "limits": {"max_arguments": 1001}})
    request = schemas["input"]["properties"]["request"]["properties"]
    for name in ("limits", "intent_limits"):
        assert request[name]["properties"]["max_arguments"]["type"] == "integer"


def test_the_reference_has_a_row_for_it():
    filled = script("docs/caveat_tables.py")["filled"]
    page = filled((ROOT / "docs/reference/caveats.md").read_text("utf-8"), REGISTRY)

    assert (
        "| `max_arguments` | `max_arguments` (integer) | A call may have at most so many arguments. "
        "| at every call | `max_arguments` |\n"
    ) in page


def test_the_global_registry_stays_as_it_is():
    assert "max_arguments" not in CAVEATS.types
    assert "max_arguments" not in CAVEATS.limits


@dataclass(frozen=True, slots=True)
class OfficeHours(Caveat):
    """The grant may only be used in the first half of each hour."""

    tag = "office_hours"
    depends_on = DependsOn.TIME

    def check(self, facts: Facts) -> Failure | None:
        return None if facts.now % 3600 < 1800 else Failure("grant_expired", "not in this half of the hour")


def test_a_caveat_about_time_is_checked_at_every_request(kit):
    newer = GrantKit(GrantService(kit.keyring, "shop", registry=CAVEATS.extended(OfficeHours)), kit.keyring)
    grant = newer.verify(macaroon.append(newer.mint(), [encode_caveat(OfficeHours())]))
    late = NOW + 1800

    check_expiry(grant, now=NOW)
    check_delegation(grant, BOB, now=NOW)
    check_call(grant, tool_call(), now=NOW, read_only=False)
    assert code(check_expiry, grant, now=late) == "grant_expired"
    assert code(check_delegation, grant, BOB, now=late) == "grant_expired"
    assert code(check_call, grant, tool_call(), now=late, read_only=False) == "grant_expired"
    assert not tool_possible(grant, "refunds.create", now=late, read_only=False)


class TimeWithoutSayingSo(OfficeHours):
    """A check that reads the time although its type doesn't depend on it."""

    __slots__ = ()
    tag = "time_without_saying_so"
    depends_on = DependsOn.GRANT


def test_a_check_that_reads_what_it_does_not_depend_on_fails(kit):
    newer = GrantKit(
        GrantService(kit.keyring, "shop", registry=CAVEATS.extended(TimeWithoutSayingSo)), kit.keyring
    )
    grant = newer.verify(macaroon.append(newer.mint(), [encode_caveat(TimeWithoutSayingSo())]))

    assert code(check_call, grant, tool_call(), now=NOW, read_only=False) == "grant_expired"


class Unfinished(Caveat):
    """A type without a check."""

    __slots__ = ()
    tag = "unfinished"


def test_a_type_without_a_check_is_never_met():
    failure = CAVEATS.extended(Unfinished).check(Unfinished(), Facts(NOW, "refunds", 0))

    assert failure.code == "caveat_not_enforced"


class Lookalike(Expiry):
    """A subclass of a known type, which is a type of its own."""

    __slots__ = ()


def test_a_subclass_of_a_known_type_is_unknown():
    assert CAVEATS.check(Lookalike(2 * NOW), Facts(NOW, "refunds", 0)).code == "caveat_unknown"
