from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from tabard_opa import Engine, EvaluationError

MODULES = {
    "a.rego": """package a

echo := input

maybe := "yes" if input.yes

broken := to_number(input.text)

guarded contains "denied" if to_number(input.text) > 1

choice := 1 if input.one

choice := 2 if input.two

pair[key] := value if {
	some value in input.values
	key := "k"
}

names contains name if some name in input.names

slow_double := [crypto.sha256(input.text), 2 * input.n]

known := data.users[input.user].role
""",
}
DATA = {"users": {"ann": {"role": "admin"}}}
ENTRYPOINTS = [
    f"data.a.{name}"
    for name in ("echo", "maybe", "broken", "guarded", "choice", "pair", "names", "slow_double", "known")
]


@pytest.fixture(params=["held", "mailed"])
def policy(request):
    """Every behaviour holds on the caller's thread and on Go's."""
    with (
        Engine(max_in_flight=1000, hold_seconds=0.0005 if request.param == "held" else 0) as engine,
        engine.compile(MODULES, DATA, entrypoints=ENTRYPOINTS) as policy,
    ):
        yield policy


async def _evaluate(policy, name, value):
    return json.loads(await policy.evaluate(f"data.a.{name}", json.dumps(value).encode(), deadline_seconds=5))


async def _failure(policy, name, value):
    with pytest.raises(EvaluationError) as caught:
        await _evaluate(policy, name, value)
    return caught.value


async def test_result_is_json_and_sets_are_sorted_arrays(policy):
    assert await _evaluate(policy, "names", {"names": ["b", "a", "b"]}) == ["a", "b"]


async def test_data_is_seen(policy):
    assert await _evaluate(policy, "known", {"user": "ann"}) == "admin"


async def test_undefined_is_an_error(policy):
    assert (await _failure(policy, "maybe", {"yes": False})).code == "undefined"


async def test_builtin_error_is_an_error_with_its_place(policy):
    error = await _failure(policy, "broken", {"text": "x"})

    assert (error.code, error.file, error.row) == ("builtin_error", "a.rego", 7)


async def test_builtin_error_in_a_partial_set_isnt_swallowed(policy):
    """Plain OPA leaves the set empty and says nothing."""
    assert (await _failure(policy, "guarded", {"text": "x"})).code == "builtin_error"


async def test_complete_rule_conflict_is_an_error_with_its_place(policy):
    error = await _failure(policy, "choice", {"one": True, "two": True})

    assert (error.code, error.file) == ("conflict", "a.rego")
    assert error.row in {11, 13}


async def test_object_key_conflict_is_an_error(policy):
    assert (await _failure(policy, "pair", {"values": [1, 2]})).code == "conflict"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,]",
        b'{"a":1,"a":2}',
        b'"\xff"',
        b'"\\ud800"',
        b"NaN",
        b"01",
        b"1.",
        b"1e",
        b"+1",
        b"{} {}",
        b"\x00",
        b'"\n"',
        b"nul",
        b"'a'",
    ],
)
async def test_input_that_isnt_strict_json_is_an_error(policy, text):
    with pytest.raises(EvaluationError) as caught:
        await policy.evaluate("data.a.echo", text, deadline_seconds=5)

    assert caught.value.code == "invalid_input"


@pytest.mark.parametrize("text", [b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900])
async def test_nesting_up_to_the_limit_works(policy, text):
    assert await policy.evaluate("data.a.echo", text, deadline_seconds=5) == text


@pytest.mark.parametrize("text", [b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 100_000])
async def test_nesting_beyond_the_limit_is_an_error(policy, text):
    with pytest.raises(EvaluationError, match="nested deeper"):
        await policy.evaluate("data.a.echo", text, deadline_seconds=5)


@pytest.mark.parametrize(
    "text", [b"9007199254740993", b"-0", b"1e400", b"0.1000", b"123456789012345678901234567890"]
)
async def test_numbers_come_back_as_they_went_in(policy, text):
    assert await policy.evaluate("data.a.echo", text, deadline_seconds=5) == text


