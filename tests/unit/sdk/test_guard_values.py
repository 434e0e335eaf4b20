"""Typed values as arguments: what policy sees, and what the function receives."""

import dataclasses
import datetime as dt
import functools
import json
import pathlib
import re
import uuid
from collections import Counter, UserDict
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple, Protocol

import pydantic
import pytest
import tabard
from hypothesis import given
from hypothesis import strategies as st
from tabard import _json


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(StrEnum):
    LARGE = "large"


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    name: str
    at: Point
    since: dt.date


@dataclasses.dataclass
class Cached:
    name: str

    @functools.cached_property
    def upper(self) -> str:
        return self.name.upper()


class Address(pydantic.BaseModel):
    street: str
    post_code: str = pydantic.Field(alias="postCode")
    tags: list[str] = []


class Secret(pydantic.BaseModel):
    password: pydantic.SecretStr


class Doubling(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def double(cls, value: int) -> int:
        return value * 2


@dataclasses.dataclass
class Stateful:
    name: str

    def __post_init__(self) -> None:
        self.hidden = [1]


ADDRESS = Address(street="High St", postCode="X1", tags=["home"])
TIME = dt.datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.fixture
def task(tabard_fake):
    tabard_fake.allow("t")
    with tabard.connect() as client, client.start_task("token") as task:
        yield task


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (Colour.RED, "red"),
        (Size.LARGE, "large"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (TIME, "2026-01-02T03:04:05.000600+02:00"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Point(1, 2), [1, 2]),
        (
            Place("inn", Point(1, 2), dt.date(2026, 1, 2)),
            {"name": "inn", "at": [1, 2], "since": "2026-01-02"},
        ),
        (ADDRESS, {"street": "High St", "postCode": "X1", "tags": ["home"]}),
        (
            [{"to": ADDRESS, "colour": Colour.RED}, (Point(1, 2),)],
            [{"to": ADDRESS.model_dump(by_alias=True), "colour": "red"}, [[1, 2]]],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_policy_sees_the_json_form_and_the_function_gets_its_own_type_back(task, tabard_fake, value, form):
    received = []

    @tabard.guard("t")
    def tool(value: Any) -> None:
        received.append(value)

    tool(value)
    assert tabard_fake.calls[-1].arguments == {"value": form}
    assert received == [value]
    assert type(received[0]) is type(value)
    task.authorize("t", {"value": value})
    assert tabard_fake.calls[-1].arguments == {"value": form}


@pytest.mark.parametrize("value", [ADDRESS, Place("inn", Point(1, 2), dt.date(2026, 1, 2)), Cached("a")])
def test_the_function_gets_a_copy(task, value):
    received = []

    @tabard.guard("t")
    def tool(value: Any) -> None:
        received.append(value)

    if isinstance(value, Cached):
        assert value.upper == "A"
    tool(value)
    assert received == [value]
    assert received[0] is not value


def test_what_changes_meanwhile_does_not_reach_the_function(task, tabard_fake):
    address = ADDRESS.model_copy(deep=True)
    tabard_fake.allow("t", when=lambda _: address.tags.append("changed") or True)

    @tabard.guard("t")
    def tool(address: Address) -> list[str]:
        return address.tags

    assert tool(address) == ["home"]


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.5"),
        b"x",
        {1},
        dt.timedelta(1),
        object(),
        {"a": [object()]},
        Secret(password="x"),
        Doubling(n=1),
        Stateful("a"),
        Place("a", Point(1, 2), object()),
        Enum("Odd", {"A": ()}).A,
        Address.model_construct(street=object(), post_code="1"),
        [Address],
    ],
    ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", str(value)),
)
def test_a_value_without_an_exact_form_is_refused_with_the_way_out(task, tabard_fake, value):
    @tabard.guard("t")
    def tool(value: Any) -> None:
        pytest.fail("it ran")

    with pytest.raises(tabard.InvalidRequest, match=r"value.*guard\(arguments=") as caught:
        tool(value)
    assert caught.value.code == "arguments_invalid"
    assert tabard_fake.calls == []


class Session: ...


class Like(Protocol):
    name: str


def refused_annotations():
    def session(session: Session): ...
    def optional(session: Session | None = None): ...
    def listed(sessions: list[Session]): ...
    def annotated(session: Annotated[Session, "doc"]): ...
    def money(amount: Decimal): ...
    def raw(data: bytes): ...

    return [session, optional, listed, annotated, money, raw]


@pytest.mark.parametrize("function", refused_annotations(), ids=lambda function: function.__name__)
def test_a_parameter_that_can_not_be_an_argument_is_refused_when_decorated(function):
    (name,) = function.__code__.co_varnames
    with pytest.raises(TypeError, match=rf"{name}: .*arguments=.*ignore=\['{name}'\]"):
        tabard.guard("t")(function)
    tabard.guard("t", ignore=(name,))(function)
    tabard.guard("t", arguments=lambda **_: {})(function)


def test_parameters_that_may_be_arguments_are_not():
    @tabard.guard("t")
    def tool(  # noqa: PLR0917
        a, b: Any, c: object, d: Like, e: dict[str, Any], f: list[Address] | None, g: Colour, h: "Unknown",  # noqa: F821
        i: float | Session, j: tuple[Point, ...], k: dt.datetime, m: type(None), *rest: Place, **more: Cached
    ): ...  # fmt: skip


def test_too_much_says_how_much(task, tabard_fake):
    with pytest.raises(tabard.InvalidRequest, match=r"5242897 bytes .* at most 262144") as caught:
        task.authorize("t", {"text": "x" * 5 * 2**20, "a": 1})
    assert caught.value.code == "request_too_large"
    assert tabard_fake.calls == []


class Loud(str):
    __slots__ = ("more",)

    def __str__(self) -> str:
        return "other"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Apart(str):
    __slots__ = ()

    def __hash__(self) -> int:
        return 1


class Many(int):
    def __int__(self) -> int:
        return 10**6

    __index__ = __int__


class Much(float):
    def __float__(self) -> float:
        return 1e6


class Shifting(UserDict):
    """Holds something else at each reading."""

    reads = 0

    def __getitem__(self, key: str) -> object:
        self.reads += 1
        return Colour.RED if self.reads == 1 else Colour.BLUE


class ShiftingDict(dict):
    def items(self):
        yield "to", Colour.RED

    def __getitem__(self, key: str) -> object:
        return Colour.BLUE


class ShiftingList(list):
    reads = 0

    def __iter__(self):
        self.reads += 1
        return iter([Colour.RED] if self.reads == 1 else [Colour.BLUE])


@dataclasses.dataclass
class ShiftingFields:
    to: Any

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name == "to":
            object.__setattr__(self, "to", Colour.BLUE)
        return found


class ById(pydantic.BaseModel):
    id: int
    amount: int

    @pydantic.field_validator("amount")
    @classmethod
    def double(cls, value: int) -> int:
        return value * 2

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and other.id == self.id

    __hash__ = None


class OtherText(StrEnum):
    A = ("seen", "other")

    def __new__(cls, value: str, text: str):
        made = str.__new__(cls, text)
        made._value_ = value
        return made


class OtherPath(pathlib.PurePosixPath):
    def __str__(self) -> str:
        return super().__str__() + "x"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Loud("text"), "text"),
        (Many(1), 1),
        (Much(1.5), 1.5),
        ({Loud("key"): [Many(1), (Loud("text"),)]}, {"key": [1, ("text",)]}),
        (Counter(a=1), {"a": 1}),
        (OtherPath("/other"), pathlib.PurePosixPath("/other")),
        (Shifting(to=0), {"to": Colour.RED}),
        (ShiftingDict(), {"to": Colour.RED}),
        (ShiftingList(), [Colour.RED]),
        (HTTPStatus.OK, HTTPStatus.OK),
        (re.IGNORECASE | re.DOTALL, re.IGNORECASE | re.DOTALL),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_only_a_subclass_or_a_second_reading_says_does_not_reach_the_function(
    task, tabard_fake, value, plain
):
    received = []

    @tabard.guard("t")
    def tool(value: Any) -> None:
        received.append(value)

    tool(value)
    assert_alike(received, [plain])
    form = json.loads(json.dumps(plain, default=lambda one: getattr(one, "value", str(one))))
    assert tabard_fake.calls[-1].arguments == {"value": form}


