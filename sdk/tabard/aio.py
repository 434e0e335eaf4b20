"""The client for asyncio programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from tabard import _approvals, _blocks, _context, _convert, errors
from tabard import _transport as transport
from tabard._asking_aio import AioAskingTask
from tabard._connection import AioConnection
from tabard._decision import Decision
from tabard._model import Credential, Introspection, TaskInfo, ToolCall, ToolRef
from tabard._task import approved_request, renewed, tool_call
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import task_service_pb2 as task_pb

if TYPE_CHECKING:
    from tabard._hooks import OnApproval, OnDenied
    from tabard.caveats import Limits


def connect(  # noqa: PLR0913  # how a client calls
    address: str | None = None,
    *,
    timeout_seconds: float = transport.DEFAULT_TIMEOUT_SECONDS,
    obligations: Collection[str] = (),
    on_denied: OnDenied | None = None,
    on_approval: OnApproval | None = None,
    zone: str = "",
) -> Client:
    """Return a client of the sidecar on this machine. The connection is made with the first call.

    Args:
        address: where the sidecar listens; by default ``$TABARD_ADDRESS``, else ``listen.agent`` of ``tabard.yaml`` in the
            working directory, else the usual socket.
        timeout_seconds: deadline of every call that names none.
        obligations: ids of the obligations that this program fulfils when a decision carries them. A decision with
            any other is a deny.
        on_denied: the default of :func:`tabard.guard` for functions guarded by this client's tasks.
        on_approval: the default of :func:`tabard.guard`, likewise.
        zone: the only zone whose sidecar may start tasks, in case the address leads to another one's. Empty: any.

    Raises:
        InvalidRequest: the address isn't one on this machine, or its directory isn't private.
    """
    return Client(transport.options(address, timeout_seconds, obligations, on_denied, on_approval, zone=zone))


class Client:
    """A connection to the sidecar, for any event loop. Close it, or use it in an ``async with`` block."""

    def __init__(self, options: transport.Options) -> None:
        self._connection = AioConnection(options)

    def __repr__(self) -> str:
        return f"<tabard.aio.Client {self._connection.options.address}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight fail."""
        await self._connection.close()

    async def wait_ready(self, timeout_seconds: float = 30.0) -> None:
        """Wait until the sidecar accepts connections, for programs that may start before it.

        Raises:
            Unavailable: it didn't in time.
        """
        await self._connection.wait_ready(timeout_seconds)

    async def start_task(  # noqa: PLR0913  # what a task is started from
        self,
        subject_token: str,
        *,
        intent_token: str = "",
        purpose: str = "",
        statement: str = "",
        limits: Limits | None = None,
        request_id: str = "",
        timeout_seconds: float | None = None,
    ) -> Task:
        """Start a task on behalf of the person that ``subject_token`` speaks of.

        Args:
            subject_token: access token of the person, or the handover that ``delegate(zone=…)`` of another zone returned.
            intent_token: what the person asked for, signed by the front end.
            purpose: purpose, where there is no signed intent.
            statement: the request in the person's own words, where there is no signed intent.
            limits: narrows the grant below what policy offers.
            request_id: set it to get the same task when the call is repeated by another process.
            timeout_seconds: deadline of this call.

        Raises:
            Denied: policy or identity checks refuse.
            TabardError: no decision was made.
        """
        request = _convert.start_message(
            subject_token, intent_token, purpose, statement, limits, request_id or transport.request_id()
        )
        connection = self._connection
        response = await connection.call(
            connection.tasks.StartTask, request, timeout_seconds, repeatable=True
        )
        connection.decision(response.decision).raise_if_denied()
        return Task(connection, response.grant, _convert.task(response.task))

    def task(self, grant: str) -> Task:
        """Return the task of a grant that another workload handed over. Nothing is checked or sent yet."""
        return Task(self._connection, grant, None)


