"""Typed values as arguments: what policy sees, and what the function receives."""

import dataclasses
import datetime as dt
import functools
import pathlib
import uuid
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, NamedTuple, Protocol

import pydantic
import pytest
import tabard


class Colour(Enum):
    RED = "red"


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
    ids=str,
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
