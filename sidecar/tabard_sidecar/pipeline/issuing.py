"""Prepares credentials and issues them; what leaves this process is recorded before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tabard_sidecar.credentials import Issuers
from tabard_sidecar.credentials.computed import ComputingIssuer
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import clamp_credential
from tabard_sidecar.interfaces import Clock, CredentialIssuer, Observer, Withdrawal
from tabard_sidecar.model import (
    CredentialRequest,
    CredentialTemplate,
    Delivery,
    IssuedCredential,
)
from tabard_sidecar.pipeline.recorder import DecisionRecorder
from tabard_sidecar.pipeline.requests import VerifiedCall
from tabard_sidecar.util.ids import new_id

MOST_ISSUE_SECONDS = 60.0
"""How long an issuer may take. It bounds its own time; this is for one that fails to."""


Standing = Callable[[VerifiedCall], Awaitable[None]]
"""Checks with the state store that nothing was ended or revoked that a call depends on; raises Refused or NoDecision."""


class PendingCredential:
    """A credential that may be computed before it is issued, if its issuer only computes.

    Signing takes about as long as a remote state store takes to answer, so it is done at the same time. The computed
    credential leaves this object by :meth:`issue` only: after the reservation was made.
    """

    def __init__(
        self, issuers: Issuers, request: CredentialRequest, standing: Callable[[], Awaitable[None]]
    ) -> None:
        self.request = request
        self._standing = standing
        self._issuer = issuers.get(request.kind)
        self._computed: IssuedCredential | None = None

    @property
    def computes(self) -> bool:
        """Whether issuing it only computes, so that nothing leaves this process."""
        return isinstance(self._issuer, ComputingIssuer)

    def compute(self) -> None:
        """Compute the credential, if its issuer only computes; :meth:`issue` raises an error of it again."""
        try:
            self._computed = self._issuer.compute(self.request)
        except Exception:  # noqa: BLE001 - the reservation is running; issue() meets the same error and raises it
            self._computed = None

    async def issue(self, recorder: DecisionRecorder, observer: Observer) -> IssuedCredential:
        """Issue the credential, after a record of the intent if something leaves this process with it.

        A computed credential leaves with the reply, before which the decision is recorded. Another process
        learns of the others when they are issued.

        Raises:
            NoDecision: the intent can't be recorded, or the issuer's backend or key can't be reached.
            Refused: the credential can't be encoded or is too large; its task was ended or revoked meanwhile.
        """
        computed = self._computed
        if computed is None:
            with observer.stage("issue"):
                computed = self._issuer.compute(self.request)
        if computed is None or recorder.answer_is_stored:
            with observer.stage("record"):
                await recorder.intend(self.request)
        if computed is not None:
            return computed
        with observer.stage("issue"):
            issuance = RunningIssuance(self._issuer, self.request)
            recorder.taken.issuing(issuance)
            issued = await issuance.issued()
            # The issuer hears of what is revoked from its start on. What was revoked before that, or is acknowledged by
            # another sidecar, stands in the store.
            await self._standing()
            return issued


class RunningIssuance:
    """A credential that another system issues. It goes on if the caller goes away, so that it is known what to end."""

    def __init__(self, issuer: CredentialIssuer, request: CredentialRequest) -> None:
        self._issuer = issuer
        self._request = request
        self._running = asyncio.create_task(issuer.issue(request))

    async def issued(self) -> IssuedCredential:
        """Return the credential; see :meth:`CredentialIssuer.issue`."""
        return await asyncio.shield(self._running)

    def commit(self) -> None:
        """Tell the issuer that the answer leaves now."""
        self._issuer.commit(self._request)

    async def withdraw(self) -> Withdrawal:
        """Wait until issuing has ended, and end the credential."""
        self._issuer.give_up(self._request)
        # Its error was raised by issued(), unless the caller had gone.
        await asyncio.wait((self._running,), timeout=MOST_ISSUE_SECONDS)
        if not self._running.done():
            self._running.cancel()
            await asyncio.wait((self._running,))
        if not self._running.cancelled():
            self._running.exception()  # so that asyncio doesn't report it
        return await self._issuer.withdraw(self._request)


class CredentialIssuance:
    """Prepares credentials, narrowed to the grant.

    Args:
        issuers: one per credential kind.
        clock: time in seconds since the epoch.
        standing: asked right before the answer, if another system issued the credential.
    """

    def __init__(self, issuers: Issuers, clock: Clock, standing: Standing) -> None:
        self._issuers = issuers
        self._standing = standing
        self._clock = clock

    def prepare(  # noqa: PLR0913, PLR0917 - one argument per part of a credential request
        self,
        call: VerifiedCall,
        template: CredentialTemplate,
        scopes: Sequence[str],
        decision_id: str,
        renews: str = "",
        labels: tuple[str, ...] = (),
    ) -> PendingCredential:
        """Narrow what policy offers to the grant and to the requested scopes.

        ``labels`` are those that policy saw. The new id belongs to the line of the credential ``renews``, if it replaces one.

        Raises:
            Refused: the audience or a scope isn't granted, no issuer of that kind is configured, or only an edge gets it.
        """
        if template.delivery is Delivery.EDGE and call.request.delivery is not Delivery.EDGE:
            raise Refused(
                "edge_required", f"policy lets only an edge have the credential for {template.audience!a}"
            )
        now = self._clock()
        audience, granted, expires_at = clamp_credential(call.grant, template, scopes, now)
        return PendingCredential(
            self._issuers,
            CredentialRequest(
                credential_id=new_id(line=renews),
                decision_id=decision_id,
                kind=template.kind,
                audience=audience,
                scopes=granted,
                issued_at=now,
                expires_at=expires_at,
                uses=template.uses,
                role=template.role,
                agent=call.agent,
                grant=call.grant,
                call=call.tool,
                labels=labels,
            ),
            lambda: self._standing(call),
        )