def assert_alike(one: object, other: object) -> None:
    assert type(one) is type(other)
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_alike(mine, theirs)
    elif isinstance(one, dict):
        assert_alike(list(one), list(other))
        assert_alike(list(one.values()), list(other.values()))
    else:
        assert one == other


class Computed:
    """A descriptor that gives back something else than it was given."""

    def __set__(self, owner: object, value: object) -> None:
        vars(owner)["kept"] = value

    def __get__(self, owner: object, kind: type | None = None) -> object:
        return "other" if owner is not None else "seen"


@dataclasses.dataclass
class WithDescriptor:
    to: Any = Computed()


class OtherField(Point):
    __slots__ = ()
    x = property(lambda _: 99)


class Swapped(Point):
    __slots__ = ()
    x, y = Point.y, Point.x


class OtherItems(Point):
    __slots__ = ()

    def __getitem__(self, place):
        return 99


class OtherRounds(Point):
    __slots__ = ()

    def __iter__(self):
        return iter((98, 99))


class OtherAttributes(Point):
    __slots__ = ()

    def __getattribute__(self, name):
        return 99 if name == "x" else super().__getattribute__(name)


class OtherModel(pydantic.BaseModel):
    to: str

    def __getattribute__(self, name: str) -> object:
        return "other" if name == "to" else super().__getattribute__(name)


