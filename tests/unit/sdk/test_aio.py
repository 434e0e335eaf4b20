"""The asyncio client against the fake sidecar."""

import asyncio
import threading

import pytest
import tabard

from tests.support.waiting import DEADLINE_SECONDS, eventually


@pytest.fixture
async def client(tabard_fake):
    async with tabard.aio.connect() as client:
        yield client


@pytest.fixture
async def task(client):
    return await client.start_task("token", purpose="refunds")


async def test_an_allowed_call_returns_its_credential(task, tabard_fake):
    tabard_fake.allow("t", audience="orders")
    decision = await task.authorize("t", {"order": "A-17"})
    assert decision.credential.audience == "orders"
    assert tabard_fake.calls[0].arguments == {"order": "A-17"}


async def test_a_denial_raises(task):
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("t")
    assert caught.value.code == "no_grant"
    assert not await task.decide(tabard.ToolCall("t"))


async def test_a_failure_is_repeated_only_where_that_is_safe(task, tabard_fake):
    tabard_fake.allow("t")
    tabard_fake.fail("t", times=1)
    assert await task.authorize("t", request_id="r")
    tabard_fake.fail("t", times=1)
    with pytest.raises(tabard.Unavailable) as caught:
        await task.authorize("t")
    assert caught.value.code == "state_unavailable"


async def test_no_sidecar_is_said_so(tmp_path):
    async with tabard.aio.connect(f"unix:{tmp_path}/none.sock") as client:
        with pytest.raises(tabard.Unavailable, match="is the sidecar running"):
            await client.start_task("token")
        with pytest.raises(tabard.Unavailable, match="is the sidecar running"):
            await client.wait_ready(0.1)


async def test_wait_ready_returns_once_the_sidecar_listens(client):
    await client.wait_ready(5)


async def test_a_closed_client_says_so(task, client):
    await client.close()
    with pytest.raises(tabard.Unavailable) as caught:
        await task.authorize("t")
    assert caught.value.code == "client_closed"


async def test_a_batch_answers_in_order(task, tabard_fake):
    tabard_fake.allow("good")
    decisions = await task.batch([tabard.ToolCall("good"), tabard.ToolCall("bad")])
    assert [bool(decision) for decision in decisions] == [True, False]
    assert await task.batch([]) == []


async def test_a_stream_joins_answers_to_requests(task, tabard_fake):
    tabard_fake.allow("t", when=lambda arguments: arguments["n"] % 2 == 0)

    async def calls():
        for n in range(200):
            if n % 50 == 0:
                await asyncio.sleep(0)
            yield tabard.ToolCall("t", {"n": n})

    answered = {}
    async for call, decision in task.stream(calls(), max_in_flight=5):
        answered[call.arguments["n"]] = bool(decision)
    assert answered == {n: n % 2 == 0 for n in range(200)}


async def test_a_stream_takes_a_plain_list_and_can_be_left_early(task, tabard_fake):
    tabard_fake.allow("t")
    stream = task.stream([tabard.ToolCall("t")] * 1000, max_in_flight=2)
    async for _ in stream:
        break
    await stream.aclose()
    assert len(tabard_fake.calls) < 10


async def test_a_stream_raises_what_the_source_of_calls_raises(task, tabard_fake):
    async def calls():
        yield tabard.ToolCall("t")
        await asyncio.sleep(0)
        message = "the source broke"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="the source broke"):
        async for _ in task.stream(calls()):
            pass


async def test_a_stream_does_not_wait_forever_for_one_answer(task, tabard_fake):
    release = threading.Event()
    tabard_fake.allow("t", when=lambda _: release.wait(DEADLINE_SECONDS))
    with pytest.raises(tabard.Unavailable) as caught:
        async for _ in task.stream([tabard.ToolCall("t")], timeout_seconds=0.2):
            pass
    release.set()
    assert caught.value.code == "deadline_exceeded"


async def test_arguments_without_an_exact_form_stop_a_stream(task):
    with pytest.raises(tabard.InvalidRequest):
        async for _ in task.stream([tabard.ToolCall("t", {"x": object()})]):
            pass


async def test_a_cancelled_request_stays_cancelled(task, tabard_fake):
    received, release = threading.Event(), threading.Event()

    def decide(_arguments):
        received.set()
        return release.wait(DEADLINE_SECONDS)

    tabard_fake.allow("t", when=decide)
    asking = asyncio.create_task(task.authorize("t", request_id="r"))
    await eventually(received.is_set)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    release.set()


async def test_the_rest_of_a_tasks_life(client, task, tabard_fake):
    """A task introspects, renews, delegates, filters tools, ends and narrows."""
    tabard_fake.allow("t", audience="orders")
    credential = (await task.authorize("t")).credential
    assert (await task.introspect(credential)).audience == "orders"
    assert (await task.renew(credential)).value != credential.value
    assert await task.delegate("spiffe://example/agent") != task.grant
    assert await task.filter_tools(["t", "u"]) == (tabard.ToolRef("t"),)
    assert await task.get() == task.info
    await task.end()
    assert (await task.get()).ended
    with pytest.raises(tabard.Denied):
        await client.task("not a grant").get()
    assert task.narrow(tabard.Limits(tools=("t",))).grant != task.grant


def test_one_client_serves_event_loops_one_after_the_other_and_at_once(tabard_fake):
    """It is made outside of any, and each has a channel of its own."""
    tabard_fake.allow("t")
    client = tabard.aio.connect()

    async def ask():
        task = await client.start_task("token")
        return await task.authorize("t")

    assert all(asyncio.run(ask()) for _ in range(3))
    assert len(client._connection._opened) == 1, "channels of loops that have ended are dropped"
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(ask()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    asyncio.run(client.close())
    with pytest.raises(tabard.Unavailable, match="closed"):
        asyncio.run(ask())


async def test_a_started_task_is_current_in_an_async_with_block(client, tabard_fake):
    async with await client.start_task("token") as task:
        assert tabard.current_task() is task
    with pytest.raises(tabard.InvalidRequest):
        tabard.current_task()
