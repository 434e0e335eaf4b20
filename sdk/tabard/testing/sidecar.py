"""A fake sidecar: the real API over a real socket, with decisions that a test scripts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc

from tabard.address import SOCKET_NAME
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc
from tabard.testing.rules import Answer, Decided, RecordedCall, ReportedOutcome, Script, When
from tabard.testing.services import FakeState, Services

__all__ = ["FakeSidecar", "RecordedCall"]


class FakeSidecar:
    """A sidecar for tests. It denies every call that the test hasn't allowed, and verifies nothing.

    ::

        with FakeSidecar() as fake:
            fake.allow("orders.*", audience="orders")
            client = tabard.connect(fake.address)
    """

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="tabard-")
        self._script = Script()
        self._state = FakeState(self._script)
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8, thread_name_prefix="fake-sidecar"))
        self.address = f"unix:{Path(self._directory.name) / SOCKET_NAME}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        services = Services(self._state)
        task_grpc.add_TaskServiceServicer_to_server(services, self._server)
        authorization_grpc.add_AuthorizationServiceServicer_to_server(services, self._server)
        credential_grpc.add_CredentialServiceServicer_to_server(services, self._server)
        self._server.add_insecure_port(self.address)
        self._server.start()

    def stop(self) -> None:
        """Stop listening and remove the socket."""
        self._server.stop(grace=None).wait()
        self._directory.cleanup()

    @property
    def calls(self) -> list[RecordedCall]:
        """Every tool call that was asked about, in order."""
        return list(self._state.calls)

    @property
    def started(self) -> list[Mapping[str, Any]]:
        """Every task that was asked for: subject_token, intent_token, purpose, statement, request_id."""
        return list(self._state.started)

    @property
    def ended(self) -> list[str]:
        """Grants whose part of a task was ended."""
        return list(self._state.ended)

    @property
    def outcomes(self) -> list[ReportedOutcome]:
        """Every outcome that was reported, in order."""
        return list(self._state.outcomes)

    @property
    def grant(self) -> str:
        """A grant as :meth:`tabard.Client.start_task` gets it, for tests that start from a handed-over one."""
        return self._state.grant

    def allow(  # noqa: PLR0913  # what an answer consists of
        self,
        tool: str,
        *,
        when: When | None = None,
        times: int | None = None,
        code: str = "allowed_by_test",
        kind: str = "jwt",
        value: str = "",
        fields: Mapping[str, str] | None = None,
        audience: str = "",
        scopes: Sequence[str] = (),
        ttl_seconds: float = 60.0,
        single_use: bool = False,
        uses: int = 0,
        obligations: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Allow calls of the tools that the glob matches.

        Args:
            tool: glob over tool names.
            when: only if this is true of the arguments.
            times: only that many times.
            code: code of the reason.
            kind: kind of the credential, ``"none"`` for no credential.
            value: secret of the credential; made up if empty and there are no fields.
            fields: secrets of a credential that is more than one string, like a database login of kind ``"vault"``.
            audience: audience of the credential.
            scopes: scopes of the credential.
            ttl_seconds: lifetime of the credential.
            single_use: whether the credential is for one use.
            uses: how many uses it is for; 0 for any number.
            obligations: properties by obligation id.
        """
        answer = Answer(
            allowed=True,
            code=code,
            kind=kind,
            value=value,
            fields=fields or {},
            audience=audience,
            scopes=tuple(scopes),
            ttl_seconds=ttl_seconds,
            uses=1 if single_use else uses,
            obligations=obligations or {},
        )
        self._script.add(tool, answer, when, times)

    def deny(  # noqa: PLR0913  # what an answer consists of
        self,
        tool: str,
        *,
        code: str = "denied_by_test",
        message: str = "denied by the test",
        model_message: str = "",
        when: When | None = None,
        times: int | None = None,
    ) -> None:
        """Deny calls of the tools that the glob matches, as :meth:`allow` allows them."""
        answer = Answer(allowed=False, code=code, message=message, model_message=model_message)
        self._script.add(tool, answer, when, times)

    def ask(  # noqa: PLR0913  # what an answer consists of
        self,
        tool: str,
        *,
        when: When | None = None,
        times: int | None = None,
        kind: str = "jwt",
        audience: str = "",
        scopes: Sequence[str] = (),
        decided: Decided = "",
    ) -> None:
        """Demand an approval for calls of the tools that the glob matches.

        :attr:`approvals` has what waits; :meth:`approve`, :meth:`refuse` and :meth:`expire` are the person. With
        ``decided`` (``"approved"``, ``"refused"``, ``"expired"``) the person decides each call at once, so that a test of
        ``wait_for_approval`` doesn't wait. What was approved is allowed with a credential of ``kind``, once.
        """
        approved = Answer(
            allowed=True, code="allowed_by_test", kind=kind, audience=audience, scopes=tuple(scopes)
        )
        answer = Answer(
            allowed=False,
            code="approval_required",
            message="a person has to approve",
            approved=approved,
            decided=decided,
        )
        self._script.add(tool, answer, when, times)

    @property
    def approvals(self) -> list[str]:
        """Approvals that wait for a person, by id, oldest first."""
        return self._state.approvals.waiting()

    def approve(self, approval_id: str = "") -> None:
        """Approve one call, a group of them, or every one that waits.

        Raises:
            KeyError: nothing waits under that id.
        """
        self._state.approvals.decide(approval_id, "approved")

    def refuse(self, approval_id: str = "") -> None:
        """Refuse one call, a group of them, or every one that waits.

        Raises:
            KeyError: nothing waits under that id.
        """
        self._state.approvals.decide(approval_id, "refused")

    def expire(self, approval_id: str = "") -> None:
        """Let the time of one call, of a group of them, or of every one that waits be over.

        Raises:
            KeyError: nothing waits under that id.
        """
        self._state.approvals.decide(approval_id, "expired")

    def fail(
        self,
        tool: str,
        *,
        status: str = "UNAVAILABLE",
        code: str = "state_unavailable",
        times: int | None = None,
    ) -> None:
        """Answer calls of the tools that the glob matches with a gRPC error: no decision is made."""
        self._script.add(tool, Answer(allowed=False, code=code, status=status), None, times)

    def deny_tasks(self, code: str = "subject_token_expired", message: str = "denied by the test") -> None:
        """Refuse to start or delegate tasks from now on."""
        self._state.task_denial = Answer(allowed=False, code=code, message=message)
