"""A task or call that a block makes current is so for the code inside of the block only."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import operator
import types
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

import pytest
import tabard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@tabard.guard("read")
def read() -> str:
    return tabard.current_credential().value


@tabard.guard("read")
async def read_later() -> str:
    return tabard.current_credential().value


@pytest.fixture
def people(tabard_fake):
    tabard_fake.allow("read")
    with tabard.connect() as client:
        yield client.start_task("alice"), client.start_task("bob")


@contextmanager
def entered(task):
    with task:
        yield


@asynccontextmanager
async def entered_later(task):
    async with task:
        yield


class Session:
    def __init__(self, task):
        self.task, self.stack = task, ExitStack()

    def __enter__(self):
        self.stack.enter_context(self.task)

    def __exit__(self, *exc_info):
        self.stack.close()

    def login(self):
        with entered(None) if self.task is None else ExitStack():
            self.task.__enter__()


def plain(task):
    with task:
        yield read()


def through_a_manager(task):
    with entered(task):
        yield read()


def through_a_stack(task):
    with ExitStack() as stack:
        stack.enter_context(task)
        yield read()


def through_a_class(task):
    with Session(task):
        yield read()


def through_a_method(task):
    Session(task).login()
    yield read()


def below_another_generator(task):
    yield from plain(task)


def a_call(task):
    with task.call("read"):
        yield


def a_call_through_a_stack(task):
    with ExitStack() as stack:
        stack.enter_context(task.call("read"))
        yield


async def plain_later(task):
    with task:
        yield await read_later()


async def with_async_with(task):
    async with task:
        yield await read_later()


async def through_a_manager_later(task):
    async with entered_later(task):
        yield await read_later()


async def through_a_stack_later(task):
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(task)
        yield await read_later()


async def a_call_later(task):
    async with task.of_kind(tabard.aio.Task).call("read"):
        yield


SYNC = [
    plain,
    through_a_manager,
    through_a_stack,
    through_a_class,
    through_a_method,
    below_another_generator,
    a_call,
    a_call_through_a_stack,
]
ASYNC = [plain_later, with_async_with, through_a_manager_later, through_a_stack_later, a_call_later]


def nothing_is_current():
    for current in (tabard.current_task, tabard.current_decision):
        with pytest.raises(tabard.InvalidRequest, match="no_current"):
            current()


@pytest.mark.parametrize("stream", SYNC)
def test_a_generator_enters_nothing(people, tabard_fake, stream):
    alice, bob = people
    for _ in range(20):  # CPython replaces the instructions of code that runs often
        with pytest.raises(tabard.InvalidRequest, match="task_in_generator"):
            next(stream(alice))
    assert tabard_fake.calls == []
    nothing_is_current()
    with bob:
        generator = stream(alice)
        with pytest.raises(tabard.InvalidRequest, match="generator"):
            next(generator)
        read()
    assert [call.grant for call in tabard_fake.calls] == [bob.grant]


class Stepping:
    """An iterator of its own class."""

    def __init__(self, task):
        self.task, self.stack = task, ExitStack()

    def __iter__(self):
        return self

    def __next__(self):
        self.stack.enter_context(self.task)

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.task.__enter__()


class Bounded(Stepping):
    """Its steps hold their blocks."""

    def __next__(self):
        with self.task:
            return read()


def entering(task):
    return task.__enter__()


ITERATORS = {
    "map": lambda task: map(entering, [task]),
    "no Python at all": lambda task: map(operator.methodcaller("__enter__"), [task]),
    "filter": lambda task: filter(entering, [task]),
    "starmap": lambda task: itertools.starmap(entering, [(task,)]),
    "callable": lambda task: iter(functools.partial(entering, task), 1),
    "accumulate": lambda task: itertools.accumulate([None, task], lambda _, one: entering(one)),
    "chain of a generator": lambda task: itertools.chain(plain(task)),
    "slice of a generator": lambda task: itertools.islice(below_another_generator(task), 3),
    "tee of a generator": lambda task: itertools.tee(plain(task))[0],
    "zip": lambda task: zip(map(entering, [task]), [1], strict=True),
    "a class": Stepping,
    "a class in C": lambda task: itertools.chain(Stepping(task)),
    "a map in a generator": lambda task: (one for one in map(entering, [task])),
}


@pytest.mark.parametrize("stream", ITERATORS.values(), ids=ITERATORS)
def test_an_iterator_enters_nothing(people, tabard_fake, stream):
    """Whatever it is made of, while a ``for`` consumes it."""
    alice, bob = people
    with bob:
        for _ in range(20):
            with pytest.raises(tabard.InvalidRequest, match="task_in_generator"):
                for _ in stream(alice):
                    pass
        assert tabard.current_task() is bob
    nothing_is_current()


async def test_an_iterator_of_its_own_class_enters_nothing(people):
    """By ``next()`` and asynchronously, too."""
    alice, _ = people
    with pytest.raises(tabard.InvalidRequest, match="task_in_generator"):
        next(Stepping(alice))
    with pytest.raises(tabard.InvalidRequest, match="task_in_generator"):
        await anext(Stepping(alice))
    with pytest.raises(tabard.InvalidRequest, match="task_in_generator"):
        async for _ in Stepping(alice):
            pass
    nothing_is_current()


def test_iterators_whose_steps_hold_their_blocks_enter_tasks(people, tabard_fake):
    def step(task):
        with task:
            return read()

    alice, bob = people
    with bob:
        for _ in zip(Bounded(alice), map(step, [alice] * 20), itertools.repeat(0), strict=False):
            read()
    grants = [call.grant for call in tabard_fake.calls]
    assert grants == [alice.grant, alice.grant, bob.grant] * 20 + [alice.grant]


def test_a_block_that_a_function_holds_is_entered_through_a_call(people):
    with ExitStack() as stack:
        assert list(map(stack.enter_context, people)) == list(people)
        assert tabard.current_task() is people[1]
    nothing_is_current()


@pytest.mark.parametrize("stream", ASYNC)
async def test_an_asynchronous_generator_enters_nothing(people, tabard_fake, stream):
    alice, bob = people
    with bob:
        for _ in range(20):
            with pytest.raises(tabard.InvalidRequest, match="task_in_generator"):
                await anext(stream(alice))
        assert tabard_fake.calls == []
        await read_later()
    assert [call.grant for call in tabard_fake.calls] == [bob.grant]
    nothing_is_current()


def test_functions_that_generators_call_enter_tasks(people, tabard_fake):
    def step(task):
        with task:
            read()

    def session_step(task):
        with Session(task):
            read()

    def manager_step(task):
        with entered(task):
            read()

    def call_step(task):
        with task.call("read"):
            tabard.current_credential()

    def work(task, do):
        for _ in range(20):
            do(task)
            yield tabard.current_task()

    alice, bob = people
    for do in (step, session_step, manager_step, call_step):
        before = len(tabard_fake.calls)
        with bob:
            for current, _ in zip(work(alice, do), work(bob, do), strict=True):
                assert current is bob
        assert [call.grant for call in tabard_fake.calls[before:]] == [alice.grant, bob.grant] * 20
    nothing_is_current()


async def test_coroutines_that_generators_await_enter_tasks(people, tabard_fake):
    async def step(task):
        with task:
            await asyncio.gather(read_later(), asyncio.to_thread(read))

    async def async_step(task):
        async with task:
            await read_later()

    async def manager_step(task):
        async with entered_later(task):
            await read_later()

    async def call_step(task):
        async with task.of_kind(tabard.aio.Task).call("read"):
            await asyncio.sleep(0)
            tabard.current_credential()

    async def work(task, do):
        for _ in range(20):
            await do(task)
            yield

    alice, bob = people
    for do in (step, async_step, manager_step, call_step):
        before = len(tabard_fake.calls)
        streams = work(alice, do), work(bob, do)
        for _ in range(20):
            for stream in streams:
                await anext(stream)
                nothing_is_current()
        grants = [call.grant for call in tabard_fake.calls[before:]]
        each = len(grants) // 40  # calls of one step
        assert grants == ([alice.grant] * each + [bob.grant] * each) * 20


async def test_what_yields_to_the_event_loop_only_is_no_generator(people):
    alice, _ = people

    class Awaitable:
        def __await__(self):
            with alice:
                yield from asyncio.sleep(0).__await__()
                return tabard.current_task()

    @types.coroutine
    def old_coroutine():
        with alice:
            yield
            return tabard.current_task()

    assert await Awaitable() is alice
    assert await old_coroutine() is alice
    nothing_is_current()


@pytest.fixture
def entered_by_a_fixture(people):
    with people[0]:
        yield people[0]


@pytest.fixture
async def entered_by_an_asynchronous_fixture(people):
    with people[1]:
        yield people[1]


def test_a_fixture_may_enter_a_task(entered_by_a_fixture):
    assert tabard.current_task() is entered_by_a_fixture


async def test_an_asynchronous_fixture_may_enter_a_task(entered_by_an_asynchronous_fixture):
    assert tabard.current_task() is entered_by_an_asynchronous_fixture


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1)), max_size=20))
def test_blocks_left_in_any_order_leave_the_others(people, steps):
    """The current task is the one entered last among those that weren't left."""

    def run():
        open_blocks = []
        for enter, which in steps:
            if enter:
                stack = ExitStack()
                stack.enter_context(people[which])
                open_blocks.append((people[which], stack))
            else:
                last = next((block for block in reversed(open_blocks) if block[0] is people[which]), None)
                if last is not None:
                    open_blocks.remove(last)
                    last[1].close()
            if open_blocks:
                assert tabard.current_task() is open_blocks[-1][0]
            else:
                nothing_is_current()

    contextvars.copy_context().run(run)


def test_calls_left_in_any_order_show_no_other_credential(people):
    alice, bob = people
    with alice.call("read"):
        first, second = ExitStack(), ExitStack()
        outside = tabard.current_decision()
        first.enter_context(alice.call("read"))
        second.enter_context(bob.call("read"))
        bobs = tabard.current_decision()
        first.close()
        assert tabard.current_decision() is bobs
        second.close()
        assert tabard.current_decision() is outside
    nothing_is_current()


def test_a_task_that_a_copy_of_the_context_has_left_is_current_no_more(people):
    alice, bob = people
    stack = ExitStack()
    with bob:
        stack.enter_context(alice)
        inside = contextvars.copy_context()
        contextvars.copy_context().run(stack.close)
        assert tabard.current_task() is bob
        assert tabard.current_task() is bob
        assert inside.run(tabard.current_task) is alice  # started inside of the block
    assert inside.run(tabard.current_task) is alice
    nothing_is_current()


def test_a_task_left_where_it_was_not_entered_is_an_error(people):
    alice, _ = people
    with pytest.raises(tabard.InvalidRequest, match="task_left_elsewhere"):
        contextvars.Context().run(alice.__exit__)
