"""Guarded functions run only with exactly what was authorized."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading

import pytest
import tabard
from tabard import Credential


@pytest.fixture
def task(tabard_fake):
    with tabard.connect() as client, client.start_task("token") as task:
        yield task


def test_a_guarded_function_runs_when_its_arguments_are_allowed(task, tabard_fake):
    tabard_fake.allow("refunds.create", when=lambda arguments: arguments["amount"] <= 100)

    @tabard.guard("refunds.create")
    def create_refund(order: str, amount: int = 5) -> str:
        """Refund an order."""
        return f"{order} {amount} {tabard.current_credential().value}"

    assert create_refund("A-17").startswith("A-17 5 fake-credential-")
    assert tabard_fake.calls[0].arguments == {"order": "A-17", "amount": 5}
    with pytest.raises(tabard.Denied):
        create_refund("A-17", amount=101)
    assert create_refund.__doc__ == "Refund an order."


def test_the_functions_name_is_the_tools_by_default(task, tabard_fake):
    tabard_fake.allow("ping")

    @tabard.guard()
    def ping() -> str:
        return "pong"

    assert ping() == "pong"


def test_a_denied_function_does_not_run(task):
    ran = []

    @tabard.guard("t")
    def tool() -> None:
        ran.append(1)

    with pytest.raises(tabard.Denied):
        tool()
    assert ran == []


def test_without_a_task_nothing_runs(tabard_fake):
    @tabard.guard("t")
    def tool() -> None: ...

    with pytest.raises(tabard.InvalidRequest) as caught:
        tool()
    assert caught.value.code == "no_current_task"


def test_no_sidecar_means_no_call(tmp_path):
    @tabard.guard("t")
    def tool() -> None:
        pytest.fail("it ran")

    with (
        tabard.connect(f"unix:{tmp_path}/none") as client,
        client.task("grant"),
        pytest.raises(tabard.Unavailable),
    ):
        tool()


def test_a_named_task_is_used_instead_of_the_current_one(task, tabard_fake):
    tabard_fake.allow("t")
    other = task.branch("other")

    @tabard.guard("t", task=other)
    def tool() -> None: ...

    tool()
    assert tabard_fake.calls[0].grant == other.grant


def test_tasks_nest(task, tabard_fake):
    tabard_fake.allow("t")

    @tabard.guard("t")
    def tool() -> None: ...

    inner = task.branch("inner")
    with inner:
        assert tabard.current_task() is inner
        tool()
    assert tabard.current_task() is task
    tool()
    assert [call.grant for call in tabard_fake.calls] == [inner.grant, task.grant]


def test_a_typed_parameter_takes_the_credential_and_vanishes_from_the_signature(task, tabard_fake):
    tabard_fake.allow("t", audience="orders")

    @tabard.guard("t")
    def tool(order: str, credential: Credential = tabard.INJECTED) -> str:
        return f"{order} {credential.audience}"

    assert tool("A-17") == "A-17 orders"
    assert list(inspect.signature(tool).parameters) == ["order"]
    assert "credential" not in tool.__annotations__
    assert tabard_fake.calls[0].arguments == {"order": "A-17"}
    with pytest.raises(TypeError):
        tool("A-17", credential="forged")


def test_a_function_that_needs_a_credential_does_not_run_without_one(task, tabard_fake):
    tabard_fake.allow("t", kind="none")

    @tabard.guard("t")
    def needs(credential: Credential) -> None:
        pytest.fail("it ran")

    @tabard.guard("t")
    def may(credential: Credential | None = None) -> Credential | None:
        with pytest.raises(tabard.InvalidRequest, match="kind none"):
            tabard.current_credential()
        return credential

    with pytest.raises(tabard.Denied) as caught:
        needs()
    assert caught.value.code == "no_credential"
    assert may() is None


def test_what_was_authorized_can_not_be_changed_before_or_while_the_function_runs(task, tabard_fake):
    lines = [{"amount": 1}]
    tabard_fake.allow("t", when=lambda _: lines.append({"amount": 1000}) or True)
    seen = []

    @tabard.guard("t")
    def tool(lines: list) -> None:
        seen.extend(dict(line) for line in lines)
        lines.clear()

    tool(lines)
    assert seen == [{"amount": 1}]
    assert len(lines) == 2
    assert tabard_fake.calls[0].arguments == {"lines": [{"amount": 1}]}


def test_a_mutable_default_starts_fresh_for_every_call(task, tabard_fake):
    tabard_fake.allow("t")

    @tabard.guard("t")
    def tool(lines: list = []) -> None:  # noqa: B006  # the mistake under test
        lines.append("more")

    tool()
    tool()
    assert [call.arguments for call in tabard_fake.calls] == [{"lines": []}, {"lines": []}]


def test_every_kind_of_parameter_is_bound(task, tabard_fake):
    tabard_fake.allow("t")

    @tabard.guard("t")
    def tool(a, /, b, *rest, c=3, **more):
        return (a, b, rest, c, more)

    assert tool(1, 2, 8, 9, d=4) == (1, 2, (8, 9), 3, {"d": 4})
    assert tabard_fake.calls[0].arguments == {"a": 1, "b": 2, "rest": [8, 9], "c": 3, "d": 4}


@pytest.mark.parametrize("extra", ["a", "rest"])
def test_two_values_for_one_argument_are_refused(task, tabard_fake, extra):
    tabard_fake.allow("t")

    @tabard.guard("t")
    def tool(a, /, *rest, **more):
        pytest.fail("it ran")

    with pytest.raises(tabard.InvalidRequest, match="given twice"):
        tool(1, 2, **{extra: 3})
    assert tabard_fake.calls == []


def test_a_call_that_python_would_refuse_is_never_asked_about(task, tabard_fake):
    @tabard.guard("t")
    def tool(a): ...

    with pytest.raises(TypeError):
        tool()
    with pytest.raises(TypeError):
        tool(1, unknown=2)
    assert tabard_fake.calls == []


def test_ignored_parameters_are_passed_on_and_not_sent(task, tabard_fake):
    tabard_fake.allow("t")

    class Orders:
        @tabard.guard("t", ignore=("self", "session"))
        def cancel(self, order: str, session: object = None) -> tuple:
            return self, order, session

    orders, session = Orders(), object()
    assert orders.cancel("A-17", session=session) == (orders, "A-17", session)
    assert tabard_fake.calls[0].arguments == {"order": "A-17"}


def test_a_function_of_the_arguments_can_say_what_is_asked(task, tabard_fake):
    tabard_fake.allow("t")

    @tabard.guard("t", arguments=lambda payment: {"amount": payment.real})
    def tool(payment: complex) -> complex:
        return payment

    assert tool(3 + 4j) == 3 + 4j
    assert tabard_fake.calls[0].arguments == {"amount": 3.0}


def test_a_denial_can_become_the_result_for_the_model(task, tabard_fake):
    tabard_fake.deny("t", model_message="Ask the person.")

    @tabard.guard("t", on_denied=lambda denied: denied.for_model())
    def tool() -> str:
        return "done"

    assert tool() == "Ask the person."


def test_retry_sends_a_fresh_request_id_each_time(task, tabard_fake):
    tabard_fake.allow("t")
    tabard_fake.fail("t", times=1)

    @tabard.guard("t", retry=True, scopes=["write"], server="crm")
    def tool() -> None: ...

    tool()
    tool()
    ids = [call.request_id for call in tabard_fake.calls]
    assert ids[0] == ids[1]
    assert ids[1] != ids[2]
    assert tabard_fake.calls[0].scopes == ("write",)
    assert tabard_fake.calls[0].server == "crm"


def test_the_credential_is_gone_when_the_call_has_ended(task, tabard_fake):
    tabard_fake.allow("*")
    proceed, outcome = threading.Event(), []

    def linger() -> None:
        proceed.wait(60)
        try:
            outcome.append(tabard.current_credential())
        except tabard.InvalidRequest as error:
            outcome.append(error.code)

    @tabard.guard("outer")
    def outer() -> threading.Thread:

        outside = tabard.current_credential()
        inner()
        assert tabard.current_credential() is outside
        thread = threading.Thread(target=contextvars.copy_context().run, args=(linger,))
        thread.start()
        return thread

    @tabard.guard("inner")
    def inner() -> None:
        assert tabard.current_decision().allowed

    thread = outer()
    proceed.set()
    thread.join()
    assert outcome == ["no_current_call"]
    with pytest.raises(tabard.InvalidRequest):
        tabard.current_credential()


def test_the_credential_is_gone_when_the_call_has_failed(task, tabard_fake):
    tabard_fake.allow("t")

    @tabard.guard("t")
    def tool() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        tool()
    with pytest.raises(tabard.InvalidRequest):
        tabard.current_decision()


def test_a_block_is_guarded_by_call(task, tabard_fake):
    tabard_fake.allow("t")
    with task.call("t", {"order": "A-17"}, scopes=["write"]) as decision:
        assert tabard.current_credential() is decision.credential
    with pytest.raises(tabard.InvalidRequest):
        tabard.current_credential()
    with pytest.raises(tabard.Denied), task.call("other"):
        pytest.fail("it ran")


async def test_async_functions_are_guarded_alike(tabard_fake):
    tabard_fake.allow("t")

    @tabard.guard("t")
    async def tool(order: str, credential: Credential) -> str:
        await asyncio.sleep(0)
        assert tabard.current_credential() is credential
        return credential.value + order

    @tabard.guard("denied", on_denied=lambda denied: denied.code)
    async def denied() -> str:
        return "done"

    async with tabard.aio.connect() as client:
        with await client.start_task("token") as task:
            results = await asyncio.gather(*(tool(str(n)) for n in range(10)))
            assert len(set(results)) == 10
            assert await denied() == "no_grant"
            async with task.call("t", {"order": "x"}) as decision:
                assert tabard.current_credential() is decision.credential
    with pytest.raises(tabard.InvalidRequest):
        tabard.current_credential()


@pytest.mark.parametrize("kind", ["connect", "aio.connect"])
async def test_sync_and_async_functions_share_a_task(tabard_fake, kind):
    tabard_fake.allow("t")

    @tabard.guard("t")
    async def later(n: int) -> tabard.Task | tabard.aio.Task:
        return tabard.current_task()

    @tabard.guard("t")
    def now(n: int) -> tabard.Task | tabard.aio.Task:
        return tabard.current_task()

    client = tabard.connect() if kind == "connect" else tabard.aio.connect()
    started = client.start_task("token")
    async with started if kind == "connect" else await started as task:
        assert await later(1) is task
        assert now(2) is task
        assert await asyncio.to_thread(now, 3) is task
        assert await asyncio.to_thread(lambda: asyncio.run(later(4))) is task
        assert tabard.current_task(tabard.Task).authorize("t")
        assert await tabard.current_task(tabard.aio.Task).authorize("t")
    assert {call.grant for call in tabard_fake.calls} == {task.grant}
    assert [call.arguments.get("n") for call in tabard_fake.calls] == [1, 2, 3, 4, None, None]
    await client.close() if kind == "aio.connect" else client.close()
    with pytest.raises(tabard.Unavailable, match="closed"):
        task.of_kind(tabard.Task).get()
    with pytest.raises(tabard.Unavailable, match="closed"):
        await task.of_kind(tabard.aio.Task).get()


def test_a_thread_without_the_context_is_told_how_to_have_it(task, tabard_fake):
    tabard_fake.allow("t")
    seen = []

    @tabard.guard("t", on_denied=lambda error: error)
    def tool() -> str:
        return "ran"

    def run() -> None:
        try:
            seen.append(tool())
        except tabard.InvalidRequest as error:
            seen.append(str(error))

    context = contextvars.copy_context()
    for target in (run, lambda: context.run(run)):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert "contextvars.copy_context" in seen[0]
    assert seen[1] == "ran"


def test_what_cannot_be_guarded_is_refused_when_decorated():
    def generator():
        yield 1

    async def stream():
        yield 1

    def method(self): ...

    def two(a: Credential, b: Credential): ...

    def positional(a: Credential, /): ...

    for function in (generator, stream, method, two, positional):
        with pytest.raises(TypeError):
            tabard.guard("t")(function)
    with pytest.raises(TypeError, match="no parameter"):
        tabard.guard("t", ignore=("nope",))(lambda: None)
    with pytest.raises(TypeError, match="parentheses"):
        tabard.guard(method)
    with pytest.raises(TypeError):
        tabard.guard("t", ignore="self")
