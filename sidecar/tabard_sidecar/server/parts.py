"""Builds the components of a sidecar from its settings."""

from __future__ import annotations

import os
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING

from tabard_sidecar.approvals import ApprovalParts, build_approvals
from tabard_sidecar.config import Settings
from tabard_sidecar.credentials import build_issuers, zone_issuer
from tabard_sidecar.grants import GrantService
from tabard_sidecar.identity import LOCAL_ISSUER
from tabard_sidecar.keys import Keyring, ZoneKeys
from tabard_sidecar.keys.sealing import EXCHANGED_TOKENS, REPLIES, SUBJECT_TOKENS, DerivedSealingKeys
from tabard_sidecar.pipeline.changes import ChangeRecorder
from tabard_sidecar.pipeline.idempotency import IdempotencyStore
from tabard_sidecar.pipeline.issuing import CredentialIssuance
from tabard_sidecar.pipeline.observing import Observing
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.reading import CallReader
from tabard_sidecar.pipeline.reservations import Reservations
from tabard_sidecar.pipeline.runner import DecisionRunner
from tabard_sidecar.pipeline.stages import Stages
from tabard_sidecar.pipeline.store_epoch import StoreEpoch
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.pipeline.task_states import TaskStates
from tabard_sidecar.policy.argument_checks import ArgumentChecks
from tabard_sidecar.records.audit import AuditObserver, create_decision_log
from tabard_sidecar.records.decision_log import Hooks, SinkDecisionLog
from tabard_sidecar.records.observer import RecordsObserver
from tabard_sidecar.records.timed_state import timed
from tabard_sidecar.records.tracing_factory import create_tracing
from tabard_sidecar.revocation import build_revocation, lease_targets, pruner
from tabard_sidecar.server.early_parts import EarlyParts
from tabard_sidecar.server.identities import configured_identity
from tabard_sidecar.server.state_standing import StateStanding
from tabard_sidecar.server.store_split import StoreSplit
from tabard_sidecar.state import StateStore
from tabard_sidecar.state.factory import create_store
from tabard_sidecar.util.clock_watch import ClockWatch

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange import ExchangeEnding, ExchangeIssuer
    from tabard_sidecar.credentials.subject_tokens import KeptSubjectTokens
    from tabard_sidecar.credentials.vault import LeaseEnding, VaultIssuer
    from tabard_sidecar.health import Health
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.server.control_keys import ControlFollower
    from tabard_sidecar.server.shadowing import Shadowing


