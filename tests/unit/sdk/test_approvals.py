"""Waiting for a person, sync and asyncio, against the fake sidecar."""

import asyncio
import pickle
import threading
from functools import partial
from typing import ClassVar

import pytest
import tabard
from tabard import _approvals
from tabard._decision import Decision
from tabard._model import PendingApproval, Reason
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import types_pb2

from tests.support.waiting import eventually, eventually_blocking

PENDING = (PendingApproval("a-1", "large", "policy.payments", "call-grant", 0.0),)
TWO = (*PENDING, PendingApproval("a-2", "payee", "policy.payments", "call-grant", 0.0))


def asks(approvals=PENDING):
    return Decision("d-1", allowed=False, reasons=(Reason("approval_required"),), approvals=approvals)


def answer(status, discharge=""):
    return authorization_pb.GetApprovalResponse(
        status=types_pb2.ApprovalStatus.Value(f"APPROVAL_STATUS_{status}"), discharge=discharge
    )


class Poll:
    """Drives one wait with scripted answers, without waiting."""

    def __init__(self, approvals=PENDING, seconds=60.0):
        self.now = 0.0
        self.pauses = []
        self.asked = []
        self.steps = _approvals.steps(asks(approvals), seconds, clock=lambda: self.now)

    def run(self, script):
        answers = iter(script)
        given = None
        while True:
            try:
                step = self.steps.send(given)
            except StopIteration as done:
                return done.value
            if isinstance(step, float):
                self.pauses.append(step)
                self.now += step
                given = None
            else:
                self.asked.append(step.approval_id)
                given = next(answers)


