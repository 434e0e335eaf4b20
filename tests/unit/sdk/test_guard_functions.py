"""Kinds of functions that a guard wraps, and what frameworks see of the wrapper."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import typing
from typing import TYPE_CHECKING, Annotated

import pytest
import tabard
from tabard import Credential

if TYPE_CHECKING:
    from tabard import Decision


class Order:
    """A class of this module, which the annotations below name as text."""


@pytest.fixture
def task(tabard_fake):
    tabard_fake.allow("*")
    with tabard.connect() as client, client.start_task("token") as task:
        yield task


def logged(function):
    """A decorator that knows nothing of asyncio."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def test_annotations_of_the_wrapper_are_evaluated():
    @tabard.guard("t", arguments=lambda **_: {})
    def tool(order: Order, note: Annotated[str, "doc"], credential: Credential = tabard.INJECTED) -> Order:
        return order

    parameters = inspect.signature(tool).parameters
    assert parameters["order"].annotation is Order
    assert parameters["note"].annotation == Annotated[str, "doc"]
    assert inspect.signature(tool).return_annotation is Order
    expected = {"order": Order, "note": Annotated[str, "doc"], "return": Order}
    assert tool.__annotations__ == typing.get_type_hints(tool, include_extras=True) == expected


def test_each_annotation_is_evaluated_alone():
    """One that only a type checker can see doesn't keep the others text; a local class is found."""

    class Local(str):
        __slots__ = ()

    @tabard.guard("t", ignore=("seen",))
    def tool(seen: Decision, local: Local, order: str) -> None:
        Local(order)

    parameters = inspect.signature(tool).parameters
    assert parameters["seen"].annotation == "Decision"
    assert parameters["local"].annotation is Local
    assert parameters["order"].annotation is str
    assert inspect.signature(tool).return_annotation is None


async def test_an_async_function_under_a_plain_decorator_is_asynchronous(task):
    @tabard.guard("t")
    @logged
    async def tool(n: int, credential: Credential = tabard.INJECTED) -> int:
        await asyncio.sleep(0)
        assert tabard.current_credential() is credential
        return n

    assert inspect.iscoroutinefunction(tool)
    assert await tool(3) == 3


async def test_partials_and_callable_objects_are_guarded(task, tabard_fake):
    class Tool:
        def __call__(self, n: int) -> int:
            return n

    class Later:
        async def __call__(self, n: int) -> int:
            return n

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    async def later(a: int, b: int) -> int:
        return a + b

    assert tabard.guard("object")(Tool())(1) == 1
    assert await tabard.guard("later")(Later())(2) == 2
    assert tabard.guard("partial")(functools.partial(add, 1))(2) == 3
    named = tabard.guard("sum")(functools.partial(add, 1))
    assert (named.__name__, named.__doc__) == ("sum", "Add.")
    assert await tabard.guard("partial")(functools.partial(later, b=1))(2) == 3
    assert [call.arguments for call in tabard_fake.calls] == [{"n": 1}, {"n": 2}, {"b": 2}, {"a": 2, "b": 1}]
    for nameless in (Tool(), Later(), functools.partial(add, 1)):
        with pytest.raises(TypeError, match=r"no name; name the tool"):
            tabard.guard()(nameless)


def test_methods_are_guarded_below_their_decorator(task, tabard_fake):
    class Tools:
        @classmethod
        @tabard.guard("t", ignore=("cls",))
        def made(cls, n: int) -> str:
            return f"{cls.__name__} {n}"

        @staticmethod
        @tabard.guard("t")
        def plain(n: int) -> int:
            return n

    assert Tools.made(1) == "Tools 1"
    assert Tools().plain(2) == 2
    for kind in (classmethod, staticmethod):
        with pytest.raises(TypeError, match=f"write @{kind.__name__} above"):
            tabard.guard("t")(kind(lambda n: n))
    with pytest.raises(TypeError, match="needs a function, not a int"):
        tabard.guard("t")(3)


def anywhere(credential: tabard.Credential, a, b=2):
    return credential, (a, b)


def between(a, credential: tabard.Credential, b=2):
    return credential, (a, b)


def before_defaults(a, credential: tabard.Credential = tabard.INJECTED, b=2):
    return credential, (a, b)


def after_positional_only(a, /, credential: tabard.Credential, b=2):
    return credential, (a, b)


def before_the_rest(a, credential: tabard.Credential, *b):
    return credential, (a, *b)


def before_more(a, credential: tabard.Credential, b=2, **more):
    return credential, (a, b)


def by_name_only(a, b=2, *, credential: tabard.Credential, **more):
    return credential, (a, b)


def last(a, b=2, credential: tabard.Credential = tabard.INJECTED):
    return credential, (a, b)


def partly(first, a, credential: tabard.Credential, b=2):
    return credential, (a, b)


PLACES = [
    anywhere,
    between,
    before_defaults,
    after_positional_only,
    before_the_rest,
    before_more,
    by_name_only,
    last,
    functools.partial(partly, 0),
]


@pytest.mark.parametrize("function", PLACES, ids=lambda each: getattr(each, "__name__", "a partial"))
async def test_the_credential_reaches_its_parameter_wherever_it_stands(task, tabard_fake, function):
    tabard_fake.allow("t")

    async def later(*args, **kwargs):
        return function(*args, **kwargs)

    later.__signature__, later.__annotations__ = inspect.signature(function), typing.get_type_hints(last)
    calls = [((1,), {}), ((1, 3), {})]
    if function not in {before_the_rest, after_positional_only}:
        calls += [((1,), {"b": 3}), ((), {"b": 3, "a": 1})]
    for (args, kwargs), tool in itertools.product(calls, (function, later)):
        result = tabard.guard("t")(tool)(*args, **kwargs)
        credential, values = await result if inspect.isawaitable(result) else result
        assert isinstance(credential, tabard.Credential)
        sent = tabard_fake.calls[-1].arguments
        passed = sent["b"] if function is before_the_rest else [sent["b"]]
        assert values == (sent["a"], *passed)


@pytest.mark.parametrize("function", PLACES, ids=lambda each: getattr(each, "__name__", "a partial"))
def test_nobody_passes_the_credential_by_name(task, tabard_fake, function):
    tabard_fake.allow("t")
    with pytest.raises(TypeError, match="unexpected keyword argument 'credential'"):
        tabard.guard("t")(function)(1, credential="forged")
    assert tabard_fake.calls == []