async def test_number_with_an_absurd_exponent_is_an_error(policy):
    with pytest.raises(EvaluationError) as caught:
        await policy.evaluate("data.a.echo", b"1e1000000000", deadline_seconds=5)

    assert caught.value.code == "invalid_input"


async def test_escapes_are_read_and_written(policy):
    value = {'"\\/\b\f\n\r\t\x00\u20ac\U0001f600': ["\x1f", "é", "</script>"]}

    assert await _evaluate(policy, "echo", value) == value
    assert (
        json.loads(await policy.evaluate("data.a.echo", b'"\\ud83d\\ude00\\u0041"', deadline_seconds=5))
        == "\U0001f600A"
    )


async def test_parts_that_come_again_are_told_apart(policy):
    """Members of the input are remembered by their text; a change of one byte is another value."""
    for round_ in range(4):
        for n in range(30):
            value = {
                "subject": {"id": f"user-{n}", "claims": ["x" * 100]},
                "round": {"n": round_, "pad": "y" * 80},
            }
            assert await _evaluate(policy, "echo", value) == value


async def test_unknown_entrypoint_is_a_programming_error(policy):
    with pytest.raises(KeyError):
        await policy.evaluate("data.a.nope", b"{}", deadline_seconds=1)


async def test_metrics_are_filled_by_opas_names(policy):
    metrics = {}

    await policy.evaluate("data.a.echo", b"{}", deadline_seconds=5, metrics=metrics)

    assert set(metrics) == {"timer_rego_input_parse_ns", "timer_rego_query_eval_ns"}
    assert all(value > 0 for value in metrics.values())


async def test_threads_and_loop_use_one_policy_at_once(policy):
    def blocking(n):
        return [
            json.loads(policy.evaluate_blocking("data.a.echo", b"%d" % (n * 100 + i), deadline_seconds=10))
            for i in range(100)
        ]

    with ThreadPoolExecutor(4) as threads:
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(threads, blocking, n) for n in range(4)]
        answers = await asyncio.gather(*(_evaluate(policy, "echo", n) for n in range(200)))
        found = await asyncio.gather(*jobs)

    assert answers == list(range(200))
    assert [item for chunk in found for item in chunk] == list(range(400))


async def test_blocking_errors_are_the_same(policy):
    with pytest.raises(EvaluationError) as caught:
        await asyncio.to_thread(policy.evaluate_blocking, "data.a.maybe", b"{}", deadline_seconds=5)

    assert caught.value.code == "undefined"


async def test_partial_tells_never_maybe_and_always(policy):
    async def remaining(query, value):
        partial = await policy.partial(query, json.dumps(value).encode(), ["input.two"], deadline_seconds=5)
        return partial["queries"]

    assert await remaining("data.a.maybe", {"yes": False}) == []
    assert await remaining("data.a.maybe", {"yes": True}) == [[]]
    assert len(await remaining("data.a.choice == 2", {"one": False})) == 1


async def test_partial_refuses_a_malformed_query(policy):
    with pytest.raises(EvaluationError) as caught:
        await policy.partial("data.a.", b"{}", ["input.two"], deadline_seconds=5)

    assert caught.value.code == "invalid_query"


async def test_explanation_tells_result_error_and_trace(policy):
    good = policy.explain("data.a.maybe", b'{"yes": true}', deadline_seconds=5)
    bad = policy.explain("data.a.broken", b'{"text": "x"}', deadline_seconds=5, mode="fails")

    assert (good.result, good.error) == ("yes", None)
    assert "data.a.maybe" in good.trace
    assert bad.error.code == "builtin_error"


async def test_explanation_tells_how_far_each_clause_came(policy):
    """Without a trace, whatever an index knows."""
    found = policy.explain("data.a.maybe", b'{"yes": false}', deadline_seconds=5, mode="conditions")

    assert found.trace == ""
    assert found.clauses
    assert not any(clause.matched for clause in found.clauses)
    assert all(clause.failed and clause.at >= clause.row for clause in found.clauses)
    found = policy.explain("data.a.maybe", b'{"yes": true}', deadline_seconds=5, mode="conditions")
    assert [clause.failed for clause in found.clauses if clause.matched] == [""]