@pytest.fixture
def task(tabard_fake):
    with tabard.connect() as client:
        yield client.start_task("token", purpose="payments")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Poll every few milliseconds."""
    monkeypatch.setattr(_approvals, "FIRST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr(_approvals, "LONGEST_PAUSE_SECONDS", 0.01)


class Person:
    """Decides from another thread as soon as something waits."""

    def __init__(self, fake, decide):
        def run():
            eventually_blocking(lambda: fake.approvals)
            decide()

        self.thread = threading.Thread(target=run)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exc_info):
        self.thread.join()


def test_without_waiting_the_denial_names_what_waits(task, tabard_fake):
    tabard_fake.ask("payments.send")
    with pytest.raises(tabard.ApprovalRequired) as caught:
        task.authorize("payments.send", {"amount": 500})
    (pending,) = caught.value.approvals
    assert [pending.approval_id] == tabard_fake.approvals
    assert caught.value.code == "approval_required"
    assert pending.call_grant not in repr(pending)
    assert pending.call_grant not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).approvals == (pending,)  # noqa: S301 - our own bytes


def test_approved_while_waiting(task, tabard_fake):
    """A call that waits is made again with its discharge once it is approved."""
    tabard_fake.ask("payments.send", audience="bank")
    with Person(tabard_fake, tabard_fake.approve):
        decision = task.authorize("payments.send", {"amount": 500}, wait_for_approval=60)
    assert decision.credential.audience == "bank"
    first, second = tabard_fake.calls
    assert (first.arguments, second.arguments) == ({"amount": 500}, {"amount": 500})
    assert second.grant.startswith(first.grant)
    assert second.request_id  # an answer that gets lost must not use the approval up


def test_the_callers_own_request_id_is_kept(task, tabard_fake):
    tabard_fake.ask("payments.send")
    with Person(tabard_fake, tabard_fake.approve):
        task.authorize("payments.send", {}, request_id="r-1", wait_for_approval=60)
    assert [call.request_id for call in tabard_fake.calls] == ["r-1", "r-1"]


def test_refused_while_waiting(task, tabard_fake):
    """A call that waits raises once it is refused."""
    tabard_fake.ask("payments.send")
    with (
        Person(tabard_fake, tabard_fake.refuse),
        pytest.raises(tabard.ApprovalRequired, match="approval_denied") as caught,
    ):
        task.authorize("payments.send", {}, wait_for_approval=60)
    assert caught.value.code == "approval_denied"
    assert len(caught.value.approvals) == 1
    assert "refused" in caught.value.for_model()


def test_without_a_decision_the_denial_is_raised(task, tabard_fake):
    """A call that waited in vain says that the time is over, and what it waited for."""
    tabard_fake.ask("payments.send")
    with pytest.raises(tabard.ApprovalRequired) as caught:
        task.authorize("payments.send", {}, wait_for_approval=0.05)
    assert caught.value.code == "approval_expired"
    assert len(caught.value.approvals) == 1


def test_an_allowed_call_does_not_wait(task, tabard_fake):
    tabard_fake.allow("notes.read")
    assert task.authorize("notes.read", {}, wait_for_approval=60)


def test_a_denied_call_does_not_wait(task, tabard_fake):
    tabard_fake.deny("notes.*", code="argument_not_allowed")
    with pytest.raises(tabard.Denied) as caught:
        task.authorize("notes.read", {}, wait_for_approval=60)
    assert not isinstance(caught.value, tabard.ApprovalRequired)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_times_that_make_no_sense(task, seconds):
    with pytest.raises(tabard.InvalidRequest):
        task.authorize("notes.read", {}, wait_for_approval=seconds)


def test_a_guard_waits_too(task, tabard_fake):
    tabard_fake.ask("send")

    @tabard.guard("send", task=task, wait_for_approval=60)
    def send(amount):
        return amount

    with Person(tabard_fake, tabard_fake.approve):
        assert send(5) == 5


async def test_asyncio_waits_and_others_go_on(tabard_fake):
    tabard_fake.ask("payments.send")
    async with tabard.aio.connect() as client:
        task = await client.start_task("token", purpose="payments")
        waiting = asyncio.create_task(task.authorize("payments.send", {}, wait_for_approval=60))
        await eventually(lambda: tabard_fake.approvals)
        assert not waiting.done()
        tabard_fake.approve()
        assert (await waiting).allowed


async def test_asyncio_refused(tabard_fake):
    """The asynchronous client raises once the call is refused, too."""
    tabard_fake.ask("payments.send")
    async with tabard.aio.connect() as client:
        task = await client.start_task("token", purpose="payments")
        with (
            Person(tabard_fake, tabard_fake.refuse),
            pytest.raises(tabard.ApprovalRequired, match="approval_denied"),
        ):
            await task.authorize("payments.send", {}, wait_for_approval=60)


def test_pauses_grow(monkeypatch):
    monkeypatch.setattr(_approvals, "FIRST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(_approvals, "LONGEST_PAUSE_SECONDS", 5.0)
    poll = Poll(seconds=1000.0)
    poll.run([answer("PENDING")] * 9 + [answer("APPROVED", "d")])
    assert poll.pauses[0] == 0.5
    assert poll.pauses == sorted(poll.pauses)
    assert poll.pauses[-1] == 5.0


def test_a_last_look_at_the_end():
    poll = Poll(seconds=0.003)
    assert poll.run([answer("PENDING"), answer("PENDING"), answer("APPROVED", "d")]) == ("call-grant", ("d",))
    assert sum(poll.pauses) == pytest.approx(0.003)


def test_an_answer_that_could_not_be_had_is_asked_for_again():
    assert Poll().run([None, None, answer("APPROVED", "d")]) == ("call-grant", ("d",))


def test_two_people_decide():
    """Who has approved isn't asked again; the discharges come in the order of the decision."""
    poll = Poll(TWO)
    script = [answer("PENDING"), answer("APPROVED", "second"), answer("PENDING"), answer("APPROVED", "first")]
    assert poll.run(script) == ("call-grant", ("first", "second"))
    assert poll.asked == ["a-1", "a-2", "a-1", "a-1"]


def test_one_of_two_refuses():
    """One refusal is enough, whatever the other approver said."""
    with pytest.raises(tabard.ApprovalRequired, match="approval_denied"):
        Poll(TWO).run([answer("APPROVED", "first"), answer("DENIED")])


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        (answer("EXPIRED"), "approval_expired"),
        (answer("UNSPECIFIED"), "approval_denied"),
        (answer("UNSPECIFIED", "d"), "approval_denied"),
        (answer("APPROVED"), "approval_denied"),
        (authorization_pb.GetApprovalResponse(status=99, discharge="d"), "approval_denied"),
    ],
    ids=["expired", "unspecified", "unspecified with a discharge", "without a discharge", "unknown"],
)
def test_whatever_else_is_no_approval(odd, code):
    with pytest.raises(tabard.ApprovalRequired) as caught:
        Poll().run([odd])
    assert caught.value.code == code


