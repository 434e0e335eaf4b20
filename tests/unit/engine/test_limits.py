from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from tabard_opa import Engine, EvaluationError, ForkedError
from tabard_opa._library import timer_slack

from tests.support.waiting import eventually

PR_GET_TIMERSLACK = 30  # linux/prctl.h

MODULE = {
    "a.rego": """package a

echo := input

runaway if {
	input.run
	some i in numbers.range(1, 100000)
	some j in numbers.range(1, 100000)
	i * j == -1
}

mixed := "ran" if runaway

mixed := "fine" if not input.run

hog := count([{"i": i, "j": j} | some i in numbers.range(1, 4000); some j in numbers.range(1, 4000)])

stuck if strings.render_template(input.template, {}) == "never"
""",
}
NAMES = [f"data.a.{name}" for name in ("echo", "runaway", "mixed", "hog", "stuck")]
RUN = b'{"run": true}'


def _compile(engine):
    return engine.compile(MODULE, {}, entrypoints=NAMES)


async def _code(call):
    with pytest.raises(EvaluationError) as caught:
        await call
    return caught.value.code


async def _begun():
    """Return when the evaluations of the tasks made before are under way: each begins in its task's first turn."""
    await asyncio.sleep(0)


@pytest.fixture(params=[0.0005, 0])
def policy(request):
    with Engine(hold_seconds=request.param) as engine, _compile(engine) as policy:
        yield policy


async def test_runaway_rule_is_cut_while_others_go_on(policy):
    runaways = [
        asyncio.ensure_future(_code(policy.evaluate("data.a.mixed", RUN, deadline_seconds=0.3)))
        for _ in range(4)
    ]
    answered = 0
    while not all(task.done() for task in runaways):
        assert await policy.evaluate("data.a.mixed", b"{}", deadline_seconds=30) == b'"fine"'
        answered += 1
        await asyncio.sleep(0)

    assert await asyncio.gather(*runaways) == ["timeout"] * 4
    assert answered > 5


def test_runaway_rule_is_cut_for_a_blocking_caller(policy):
    with pytest.raises(EvaluationError) as caught:
        policy.evaluate_blocking("data.a.runaway", RUN, deadline_seconds=0.05)

    assert caught.value.code == "timeout"


async def test_deadline_of_zero_is_over(policy):
    assert await _code(policy.evaluate("data.a.runaway", RUN, deadline_seconds=0)) == "timeout"


async def test_builtin_that_opa_cant_interrupt_is_answered_at_its_deadline():
    """The watchdog answers, while a template counts. In a process of its own, as it goes on."""
    script = """
import asyncio, json, sys
from tabard_opa import Engine, EvaluationError
async def main():
    policy = Engine().compile(json.loads(sys.argv[1]), {}, entrypoints=["data.a.stuck", "data.a.echo"])
    hard = json.dumps({"template": "{{range $i := 20000000000}}{{end}}"}).encode()
    try:
        await policy.evaluate("data.a.stuck", hard, deadline_seconds=0.1)
    except EvaluationError as error:
        print(error.code, (await policy.evaluate("data.a.echo", b"1", deadline_seconds=30)).decode())
asyncio.run(main())
"""
    answer = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, json.dumps(MODULE)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert answer.stdout.split() == ["timeout", "1"], answer.stderr


@pytest.mark.usefixtures("usual_collections")
async def test_evaluation_that_fills_the_memory_is_cut():
    with Engine(memory_limit_bytes=96 * 2**20) as engine, _compile(engine) as policy:
        try:
            assert await _code(policy.evaluate("data.a.hog", b"{}", deadline_seconds=60)) == "overloaded"
        finally:
            engine.library.held.tabard_tune(2**62, -1)


async def test_one_more_than_the_limit_in_flight_is_refused_and_room_comes_back():
    with Engine(max_in_flight=2) as engine, _compile(engine) as policy:
        running = [
            asyncio.ensure_future(_code(policy.evaluate("data.a.runaway", RUN, deadline_seconds=1)))
            for _ in range(2)
        ]
        await _begun()

        assert await _code(policy.evaluate("data.a.echo", b"1", deadline_seconds=30)) == "overloaded"

        assert await asyncio.gather(*running) == ["timeout", "timeout"]
        assert await policy.evaluate("data.a.echo", b"1", deadline_seconds=30) == b"1"