class Task(AioAskingTask):
    """The authority to work on one task, and everything that can be done with it."""

    __slots__ = ()

    async def authorize(  # noqa: PLR0913  # the parts of a request
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        server: str = "",
        scopes: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
        request_id: str = "",
        discharges: Sequence[str] = (),
        wait_for_approval: float = 0.0,
        on_approval: Callable[[errors.ApprovalRequired], Awaitable[object]] | None = None,
        timeout_seconds: float | None = None,
    ) -> Decision:
        """Ask whether one tool call may be made, and get the credential for it.

        Args:
            name: name of the tool.
            arguments: exactly the arguments that the call will be made with.
            server: server or integration that offers the tool.
            scopes: scopes that the credential should carry; empty means those that policy grants.
            context: facts that policy may see as asserted by the caller.
            request_id: makes asking idempotent, so that a failed attempt is repeated.
            discharges: serialised discharges of third-party caveats.
            wait_for_approval: how many seconds to wait if a person has to approve first. The sidecar is polled
                meanwhile; no call is held open.
            on_approval: called if a person has to approve first, before the wait. After it has returned, the sidecar is
                polled at least once.
            timeout_seconds: deadline of every single request to the sidecar.

        Raises:
            ApprovalRequired: a person has to approve first, refused, or didn't decide in time.
            Denied: the call must not be made.
            InvalidRequest: the request is malformed.
            Unavailable: no decision could be made.
        """
        until = _approvals.deadline(wait_for_approval)
        call = tool_call(name, arguments, server, scopes, context, request_id)
        decision = await self._ask(self._request(call, discharges), timeout_seconds)
        for _ in range(_approvals.MAX_ROUNDS if wait_for_approval or on_approval else 0):
            if not _approvals.waits(decision):
                break
            if on_approval is not None:
                await on_approval(_approvals.required(decision))
                until = _approvals.deadline(wait_for_approval)
            request = approved_request(call, *await self._wait(decision, until, timeout_seconds))
            decision = await self._ask(request, timeout_seconds)
        return decision.raise_if_denied()

    async def decide(self, call: ToolCall, *, timeout_seconds: float | None = None) -> Decision:
        """Ask as :meth:`authorize` does, but return a deny instead of raising it.

        Raises:
            TabardError: no decision was made.
        """
        return await self._ask(self._request(call, ()), timeout_seconds)

    @asynccontextmanager
    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401  # see authorize
    ) -> AsyncIterator[Decision]:
        """Authorize one tool call and make its credential current inside the ``with`` block.

        Takes what :meth:`authorize` takes and raises what it raises.

        Raises:
            InvalidRequest: a generator enters it, so that code outside of the block could see the credential.
        """
        _blocks.require_bounded()
        with _context.ActiveCall(await self.authorize(name, arguments, **options)) as decision:
            yield decision

    async def filter_tools(
        self, tools: Iterable[str | ToolRef] = (), *, timeout_seconds: float | None = None
    ) -> tuple[ToolRef, ...]:
        """Return those of ``tools`` for which some call might be allowed; by default, of the whole catalogue.

        Raises:
            TabardError: the sidecar didn't answer.
        """
        request = _convert.filter_message(self._grant, tools)
        connection = self._connection
        response = await connection.call(
            connection.authorization.FilterTools, request, timeout_seconds, repeatable=True
        )
        return tuple(ToolRef(tool.name, tool.server) for tool in response.tools)

    async def delegate(
        self,
        holder: str,
        limits: Limits | None = None,
        *,
        zone: str = "",
        timeout_seconds: float | None = None,
    ) -> str:
        """Return a grant for another workload, which uses it through its own sidecar.

        For a workload of another zone it is a handover, with which that starts a task of its own (``start_task``), within
        a minute and once.

        Args:
            holder: SPIFFE ID of the workload.
            limits: narrows the new grant.
            zone: zone of the workload, if it is another one.
            timeout_seconds: deadline of this call.

        Raises:
            Denied: policy refuses.
            TabardError: no decision was made.
        """
        limits_message = None if limits is None else _convert.limits_message(limits)
        request = _convert.message(
            task_pb.DelegateTaskRequest, grant=self._grant, holder=holder, limits=limits_message, zone=zone
        )
        connection = self._connection
        response = await connection.call(
            connection.tasks.DelegateTask, request, timeout_seconds, repeatable=False
        )
        connection.decision(response.decision).raise_if_denied()
        return response.grant

    async def get(self, *, timeout_seconds: float | None = None) -> TaskInfo:
        """Return the task as this holder may see it.

        Raises:
            Denied: the grant doesn't verify.
            TabardError: the sidecar didn't answer.
        """
        request = _convert.message(task_pb.GetTaskRequest, grant=self._grant)
        connection = self._connection
        response = await connection.call(connection.tasks.GetTask, request, timeout_seconds, repeatable=True)
        return _convert.task(response.task)

    async def end(self, *, timeout_seconds: float | None = None) -> None:
        """End this holder's part of the task: this grant and every one derived from it are refused from now on.

        Raises:
            TabardError: it could not be ended.
        """
        request = _convert.message(task_pb.EndTaskRequest, grant=self._grant)
        connection = self._connection
        await connection.call(connection.tasks.EndTask, request, timeout_seconds, repeatable=True)

    async def report_outcome(  # noqa: PLR0913  # the parts of an outcome
        self,
        decision: Decision,
        *,
        succeeded: bool = True,
        charges: Mapping[str, int] | None = None,
        labels: Iterable[str] = (),
        signed_outcome: str = "",
        timeout_seconds: float | None = None,
    ) -> None:
        """Report what an allowed call cost and which labels its result has.

        Args:
            decision: the decision that allowed it.
            succeeded: whether the call did what it was meant to do; recorded only.
            charges: what it cost beyond the decision's charge, by name of the budget; counted each time it is reported.
            labels: labels of what it returned, for example ``"untrusted"``.
            signed_outcome: what the backend returned in the header ``Tabard-Outcome``; only this can give charges back.
                It counts once per decision, so it can be reported again when no answer came.
            timeout_seconds: deadline of this call.

        Raises:
            InvalidRequest: the decision isn't known any more, or the signed outcome isn't acceptable.
            TabardError: it could not be counted.
        """
        request = _convert.outcome_message(
            self._grant, decision.decision_id, succeeded, charges or {}, labels, signed_outcome
        )
        connection = self._connection
        await connection.call(
            # Charges of one's own count each time; a signed outcome and labels don't.
            connection.authorization.ReportOutcome,
            request,
            timeout_seconds,
            repeatable=not charges,
        )

    async def renew(
        self,
        credential: Credential,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Credential:
        """Return a credential that replaces one which hasn't expired yet.

        Policy decides about the call again, so ``arguments`` are those of the call for which it was issued.

        Raises:
            Denied: policy refuses, the arguments are others, or the credential is for single use.
            TabardError: no decision was made.
        """
        request = _convert.renew_message(self._grant, credential, arguments or {})
        connection = self._connection
        response = await connection.call(
            connection.credentials.RenewCredential, request, timeout_seconds, repeatable=False
        )
        decision = connection.decision(response.decision).raise_if_denied()
        return renewed(decision)

    async def revoke(self, credential: Credential, *, timeout_seconds: float | None = None) -> None:
        """Revoke a credential that this holder was given, and all its renewals: backends that introspect refuse them from now on.

        Raises:
            TabardError: it could not be revoked.
        """
        request = _convert.message(
            credential_pb.RevokeCredentialRequest,
            grant=self._grant,
            credential_id=credential.credential_id,
        )
        connection = self._connection
        await connection.call(
            connection.credentials.RevokeCredential, request, timeout_seconds, repeatable=True
        )

    async def introspect(
        self, credential: Credential, *, timeout_seconds: float | None = None
    ) -> Introspection:
        """Ask whether a credential of this task is active.

        Raises:
            TabardError: the sidecar didn't answer.
        """
        request = _convert.message(
            credential_pb.IntrospectCredentialRequest, grant=self._grant, credential=credential.value
        )
        connection = self._connection
        response = await connection.call(
            connection.credentials.IntrospectCredential, request, timeout_seconds, repeatable=True
        )
        return _convert.introspection(response)

    def _derived(self, grant: str) -> Self:
        return type(self)(self._connection, grant, self._info)