class TestFake:
    def test_an_approval_is_for_one_call_once(self, task, tabard_fake):
        tabard_fake.ask("payments.send")
        with pytest.raises(tabard.ApprovalRequired) as caught:
            task.authorize("payments.send", {"amount": 1})
        (pending,) = caught.value.approvals
        tabard_fake.approve(pending.approval_id)
        discharge = f"fake-discharge-of-{pending.approval_id}"
        with tabard.connect() as client:
            approved = client.task(pending.call_grant)
            with pytest.raises(tabard.ApprovalRequired):
                approved.authorize("payments.send", {"amount": 2}, discharges=[discharge])
            with pytest.raises(tabard.ApprovalRequired):
                approved.authorize("payments.send", {"amount": 1})
            assert approved.authorize("payments.send", {"amount": 1}, discharges=[discharge])
            with pytest.raises(tabard.ApprovalRequired):
                approved.authorize("payments.send", {"amount": 1}, discharges=[discharge])

    def test_nothing_waits_under_that_id(self, tabard_fake):
        with pytest.raises(KeyError):
            tabard_fake.approve("fake-approval-7")


CALLS = [tabard.ToolCall("payments.send", {"amount": amount}) for amount in (1, 2, 3)]


def test_calls_of_a_batch_wait_as_one_group(task, tabard_fake):
    """The others are decided meanwhile; each approved call is asked about with its discharge."""
    tabard_fake.allow("payments.list")
    tabard_fake.ask("payments.send", audience="bank")
    seen = []

    def approve(needed):
        seen.append(needed)
        tabard_fake.approve(needed.approvals[0].group_id)

    decisions = task.batch(
        [CALLS[0], tabard.ToolCall("payments.list"), *CALLS[1:]], on_approval=approve, wait_for_approval=60
    )
    assert [decision.allowed for decision in decisions] == [True] * 4
    (needed,) = seen
    assert {pending.group_id for pending in needed.approvals} == {"fake-group-1"}
    assert len(needed.approvals) == 3
    assert [one["group_id"] for one in needed.summary()["approvals"]] == ["fake-group-1"] * 3
    again = tabard_fake.calls[4:]
    assert [call.arguments["amount"] for call in again] == [1, 2, 3]
    assert all(call.request_id for call in again)


def test_single_calls_of_a_group_are_refused(task, tabard_fake):
    tabard_fake.ask("payments.send")

    def decide(needed):
        first, second, third = [pending.approval_id for pending in needed.approvals]
        tabard_fake.approve(first)
        tabard_fake.refuse(second)
        tabard_fake.expire(third)

    decisions = task.batch(CALLS, on_approval=decide, wait_for_approval=60)
    assert [decision.allowed for decision in decisions] == [True, False, False]
    assert [decision.code for decision in decisions[1:]] == ["approval_denied", "approval_expired"]
    with pytest.raises(tabard.ApprovalRequired) as caught:
        decisions[1].raise_if_denied()
    assert caught.value.code == "approval_denied"
    assert caught.value.approvals == decisions[1].approvals


def test_a_batch_that_is_not_waited_for_names_its_group(task, tabard_fake):
    tabard_fake.ask("payments.send")
    decisions = task.batch(CALLS)
    groups = [pending.group_id for decision in decisions for pending in decision.approvals]
    assert groups == ["fake-group-1"] * 3
    assert [decision.code for decision in decisions] == ["approval_required"] * 3
    assert len(tabard_fake.calls) == 3


def test_nobody_decides_about_a_batch(task, tabard_fake):
    tabard_fake.ask("payments.send")
    called = []
    decisions = task.batch(CALLS[:1], on_approval=called.append)
    assert (decisions[0].code, len(called)) == ("approval_required", 1)
    decisions = task.batch(CALLS[:2], wait_for_approval=0.05)
    assert [decision.code for decision in decisions] == ["approval_expired"] * 2