async def test_input_beyond_the_limit_is_refused():
    with Engine(max_input_bytes=100) as engine, _compile(engine) as policy:
        assert await policy.evaluate("data.a.echo", b" " * 99 + b"1", deadline_seconds=5) == b"1"
        assert (
            await _code(policy.evaluate("data.a.echo", b" " * 100 + b"1", deadline_seconds=5))
            == "input_too_large"
        )


async def test_closing_lets_running_evaluations_finish_and_refuses_new_ones(engine):
    policy = _compile(engine)
    running = asyncio.ensure_future(_code(policy.evaluate("data.a.runaway", RUN, deadline_seconds=0.2)))
    await _begun()

    policy.close()
    policy.close()

    assert policy.closed
    assert await running == "timeout"
    assert await _code(policy.evaluate("data.a.echo", b"1", deadline_seconds=1)) == "closed"


async def test_cancelled_callers_lose_no_other_answer():
    with Engine(hold_seconds=0, max_in_flight=200) as engine, _compile(engine) as policy:
        for round_ in range(10):
            kept = {
                n: asyncio.ensure_future(policy.evaluate("data.a.echo", b"%d" % n, deadline_seconds=30))
                for n in range(50)
            }
            dropped = [
                asyncio.ensure_future(policy.evaluate("data.a.mixed", RUN, deadline_seconds=30))
                for _ in range(5)
            ]
            await asyncio.sleep(0.001 * round_)
            for task in dropped:
                task.cancel()
            assert await asyncio.gather(*kept.values()) == [b"%d" % n for n in kept]
            assert all(
                isinstance(e, asyncio.CancelledError)
                for e in await asyncio.gather(*dropped, return_exceptions=True)
            )


async def test_cancelling_stops_the_evaluation_and_gives_its_place_back():
    with Engine(max_in_flight=1) as engine, _compile(engine) as policy:
        running = asyncio.ensure_future(policy.evaluate("data.a.runaway", RUN, deadline_seconds=3600))
        await _begun()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

        async def evaluated():
            try:
                return await policy.evaluate("data.a.echo", b"1", deadline_seconds=30)
            except EvaluationError as error:
                assert error.code == "overloaded"  # noqa: PT017 - the only one allowed while it stops
                return b""

        assert await eventually(evaluated) == b"1"


def test_one_loop_after_the_other_works():
    with Engine(hold_seconds=0) as engine, _compile(engine) as policy:
        for n in range(20):
            assert asyncio.run(policy.evaluate("data.a.echo", b"%d" % n, deadline_seconds=30)) == b"%d" % n
        gc.collect()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        for n in range(20):
            asyncio.run(policy.evaluate("data.a.echo", b"%d" % n, deadline_seconds=30))
        gc.collect()
        assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1


def test_forked_child_gets_a_clear_error(policy):
    policy.evaluate_blocking("data.a.echo", b"1", deadline_seconds=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            policy.evaluate_blocking("data.a.echo", b"1", deadline_seconds=30)
        except ForkedError as error:
            status = 0 if "spawn" in str(error) else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.usefixtures("usual_collections")
def test_memory_doesnt_grow_with_evaluations():
    with Engine() as engine, _compile(engine) as policy:
        pad = "x" * 2000

        def work(count, start):
            for n in range(start, start + count):
                policy.evaluate_blocking(
                    "data.a.echo", b'{"n": {"id": %d, "pad": "%s"}}' % (n, pad.encode()), deadline_seconds=30
                )

        work(5_000, 0)
        before = _resident()
        work(10_000, 5_000)
        assert _resident() - before < 10_000 * 500


@pytest.mark.usefixtures("usual_collections")
async def test_policy_that_is_dropped_is_freed(engine):
    """Compiling the same over and over doesn't pile up."""
    data = {"rows": [{"n": n, "text": "x" * 50} for n in range(500)]}
    for _ in range(3):
        _compile_with(engine, data)
    gc.collect()
    before = _resident()
    for _ in range(10):
        _compile_with(engine, data)
        gc.collect()
    assert _resident() - before < 20 * 2**20


def _compile_with(engine, data):
    engine.compile(MODULE, data, entrypoints=NAMES)


def test_threads_of_the_library_wake_late_and_others_as_before():
    """Only what begins while the library is loaded sleeps with more slack."""
    own, found = ctypes.CDLL(None), []
    before = own.prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0)
    with timer_slack(300_000):
        begun = threading.Thread(target=lambda: found.append(own.prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0)))
        begun.start()
        begun.join()
    assert (found, own.prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0)) == ([300_000], before)