class OtherValue(Enum):
    A = "seen"

    @property
    def value(self) -> str:
        return "other"


@dataclasses.dataclass
class Failing(Exception):
    to: str = "a"


@pytest.mark.parametrize(
    "value",
    [
        ShiftingFields(Colour.RED),
        WithDescriptor("seen"),
        OtherField(1, 2),
        Swapped(1, 2),
        OtherItems(1, 2),
        OtherRounds(1, 2),
        OtherAttributes(1, 2),
        OtherModel(to="seen"),
        OtherValue.A,
        Failing(),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(
    "inside", [lambda value: value, lambda value: [{"a": value}]], ids=["itself", "inside"]
)
def test_a_class_that_may_show_the_function_another_value_is_refused(task, tabard_fake, value, inside):
    @tabard.guard("t")
    def tool(value: Any) -> None:
        pytest.fail("it ran")

    with pytest.raises(tabard.InvalidRequest, match=r"value.*guard\(arguments="):
        tool(inside(value))
    assert tabard_fake.calls == []


class Lying(pydantic.BaseModel):
    to: str

    def model_dump(self, **_: object) -> dict[str, str]:
        return {"to": "other"}

    @classmethod
    def model_validate_json(cls, *_args: object, **_more: object) -> "Lying":
        return Lying.model_construct(to="other")


class Measured(NamedTuple):
    x: int
    y: int

    @property
    def total(self) -> int:
        return self.x + self.y


class Making(Measured):
    __slots__ = ()

    def __new__(cls, *_parts):
        return tuple.__new__(cls, (7, 7))

    @classmethod
    def _make(cls, _parts):
        return tuple.__new__(cls, (8, 8))


@pytest.mark.parametrize(
    ("value", "form", "read"),
    [
        (Lying(to="seen"), {"to": "seen"}, lambda value: value.to == "seen"),
        (Measured(1, 2), [1, 2], lambda value: value.total == 3),
        (tuple.__new__(Making, (1, 2)), [1, 2], lambda value: (*value, value.x, value.y) == (1, 2, 1, 2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_methods_of_a_class_choose_neither_what_policy_sees_nor_what_is_made(
    task, tabard_fake, value, form, read
):
    @tabard.guard("t")
    def tool(value: Any) -> bool:
        return read(value)

    assert tool(value) is True
    assert tabard_fake.calls[-1].arguments == {"value": form}


def changed_member() -> Enum:
    kind = Enum("Changed", {"A": "seen", "B": "other"})
    kind.B._value_ = "seen"
    return kind.B


@pytest.mark.parametrize(
    "value",
    [
        OtherText.A,
        changed_member(),
        ById.model_construct(id=1, amount=5),
        {"a": 1, Apart("a"): 2},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_whose_json_form_means_another_is_refused(task, tabard_fake, value):
    @tabard.guard("t")
    def tool(value: Any) -> None:
        pytest.fail("it ran")

    with pytest.raises(tabard.InvalidRequest, match="value"):
        tool(value)
    assert tabard_fake.calls == []


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
    | st.sampled_from([Colour.RED, Size.LARGE, Loud("text"), Many(3), Point(1, 2), ADDRESS, TIME])
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
        | st.builds(Place, st.text(st.characters(codec="utf-8")), inner, inner)
    ),
    max_leaves=8,
)


@given(values)
def test_what_is_made_has_the_form_that_was_decided(value):
    form, made = _json.read(value, "value")
    again, same = _json.read(made, "value")
    assert_alike(again, form)
    assert_alike(same, made)
    json.dumps(form)
    assert {type(one) for one in leaves(form)} <= {str, int, float, bool, type(None)}


def leaves(form: object) -> Iterator[object]:
    if isinstance(form, list | tuple | dict):
        for item in [*form, *form.values()] if isinstance(form, dict) else form:
            yield from leaves(item)
    else:
        yield form