async def test_an_asyncio_task_waits_for_a_group(tabard_fake):
    tabard_fake.ask("payments.send", decided="approved")
    async with tabard.aio.connect() as client:
        started = await client.start_task("token", purpose="payments")
        assert all(await started.batch(CALLS, wait_for_approval=60))


def test_a_group_that_is_decided_must_wait(task, tabard_fake):
    tabard_fake.ask("payments.send")
    task.batch(CALLS)
    tabard_fake.refuse("fake-group-1")
    with pytest.raises(KeyError):
        tabard_fake.approve("fake-group-1")


@tabard.guard("payments.send")
def send(amount: int, credential: tabard.Credential = tabard.INJECTED) -> str:
    return f"{amount} with {credential.credential_id}"


@tabard.guard("payments.send")
async def send_later(amount: int) -> int:
    return amount + len(tabard.current_credential().value)


class Desk:
    made: ClassVar[list[int]] = []

    @tabard.guard("payments.send", ignore=["self"])
    def send(self, amount: int) -> None:
        self.made.append(amount)


def test_guarded_functions_are_asked_about_together_and_called_one_by_one(task, tabard_fake):
    """Each with the credential of its own decision; what was refused stands as its error among the results."""
    tabard_fake.ask("payments.send", when=lambda arguments: arguments["amount"] > 1)
    tabard_fake.allow("payments.send", when=lambda arguments: arguments["amount"] == 1, kind="jwt")
    desk = Desk()

    def decide(needed):
        two, three = [pending.approval_id for pending in needed.approvals]
        tabard_fake.approve(two)
        tabard_fake.refuse(three)

    calls = [partial(send, 1), partial(desk.send, amount=2), partial(send, amount=3), partial(send, 10**400)]
    first, second, third, unsendable = task.call_together(calls, wait_for_approval=60, on_approval=decide)
    assert first.startswith("1 with fake-credential-id-")
    assert (second, desk.made) == (None, [2])
    assert isinstance(third, tabard.ApprovalRequired)
    assert third.code == "approval_denied"
    assert isinstance(unsendable, tabard.InvalidRequest)
    assert [call.arguments for call in tabard_fake.calls] == [{"amount": n} for n in (1, 2, 3, 2)]
    with pytest.raises(tabard.InvalidRequest):
        tabard.current_decision()


async def test_asynchronous_functions_are_called_together(tabard_fake):
    tabard_fake.ask("payments.send", decided="approved")
    async with tabard.aio.connect(on_denied=lambda error: error.code) as client:
        started = await client.start_task("token", purpose="payments")
        results = await started.call_together([partial(send_later, n) for n in (1, 2)], wait_for_approval=60)
        assert all(result > 10 for result in results)
        tabard_fake.deny("payments.send", code="closed")
        assert await started.call_together([partial(send_later, 1)]) == ["closed"]
        with pytest.raises(TypeError, match="asynchronous functions"):
            await started.call_together([partial(send, 1)])


@pytest.mark.parametrize("call", [lambda: send(1), send, partial(print, 1), partial(send_later, 1)])
def test_only_partials_of_guarded_functions_of_one_kind_are_called_together(task, tabard_fake, call):
    with pytest.raises(TypeError):
        task.call_together([call])
    assert tabard_fake.calls == []


def test_calls_that_no_person_has_to_approve_are_made_before_the_wait(task, tabard_fake):
    tabard_fake.ask("payments.send", when=lambda arguments: arguments["amount"] == 1)
    tabard_fake.allow("payments.send", when=lambda arguments: arguments["amount"] > 1)
    desk = Desk()
    desk.made.clear()

    def decide(_needed):
        assert desk.made == [2, 3]
        tabard_fake.approve()

    calls = [partial(desk.send, number) for number in (1, 2, 3)]
    assert task.call_together(calls, wait_for_approval=60, on_approval=decide) == [None] * 3
    assert desk.made == [2, 3, 1]


@pytest.mark.parametrize("ask", [tabard.Task.batch, tabard.Task.call_together])
def test_a_negative_wait_is_refused_before_anything_is_asked(task, tabard_fake, ask):
    with pytest.raises(tabard.InvalidRequest):
        ask(task, [], wait_for_approval=-1)
    assert tabard_fake.calls == []


def test_no_calls_together_are_no_question(task, tabard_fake):
    assert task.call_together([]) == []
