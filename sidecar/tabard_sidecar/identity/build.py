"""Builds the identity components from the configuration."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tabard_sidecar.identity.agent import (
    AgentIdentity,
    KubernetesAgent,
    NoAgent,
    ServiceAccountTerms,
    StaticAgent,
)
from tabard_sidecar.identity.intent import Initiator, IntentTokens
from tabard_sidecar.identity.local import local_issuer
from tabard_sidecar.identity.sources import FileKeys, Freshness, KeyLocation, KeySource, RemoteKeys
from tabard_sidecar.identity.subject import Issuer, SubjectTokens
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from tabard_sidecar.identity.conf import (
        IdentityConfig,
        IssuerConfig,
        KeySourceConfig,
        SpiffeConfig,
        TrustedZoneConfig,
    )
    from tabard_sidecar.identity.handover import HandoverTokens
    from tabard_sidecar.interfaces import Clock

_DISCOVERY_PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class InsecureIdentity:
    """Settings of the ``insecure`` section that weaken identity.

    ``agent_id`` states the workload, ``local_subjects`` is the key file of local subject tokens, ``allow_http`` allows
    keys to be fetched over plain http from other hosts than loopback.
    """

    agent_id: str = ""
    local_subjects: Path | None = None
    allow_http: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """The verifiers, with one lifetime."""

    subjects: SubjectTokens
    intents: IntentTokens
    agent: AgentIdentity
    handovers: HandoverTokens | None = None

    async def start(self) -> None:
        """Start the verifiers; remote keys are fetched in the background.

        Raises:
            KeysUnavailable: the configuration can't work, for example because a key file is missing.
        """
        starting = [self.agent.start(), self.subjects.start(), self.intents.start()]
        await asyncio.gather(*starting, *([] if self.handovers is None else [self.handovers.start()]))

    async def close(self) -> None:
        """Close connections and stop tasks."""
        closing = [self.agent.close(), self.subjects.close(), self.intents.close()]
        await asyncio.gather(*closing, *([] if self.handovers is None else [self.handovers.close()]))


def build_identity(  # noqa: PLR0913 - one argument per thing that identity depends on
    config: IdentityConfig,
    *,
    zone: str,
    insecure: InsecureIdentity,
    clock: Clock,
    accept: Sequence[TrustedZoneConfig] = (),
    on_fetch: Callable[[str], None] = lambda _result: None,
    actors: Mapping[str, Iterable[Callable[[], Mapping[str, Any]]]] | None = None,
) -> Identity:
    """Build the verifiers that ``config`` describes.

    Args:
        config: the section ``identity``.
        zone: the zone's name.
        insecure: settings that weaken identity.
        clock: seconds since the epoch.
        accept: zones whose handovers are accepted.
        on_fetch: called with the result of every fetch of an issuer's keys; see :class:`RemoteKeys`.
        actors: who this workload is at issuers beside its identity; see :class:`SubjectTokens`.

    Raises:
        ValueError: the configuration contradicts itself or names a URL that isn't allowed for keys.
        KeyringError: the key file of local subjects can't be used.
    """
    skew = config.clock_skew_seconds
    keys = partial(_keys, insecure=insecure, on_fetch=on_fetch)
    agent = _agent(config, insecure, keys, clock)
    issuers = [_issuer(item, keys(item, item.issuer)) for item in config.issuers]
    if insecure.local_subjects is not None:
        issuers.append(local_issuer(insecure.local_subjects))
    initiators = [
        Initiator(item.issuer, frozenset(item.algorithms), keys(item, item.issuer))
        for item in config.initiators
    ]
    return Identity(
        subjects=SubjectTokens(issuers, agent=agent, clock=clock, skew_seconds=skew, actors=actors),
        intents=IntentTokens(initiators, zone=zone, clock=clock, skew_seconds=skew),
        agent=agent,
        handovers=_handovers(accept, keys, zone, clock, skew),
    )


def _handovers(
    accept: Sequence[TrustedZoneConfig],
    keys: Callable[[KeySourceConfig, str], KeySource],
    zone: str,
    clock: Clock,
    skew: float,
) -> HandoverTokens | None:
    """Build the verifier of handovers; ``None`` if no zone is trusted."""
    if not accept:
        return None
    # Imported here, for who uses it.
    from tabard_sidecar.identity.handover import HandoverTokens, TrustedZone  # noqa: PLC0415

    zones = [
        TrustedZone(
            item.zone,
            item.stated_issuer,
            keys(item, item.stated_issuer),
            frozenset(item.subject_issuers),
            item.kept_claims,
        )
        for item in accept
    ]
    return HandoverTokens(zones, zone=zone, clock=clock, skew_seconds=skew)


def _agent(
    config: IdentityConfig,
    insecure: InsecureIdentity,
    keys: Callable[[KeySourceConfig, str], KeySource],
    clock: Clock,
) -> AgentIdentity:
    account, svid = config.agent.service_account, config.agent.spiffe
    if insecure.agent_id:
        if account is not None or svid is not None:
            raise ValueError("set either identity.agent or insecure.agent_id, not both")
        return StaticAgent(insecure.agent_id)
    if svid is not None:
        return _spiffe_agent(svid, clock)
    if account is None:
        return NoAgent()
    terms = ServiceAccountTerms(
        token_file=account.token_file,
        issuer=account.issuer,
        audience=account.audience,
        trust_domain=account.trust_domain,
        algorithms=frozenset(account.algorithms),
        skew_seconds=config.clock_skew_seconds,
    )
    return KubernetesAgent(terms, keys(account, account.issuer), clock=clock)


def _spiffe_agent(config: SpiffeConfig, clock: Clock) -> AgentIdentity:
    try:
        from tabard_sidecar.identity.svid import WorkloadApiTerms  # noqa: PLC0415 - only for who uses it
        from tabard_sidecar.identity.workload_api import WorkloadApiAgent  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"identity.agent.spiffe is set and {error.name} isn't installed: install tabard-sidecar[spiffe]"
        ) from error
    return WorkloadApiAgent(
        WorkloadApiTerms(
            socket=config.socket,
            trust_domain=config.trust_domain,
            svid=config.svid,
            audience=config.audience,
            spiffe_id=config.spiffe_id,
        ),
        clock=clock,
    )


def _issuer(config: IssuerConfig, keys: KeySource) -> Issuer:
    return Issuer(
        issuer=config.issuer,
        audiences=frozenset(config.audiences),
        algorithms=frozenset(config.algorithms),
        types=frozenset(config.types),
        keys=keys,
        subject_claim=config.subject_claim,
        required_claims=config.required_claims,
        kept_claims=config.kept_claims,
        max_token_age_seconds=config.max_token_age_seconds,
        max_auth_age_seconds=config.max_auth_age_seconds,
    )


def _keys(
    config: KeySourceConfig, issuer: str, *, insecure: InsecureIdentity, on_fetch: Callable[[str], None]
) -> KeySource:
    if config.keys_file is not None:
        return FileKeys(config.keys_file, max_stale_seconds=config.max_stale_seconds)
    # Imported here, so that a sidecar without remote issuers doesn't load the HTTP client.
    from tabard_sidecar.identity.fetch import Fetcher, FetchError, check_url  # noqa: PLC0415

    discovery_url = config.discovery_url or issuer.rstrip("/") + _DISCOVERY_PATH
    location = KeyLocation(issuer, config.jwks_url, "" if config.jwks_url else discovery_url)
    try:
        check_url(location.jwks_url or location.discovery_url, allow_http=insecure.allow_http)
    except FetchError as error:
        raise ValueError(f"keys of {issuer}: {error}") from None
    fetcher = Fetcher(
        timeout_seconds=config.timeout_seconds,
        ca_file=config.ca_file,
        bearer_token_file=config.bearer_token_file,
        bearer_for=location.jwks_url or location.discovery_url,
        allow_http=insecure.allow_http,
    )
    freshness = Freshness(config.refresh_seconds, config.min_refetch_seconds, config.max_stale_seconds)
    return RemoteKeys(fetcher, location, freshness, on_fetch=on_fetch)