class Parts:
    """The components of a sidecar, in the order in which they are built."""

    def __init__(self, early: EarlyParts) -> None:
        settings = self.settings = early.settings
        clock = self.clock = early.clock
        self.version, self.health, self.metrics = early.version, early.health, early.metrics
        self.catalogues, self.catalogue = early.catalogues, early.catalogue
        self.policy_options, self.engine, self.policy = early.policy_options, early.engine, early.policy
        self.clock_watch = ClockWatch(clock)
        self.tracing = create_tracing(
            settings.telemetry,
            version=self.version,
            zone=settings.zone,
            instance=str(os.getpid()),
        )
        self.keyring, self.control = self._keys()
        self.identity = configured_identity(
            settings, clock, lambda result: self.metrics.jwks_fetches.labels(result).inc()
        )
        self.grants = GrantService(
            self.keyring,
            settings.zone,
            accepts_asserted_intent=settings.insecure.accept_asserted_intent,
        )
        self.metrics.pull_grants_verified(lambda: asdict(self.grants.verifications))
        self.state_standing = StateStanding(
            self.health.component("state"),
            clock,
            None if settings.state.is_redis else settings.state.path(settings.zone).parent,
        )
        store = create_store(settings.state, settings.zone)
        self.state = timed(store, self.metrics, self.state_standing.failed)
        self.vaults = _vaults(settings, self.state, clock, self.health)
        self.kept_tokens = _kept_tokens(settings, self.state, self.keyring)
        self.exchanges = self._exchanges()
        self.endings = [
            ending
            for ending in (_ending(self.vaults, self.state, clock), self._exchange_ending())
            if ending is not None
        ]
        self.revoking = build_revocation(
            settings.revocation,
            self.state,
            clock=clock,
            max_task_seconds=settings.limits.max_task_seconds,
            report=self.health.component("revocation").report,
            steady=self.clock_watch.steady,
            hooks=self.endings,
        )
        for ending in self.endings:
            self.revoking.subscribe(ending.take)
        self.revoking.subscribe(pruner(self.grants.forget))
        self.metrics.revocation_age.set_function(lambda: self.revoking.feed.age_seconds)
        self.task_cache = TaskStateCache()
        self.epoch = StoreEpoch(self.state, clock, (self.task_cache.clear, self.metrics.state_rollbacks.inc))
        self.store_split = StoreSplit(self.health.component("zone"), clock, _place(settings))
        self.task_states = TaskStates(
            self.state, self.task_cache, self.epoch, self.revoking.checks, clock, self.store_split.unknown
        )
        self.approving = self._approvals()
        self.arguments = ArgumentChecks()
        self.log = self._decision_log()
        self.shadowing = self._shadowing()
        self.stages = self._stages()

    def _keys(self) -> tuple[ZoneKeys, ControlFollower | None]:
        """Return the zone's keys, and what follows them if they come from a control service.

        Raises:
            KeyringError: the key directory or a file in it is refused.
        """
        settings, config = self.settings, self.settings.keys.control
        if config is None:
            return Keyring(
                settings.keys.directory, clock=self.clock, max_stale_seconds=settings.keys.max_stale_seconds
            ), None
        from tabard_sidecar.keys.control import ControlKeys  # noqa: PLC0415 - only for who uses it
        from tabard_sidecar.server.control_keys import ControlFollower  # noqa: PLC0415

        keys = ControlKeys(settings.zone, config.url, clock=self.clock)
        self.metrics.control_failing_since.set_function(lambda: keys.failing_since or 0.0)
        return keys, ControlFollower(
            config, settings.zone, keys, lambda result: self.metrics.control_fetches.labels(result).inc()
        )

    def _exchanges(self) -> ExchangeIssuer | None:
        """Build the issuer of kind exchange; ``None`` if no identity provider is configured for it.

        Raises:
            ValueError: it can't be used as it is configured.
        """
        if self.kept_tokens is None:
            return None
        from tabard_sidecar.credentials.exchange import TokenJournal, build_exchanges  # noqa: PLC0415 - only for who uses it

        return build_exchanges(
            self.settings.exchange,
            self.kept_tokens,
            TokenJournal(self.state, DerivedSealingKeys(self.keyring, EXCHANGED_TOKENS)),
            self.identity.subjects,
            targets=lease_targets,
            clock=self.clock,
            allow_http=self.settings.insecure.allow_http,
            report=self.health.component("exchange").report,
        )

    def _exchange_ending(self) -> ExchangeEnding | None:
        """Build what revokes exchanged tokens; ``None`` if nothing exchanges any."""
        if self.exchanges is None:
            return None
        from tabard_sidecar.credentials.exchange import ExchangeEnding  # noqa: PLC0415 - only for who uses it

        return ExchangeEnding(self.exchanges, clock=self.clock)

    def _approvals(self) -> ApprovalParts:
        return build_approvals(
            self.settings.approvals,
            state=self.state,
            keyring=self.keyring,
            grants=self.grants,
            subjects=self.identity.subjects,
            agent=self.identity.agent,
            revocations=self.revoking.checks,
            standings=self.task_states,
            clock=self.clock,
            allow_http=self.settings.insecure.allow_http,
        )

    def _decision_log(self) -> SinkDecisionLog:
        required = not self.settings.insecure.audit_optional
        return create_decision_log(
            self.settings.audit,
            labels={
                "id": str(uuid.uuid4()),
                "version": self.version,
                "zone": self.settings.zone,
                "pid": str(os.getpid()),
            },
            observer=AuditObserver(self.metrics, self.health.component("audit"), required=required),
            hooks=Hooks(
                mask=self.policy.mask,
                masks=lambda: self.policy.masks_records,
                trace_ids=self.tracing.ids,
                now=lambda: 0.0 if self.clock_watch.problem else self.clock(),
            ),
            required=required,
            issuers=_issuers(self.settings),
        )

    def _shadowing(self) -> Shadowing | None:
        """Build what tries the candidate policy; ``None`` if none is configured."""
        config = self.settings.policy.shadow
        if config is None:
            return None
        from tabard_sidecar.server.shadowing import Shadowing  # noqa: PLC0415 - only for who uses it

        report = self.health.component("shadow").report
        found = Shadowing(self.settings, config, self.log, self.metrics, report, self.clock)
        found.beside(self.policy, self.engine, self.policy_options)
        return found

    def _stages(self) -> Stages:
        settings, clock = self.settings, self.clock
        log = self.log if self.shadowing is None else self.shadowing.tapped
        observer = RecordsObserver(self.metrics, self.tracing)
        issuers = build_issuers(
            settings.credentials,
            zone=settings.zone,
            keyring=self.keyring,
            clock=clock,
            others=[issuer for issuer in (self.vaults, self.exchanges) if issuer is not None],
        )
        return Stages(
            decisions=DecisionRunner(log, observer, clock),
            changes=ChangeRecorder(log, clock),
            agent=self.identity.agent,
            grants=self.grants,
            catalogue=self.catalogue,
            calls=CallReader(),
            arguments=self.arguments,
            task_states=self.task_states,
            revocations=self.revoking.checks,
            approvals=self.approving.requester,
            idempotency=IdempotencyStore(
                self.state,
                DerivedSealingKeys(self.keyring, REPLIES),
                clock,
                ttl_seconds=settings.state.request_ttl_seconds,
            ),
            inputs=PolicyInput(),
            policy=self.policy,
            observing=Observing(settings.insecure.observe),
            reservations=Reservations(self.state, self.task_cache, self.epoch, clock),
            issuers=issuers,
            issuance=CredentialIssuance(issuers, clock, self.task_states.check_call),
            state=self.state,
            observer=observer,
            clock=clock,
        )


