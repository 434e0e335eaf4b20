"""Hooks of a connection or a guard for calls that aren't allowed."""

import asyncio
import logging

import pytest
import tabard

TELL = tabard.TabardError.for_model


@tabard.guard("t")
def tool(amount: int = 1) -> str:
    return "done"


@tabard.guard("t")
async def later(amount: int = 1) -> str:
    return "done"


def test_a_connection_tells_the_model_for_all_its_guards(tabard_fake):
    tabard_fake.deny("t", model_message="Ask the person.")

    @tabard.guard("t", on_denied=tabard.raise_denied)
    def strict() -> str:
        return "done"

    with tabard.connect(on_denied=TELL) as client, client.start_task("token") as task:
        assert tool() == "Ask the person."
        assert asyncio.run(later()) == "Ask the person."
        with pytest.raises(tabard.Denied):
            strict()
        with task.branch("helper"):
            assert tool() == "Ask the person."
        with pytest.raises(tabard.Denied):
            task.authorize("t")


def test_a_call_that_no_decision_was_made_about_is_told_too_and_logged(tabard_fake, caplog):
    tabard_fake.fail("t")
    with tabard.connect(on_denied=TELL) as client, client.start_task("token"):
        with caplog.at_level(logging.WARNING, "tabard"):
            assert tool() == "No decision could be made now. You may retry once after a short wait."
        assert "t: no decision was made: state_unavailable" in caplog.text
        assert tool(amount=2**60).startswith("The request was malformed") or "malformed" in tool(amount=2**60)


def test_a_missing_task_is_the_programs_mistake_and_raised(tabard_fake):
    with tabard.connect(on_denied=TELL), pytest.raises(tabard.InvalidRequest, match="no task is current"):
        tool()


async def test_hooks_of_async_functions_may_be_async(tabard_fake):
    tabard_fake.deny("t")
    told = []

    async def tell(error: tabard.TabardError) -> str:
        await asyncio.sleep(0)
        told.append(error.code)
        return "told"

    async with tabard.aio.connect(on_denied=tell) as client, await client.start_task("token"):
        assert await later() == "told"
        with pytest.raises(TypeError, match="t: on_denied is asynchronous"):
            tool()
    assert told == ["denied_by_test"]


def test_an_approval_hook_runs_before_the_wait_and_again_for_a_further_approval(tabard_fake):
    tabard_fake.ask("t")
    needed = []

    def person(error: tabard.ApprovalRequired) -> None:
        needed.append(error)
        tabard_fake.approve()

    with tabard.connect(on_approval=person) as client, client.start_task("token"):
        assert tool() == "done"
        assert asyncio.run(later()) == "done"
    assert [error.code for error in needed] == ["approval_required"] * 2
    assert all(error.approvals for error in needed)


def test_a_call_that_is_still_not_approved_is_denied(tabard_fake):
    tabard_fake.ask("t")
    with tabard.connect(on_denied=lambda error: error.code) as client, client.start_task("token"):
        assert tool() == "approval_required"

        @tabard.guard("t", on_approval=lambda _: None)
        def asked() -> str:
            return "done"

        assert asked() == "approval_required"

        @tabard.guard("t", on_approval=lambda _: tabard_fake.refuse())
        def refused(amount: int) -> str:
            return "done"

        assert refused(5) == "approval_denied"


def test_an_approval_hook_may_leave_by_an_exception(tabard_fake):
    """As LangGraph's interrupt() does. The call waits on, and is found again by the next attempt."""
    tabard_fake.ask("t")

    class Interrupt(Exception):
        pass

    resumed = []

    def interrupt(error: tabard.ApprovalRequired) -> None:
        if not resumed:
            raise Interrupt(error.approvals[0].approval_id)

    with tabard.connect(on_approval=interrupt, on_denied=TELL) as client, client.start_task("token"):
        with pytest.raises(Interrupt) as caught:
            tool()
        tabard_fake.approve(str(caught.value))
        resumed.append(True)
        assert tool() == "done"
        assert tabard_fake.approvals == []


async def test_an_approval_hook_gets_those_ignored_parameters_that_it_takes(tabard_fake):
    tabard_fake.ask("t", decided="approved")
    seen = []

    async def elicit(error: tabard.ApprovalRequired, ctx: object) -> None:
        await asyncio.sleep(0)
        seen.append(ctx)

    @tabard.guard("t", ignore=("ctx", "session"), on_approval=elicit)
    async def asked(amount: int, ctx: object, session: object = None) -> str:
        return "done"

    context = object()
    async with tabard.aio.connect() as client, await client.start_task("token"):
        assert await asked(1, context) == "done"
    assert seen == [context]
    assert tabard_fake.calls[0].arguments == {"amount": 1}


def test_frameworks_show_an_errors_repr_to_the_model(tabard_fake):
    """So it holds nothing else than what the model may be told."""
    tabard_fake.deny("t", message="caveat 9 of spiffe://zone/agent", model_message="Not for this person.")
    with tabard.connect() as client, client.start_task("token"), pytest.raises(tabard.Denied) as caught:
        tool()
    assert repr(caught.value) == "<Denied denied_by_test: Not for this person.>"
    assert "caveat 9" in str(caught.value)


@pytest.mark.parametrize(
    ("decided", "code"), [("refused", "approval_denied"), ("expired", "approval_expired")]
)
def test_a_test_can_let_the_person_decide_at_once(tabard_fake, decided, code):
    tabard_fake.ask("t", decided="approved", times=1)
    with tabard.connect() as client, client.start_task("token") as task:
        assert task.authorize("t", wait_for_approval=600)
        tabard_fake.ask("t", decided=decided)
        with pytest.raises(tabard.ApprovalRequired) as caught:
            task.authorize("t", wait_for_approval=600)
        assert caught.value.code == code
        tabard_fake.ask("late")
        with pytest.raises(tabard.ApprovalRequired):
            task.authorize("late")
        tabard_fake.expire()
        assert tabard_fake.approvals == []
