"""The sync client against the fake sidecar: a real gRPC server on a real socket."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tabard
from tabard import _convert
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import types_pb2
from tabard.caveats import Arguments, Constraint
from tabard.testing import FakeSidecar, ReportedOutcome


@pytest.fixture
def client(tabard_fake):
    with tabard.connect() as client:
        yield client


@pytest.fixture
def task(client):
    return client.start_task("token", purpose="refunds", statement="Refund order A-17.")


def test_a_task_is_started_with_what_the_caller_said(client, tabard_fake):
    task = client.start_task("token", purpose="refunds", statement="Refund order A-17.")
    assert task.info.purpose == "refunds"
    assert task.info.intent_source == "asserted"
    assert task.info.expires_at > time.time()
    (started,) = tabard_fake.started
    assert started["subject_token"] == "token"
    assert started["request_id"]


def test_a_refused_task_raises_with_the_reason(client, tabard_fake):
    tabard_fake.deny_tasks("subject_token_expired")
    with pytest.raises(tabard.Denied) as caught:
        client.start_task("token")
    assert caught.value.code == "subject_token_expired"
    assert caught.value.decision_id


def test_an_allowed_call_returns_its_credential(task, tabard_fake):
    tabard_fake.allow("refunds.create", audience="refunds", scopes=["write"], single_use=True)
    decision = task.authorize("refunds.create", {"order": "A-17", "amount": 20}, server="crm")
    assert decision
    assert decision.credential.audience == "refunds"
    assert decision.credential.scopes == ("write",)
    assert decision.credential.single_use
    assert not decision.credential.expired()
    assert decision.credential.headers == {"Authorization": f"Bearer {decision.credential.value}"}
    (call,) = tabard_fake.calls
    assert call.arguments == {"order": "A-17", "amount": 20}
    assert call.server == "crm"
    assert call.grant == task.grant


def test_a_credential_of_several_fields_has_no_value(task, tabard_fake):
    login = {"username": "token-x", "password": "secret"}
    tabard_fake.allow("orders.list", kind="vault", fields=login)
    credential = task.authorize("orders.list", {}).credential
    assert (credential.kind, credential.value, credential.fields) == ("vault", "", login)
    assert "secret" not in repr(credential)


def test_large_integers_and_text_travel_exactly(task, tabard_fake):
    tabard_fake.allow("t")
    arguments = {"n": 2**53, "f": 0.1, "s": 'é\u2028"\\', "nested": {"list": [1, None, True, (1, 2)]}}
    task.authorize("t", arguments)
    assert tabard_fake.calls[0].arguments == {**arguments, "nested": {"list": [1, None, True, [1, 2]]}}


def test_what_no_rule_allows_is_denied(task):
    with pytest.raises(tabard.Denied) as caught:
        task.authorize("refunds.create", {"order": "A-17"})
    assert caught.value.code == "no_grant"
    assert caught.value.reasons[0].code == "no_grant"


def test_a_denial_tells_the_model_only_the_text_meant_for_it(task, tabard_fake):
    tabard_fake.deny("t", code="c", message="internal detail", model_message="Choose a smaller amount.")
    with pytest.raises(tabard.Denied, match="internal detail") as caught:
        task.authorize("t")
    assert caught.value.for_model() == "Choose a smaller amount."


def test_a_missing_approval_has_a_class_of_its_own(task, tabard_fake):
    tabard_fake.ask("t")
    with pytest.raises(tabard.ApprovalRequired) as caught:
        task.authorize("t")
    assert isinstance(caught.value, tabard.Denied)
    assert "approve" in caught.value.for_model()


def test_decide_returns_a_deny_that_is_false(task):
    decision = task.decide(tabard.ToolCall("t"))
    assert not decision
    assert decision.credential is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("UNAVAILABLE", tabard.Unavailable),
        ("RESOURCE_EXHAUSTED", tabard.Unavailable),
        ("INTERNAL", tabard.Unavailable),
        ("INVALID_ARGUMENT", tabard.InvalidRequest),
        ("ABORTED", tabard.InvalidRequest),
        ("PERMISSION_DENIED", tabard.Denied),
        ("UNAUTHENTICATED", tabard.Denied),
        ("DATA_LOSS", tabard.Unavailable),
    ],
)
def test_an_rpc_error_becomes_the_error_of_its_kind_with_the_sidecars_reason(task, tabard_fake, status, kind):
    tabard_fake.fail("t", status=status, code="some_reason")
    with pytest.raises(kind) as caught:
        task.authorize("t")
    assert caught.value.code == "some_reason"
    assert caught.value.for_model()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("ABORTED", "request_in_progress"),
        *[
            ("FAILED_PRECONDITION", f"{system}_{what}")
            for system in ("vault", "exchange")
            for what in ("refused", "reply_invalid")
        ],
    ],
)
def test_a_request_with_which_nothing_is_wrong_is_not_called_invalid(task, tabard_fake, status, code):
    tabard_fake.fail("t", status=status, code=code)
    with pytest.raises(tabard.Unavailable):
        task.authorize("t")


def test_a_failed_request_with_a_request_id_is_repeated(task, tabard_fake):
    tabard_fake.allow("t")
    tabard_fake.fail("t", times=1)
    assert task.authorize("t", request_id="r-1")
    assert [call.request_id for call in tabard_fake.calls] == ["r-1", "r-1"]


def test_a_failed_request_without_a_request_id_is_not_repeated(task, tabard_fake):
    tabard_fake.allow("t")
    tabard_fake.fail("t", times=1)
    with pytest.raises(tabard.Unavailable):
        task.authorize("t")
    assert len(tabard_fake.calls) == 1


def test_repeating_ends(task, tabard_fake):
    tabard_fake.fail("t")
    with pytest.raises(tabard.Unavailable):
        task.authorize("t", request_id="r-1")
    assert len(tabard_fake.calls) == 3


def test_only_unavailable_is_repeated(task, tabard_fake):
    tabard_fake.fail("t", status="INTERNAL")
    with pytest.raises(tabard.Unavailable):
        task.authorize("t", request_id="r-1")
    assert len(tabard_fake.calls) == 1


def test_a_deadline_ends_the_call(task, tabard_fake):
    asleep = threading.Event()
    tabard_fake.allow("t", when=lambda _: asleep.wait(60))
    with pytest.raises(tabard.Unavailable) as caught:
        task.authorize("t", timeout_seconds=0.1)
    assert caught.value.code == "deadline_exceeded"
    asleep.set()


def test_no_sidecar_is_said_so(tmp_path):
    with tabard.connect(f"unix:{tmp_path}/none.sock") as client:
        with pytest.raises(tabard.Unavailable, match="is the sidecar running") as caught:
            client.start_task("token")
        assert caught.value.code == "sidecar_unreachable"
        with pytest.raises(tabard.Unavailable, match="is the sidecar running"):
            client.wait_ready(0.1)


def test_wait_ready_returns_once_the_sidecar_listens(client):
    client.wait_ready(5)


def test_a_closed_client_says_so(task, client):
    client.close()
    with pytest.raises(tabard.Unavailable) as caught:
        task.authorize("t")
    assert caught.value.code == "client_closed"
    with pytest.raises(tabard.Unavailable):
        list(task.stream([tabard.ToolCall("t")]))


@pytest.mark.parametrize(
    "arguments",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": "\ud800"},
        {"x": {1: "a"}},
        {1: "a"},
        {"x": object()},
        {"x": b"bytes"},
        {"x": {"set"}},
    ],
)
def test_arguments_without_an_exact_json_form_are_refused_before_anything_is_sent(
    task, tabard_fake, arguments
):
    with pytest.raises(tabard.InvalidRequest) as caught:
        task.authorize("t", arguments)
    assert caught.value.code == "arguments_invalid"
    assert tabard_fake.calls == []


def test_cyclic_arguments_are_refused(task):
    cyclic = []
    cyclic.append(cyclic)
    with pytest.raises(tabard.InvalidRequest, match="64 levels"):
        task.authorize("t", {"x": cyclic})


def test_a_batch_answers_in_order_and_errors_do_not_allow(task, tabard_fake):
    tabard_fake.allow("good")
    tabard_fake.fail("broken")
    calls = [
        tabard.ToolCall("good"),
        tabard.ToolCall("bad"),
        tabard.ToolCall("broken"),
        tabard.ToolCall("good"),
    ]
    decisions = task.batch(calls)
    assert [bool(decision) for decision in decisions] == [True, False, False, True]
    assert isinstance(decisions[2].error, tabard.Unavailable)
    assert decisions[2].code == "state_unavailable"
    with pytest.raises(tabard.Unavailable):
        decisions[2].raise_if_denied()
    with pytest.raises(tabard.Denied):
        decisions[1].raise_if_denied()


def test_an_empty_batch_asks_nothing(task, tabard_fake):
    assert task.batch([]) == []
    assert tabard_fake.calls == []


def test_a_batch_that_is_too_long_is_refused_here(task):
    with pytest.raises(tabard.InvalidRequest, match="at most 100"):
        task.batch([tabard.ToolCall("t")] * 101)


def test_a_stream_joins_answers_to_requests(task, tabard_fake):
    tabard_fake.allow("t", when=lambda arguments: arguments["n"] % 2 == 0)
    calls = [tabard.ToolCall("t", {"n": n}) for n in range(200)]
    answered = {call.arguments["n"]: bool(decision) for call, decision in task.stream(calls, max_in_flight=7)}
    assert answered == {n: n % 2 == 0 for n in range(200)}


def test_a_stream_raises_what_the_source_of_calls_raises(task, tabard_fake):
    tabard_fake.allow("t")

    def calls():
        yield tabard.ToolCall("t")
        message = "the source broke"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="the source broke"):
        list(task.stream(calls()))


def test_a_stream_can_be_left_early(task, tabard_fake):
    tabard_fake.allow("t")
    stream = task.stream((tabard.ToolCall("t") for _ in range(1000)), max_in_flight=2)
    next(stream)
    stream.close()
    assert len(tabard_fake.calls) < 10


def test_filter_tools_returns_what_could_be_used(task, tabard_fake):
    tabard_fake.allow("orders.*")
    offered = task.filter_tools(["orders.read", tabard.ToolRef("orders.list", "crm"), "refunds.create"])
    assert offered == (tabard.ToolRef("orders.read"), tabard.ToolRef("orders.list", "crm"))


def test_the_rest_of_a_tasks_life(task, tabard_fake):
    """A task introspects, renews, delegates, filters tools, ends and narrows."""
    tabard_fake.allow("t", audience="orders")
    credential = task.authorize("t").credential
    assert task.introspect(credential).audience == "orders"
    assert not task.introspect(tabard.Credential("jwt", "another"))
    assert task.renew(credential).value != credential.value
    with pytest.raises(tabard.Denied, match="credential_invalid"):
        task.renew(tabard.Credential("jwt", "another"))
    assert task.delegate("spiffe://example/agent") != task.grant
    assert task.get() == task.info
    task.end()
    assert task.get().ended
    assert tabard_fake.ended == [task.grant]


def test_the_fake_revokes_renewals_and_renews_no_counted_uses(task, tabard_fake):
    """As a sidecar does."""
    tabard_fake.allow("t")
    first = task.authorize("t").credential
    second = task.renew(first)
    third, other = task.renew(second), task.authorize("t").credential
    task.revoke(second)
    assert [bool(task.introspect(one)) for one in (first, second, third, other)] == [
        False,
        False,
        False,
        True,
    ]
    tabard_fake.allow("counted", uses=3)
    counted = task.authorize("counted").credential
    assert (counted.uses, counted.single_use) == (3, False)
    with pytest.raises(tabard.Denied, match="credential_invalid"):
        task.renew(counted)


def test_a_revoked_credential_is_not_active_and_cannot_be_renewed(task, tabard_fake):
    tabard_fake.allow("t")
    credential = task.authorize("t").credential
    task.revoke(credential)
    assert not task.introspect(credential)
    with pytest.raises(tabard.Denied, match="credential_invalid"):
        task.renew(credential)


def test_an_outcome_arrives_whole(task, tabard_fake):
    tabard_fake.allow("t")
    decision = task.authorize("t")
    task.report_outcome(
        decision, succeeded=False, charges={"cents": 7}, labels=["untrusted"], signed_outcome="a.b.c"
    )
    assert tabard_fake.outcomes == [
        ReportedOutcome(
            decision.decision_id,
            succeeded=False,
            charges={"cents": 7},
            labels=("untrusted",),
            signed_outcome="a.b.c",
        )
    ]


def test_a_grant_that_does_not_verify_is_denied(client):
    with pytest.raises(tabard.Denied) as caught:
        client.task("not a grant").get()
    assert caught.value.code == "grant_malformed"


def test_limits_travel_whole(client):

    limits = tabard.Limits(
        tools=("refunds.*",),
        scopes=(),
        arguments=(Arguments("refunds.create", (Constraint("amount", "range", {"max": 100}),), open=True),),
        max_depth=0,
        ttl_seconds=1.5,
        read_only=True,
    )
    message = _convert.limits_message(limits)
    assert list(message.tools.values) == ["refunds.*"]
    assert message.HasField("scopes")
    assert not message.scopes.values
    assert not message.HasField("audiences")
    assert message.HasField("max_depth")
    assert not message.HasField("max_children")
    assert message.ttl.nanos == 500_000_000
    assert message.arguments[0].constraints[0].operand_json == b'{"max":100}'
    assert message.arguments[0].open
    assert message.read_only


def test_limits_on_budgets_are_sent():
    message = _convert.limits_message(tabard.Limits(budgets={"money": 1}))
    assert dict(message.budgets) == {"money": 1}


def test_narrowing_and_branching_happen_offline(client, tabard_fake):
    task = client.start_task("token")
    tabard_fake.stop()
    narrow = task.narrow(tabard.Limits(tools=("refunds.*",)))
    branch = narrow.branch("researcher", tabard.Limits(ttl_seconds=60))
    assert len({task.grant, narrow.grant, branch.grant, task.branch("a").grant}) == 4
    with pytest.raises(tabard.InvalidRequest):
        client.task("not a grant").narrow(tabard.Limits(tools=("x",)))


def test_nothing_printed_shows_a_secret(task, tabard_fake):
    tabard_fake.allow("t", value="the-secret")
    decision = task.authorize("t")
    assert decision.credential.value == "the-secret"
    shown = repr(decision) + str(decision) + repr(task) + str(decision.credential) + repr(tabard_fake.calls)
    assert "the-secret" not in shown
    assert task.grant not in shown


def test_errors_survive_pickling_so_that_worker_processes_can_raise_them():
    error = tabard.Denied("c", "m", decision_id="d")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (again.code, again.message, again.decision_id) == ("c", "m", "d")


class _Odd:
    """Answers every request with one message."""

    def __init__(self, decision):
        self.decision = decision

    def handler(self):
        def authorize(request, context):
            return authorization_pb.AuthorizeResponse(decision=self.decision)

        method = grpc.unary_unary_rpc_method_handler(
            authorize,
            authorization_pb.AuthorizeRequest.FromString,
            authorization_pb.AuthorizeResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            "tabard.authz.v1.AuthorizationService", {"Authorize": method}
        )


@pytest.fixture
def odd(tmp_path):
    """Return a function that starts a sidecar with one answer and asks it."""

    server = grpc.server(ThreadPoolExecutor(1))
    address = f"unix:{tmp_path}/s"

    def ask(decision, **options):
        server.add_generic_rpc_handlers((_Odd(decision).handler(),))
        server.add_insecure_port(address)
        server.start()
        with tabard.connect(address, **options) as client:
            return client.task("grant").decide(tabard.ToolCall("t"))

    yield ask
    server.stop(None).wait()


@pytest.mark.parametrize("effect", [types_pb2.EFFECT_UNSPECIFIED, types_pb2.EFFECT_DENY, 3, 99, -1])
def test_every_effect_but_allow_is_a_deny(odd, effect):
    decision = odd(types_pb2.Decision(effect=effect, credential=types_pb2.Credential(kind="jwt", value="x")))
    assert not decision
    assert decision.credential is None


def test_a_missing_decision_is_a_deny(odd):
    assert not odd(None)


def _obliged(data=b'{"to": "crm"}'):
    return types_pb2.Decision(
        effect=types_pb2.EFFECT_ALLOW,
        credential=types_pb2.Credential(kind="jwt", value="x"),
        obligations=[types_pb2.Obligation(id="log_to_case", properties_json=data)],
    )


def test_an_obligation_without_a_handler_is_a_deny(odd):
    decision = odd(_obliged(), obligations=["another"])
    assert not decision
    assert decision.code == "obligation_unknown"
    assert decision.credential is None


def test_an_obligation_that_the_program_fulfils_is_handed_over(odd):
    decision = odd(_obliged(), obligations=["log_to_case"])
    assert decision
    assert decision.obligations == (tabard.Obligation("log_to_case", {"to": "crm"}),)


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff", b"[" * 5000])
def test_an_obligation_that_cannot_be_read_is_a_deny(odd, data):
    assert not odd(_obliged(data), obligations=["log_to_case"])


def test_a_restarted_sidecar_is_found_again(tmp_path):
    with FakeSidecar() as first:
        first.allow("t")
        with tabard.connect(first.address, timeout_seconds=10) as client:
            task = client.start_task("token")
            assert task.authorize("t")
    second = FakeSidecar()
    second.address = f"unix:{tmp_path}/s"
    with tabard.connect(second.address, timeout_seconds=10) as client:
        with pytest.raises(tabard.Unavailable):
            client.start_task("token")
        with second:
            second.allow("t")
            client.wait_ready(10)
            assert client.start_task("token").authorize("t")


@pytest.mark.parametrize("options", [{"timeout_seconds": 0}, {"timeout_seconds": -1}, {"obligations": "one"}])
def test_senseless_options_are_refused(options):
    with pytest.raises(tabard.InvalidRequest):
        tabard.connect("unix:/nowhere", **options)