def _place(settings: Settings) -> str:
    """Return where the state store is, for messages."""
    state = settings.state
    return state.url.partition("?")[0] if state.is_redis else str(state.path(settings.zone))


def _vaults(settings: Settings, state: StateStore, clock: Clock, health: Health) -> VaultIssuer | None:
    """Build the issuer of kind vault; ``None`` if no vault is configured.

    Raises:
        ValueError: it can't be used as it is configured, or the packages for it aren't installed.
    """
    if not settings.vault:
        return None
    try:
        from tabard_sidecar.credentials.vault import build_vaults  # noqa: PLC0415 - only for who uses it
    except ImportError as error:
        raise ValueError(
            f"vault is configured and {error.name} isn't installed: install tabard-sidecar[vault]"
        ) from error
    return build_vaults(
        settings.vault,
        state,
        targets=lease_targets,
        clock=clock,
        allow_http=settings.insecure.allow_http,
        report=health.component("vault").report,
    )


def _kept_tokens(settings: Settings, state: StateStore, keyring: ZoneKeys) -> KeptSubjectTokens | None:
    """Build what keeps people's tokens for exchanges; ``None`` if none is configured."""
    if not settings.exchange:
        return None
    from tabard_sidecar.credentials.subject_tokens import KeptSubjectTokens  # noqa: PLC0415 - only for who uses it

    issuers = {server.subject_issuer for server in settings.exchange.values()}
    return KeptSubjectTokens(state, DerivedSealingKeys(keyring, SUBJECT_TOKENS), issuers)


def _ending(vaults: VaultIssuer | None, state: StateStore, clock: Clock) -> LeaseEnding | None:
    """Build what ends credentials in their vaults; ``None`` if no vault is configured."""
    if vaults is None:
        return None
    from tabard_sidecar.credentials.vault import LeaseEnding  # noqa: PLC0415 - only for who uses it

    return LeaseEnding(vaults, state, clock=clock)


def _issuers(settings: Settings) -> set[str]:
    """Return the issuers whose tokens are secrets in this zone, its own included."""
    identity = settings.identity
    found = {item.issuer for item in identity.issuers} | {item.issuer for item in identity.initiators}
    found |= {LOCAL_ISSUER, zone_issuer(settings.credentials, settings.zone)}
    account, svid = identity.agent.service_account, identity.agent.spiffe
    if svid is not None:
        found.add(f"spiffe://{svid.trust_domain}")
    return found if account is None else found | {account.issuer}
