"""Counts the actual cost of calls, adds labels for the data that they read, and corrects the facts that they noted.

An agent's own report can only raise a cost or add a label, which is marked as reported. An outcome that the call's backend
signed can also give a charge back, take back the facts of a call that failed, and note others that the grant left to it. Its
amounts and facts count once per decision, so a retry is answered like the first report. It speaks of one use, so it takes
nothing back if the credential is for several. The backend signs with a key that it derives from its audience's key
(``tabard keys export``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from tabard.outcome import ALGORITHM, TYPE, outcome_key

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.facts import MOST_ELEMENT_BYTES, MOST_ELEMENTS, MOST_NAMES
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.keys import ZoneKeys
from tabard_sidecar.keys.model import ROOT
from tabard_sidecar.keys.zone_keys import credential_info
from tabard_sidecar.model import REPORTED
from tabard_sidecar.pipeline.changes import holder
from tabard_sidecar.pipeline.requests import ReportOutcomeRequest
from tabard_sidecar.pipeline.stages import Stages
from tabard_sidecar.state import Outcome, OutcomeState
from tabard_sidecar.state.model import SignedOutcome

MAX_LABELS = 32
MAX_LABEL_CHARS = 256
_MAX_AMOUNT = 2**53
_SKEW_SECONDS = 5.0
_PROBLEMS = {
    OutcomeState.COUNTED: "another one was counted for this decision, so only its labels were added",
    OutcomeState.SHARED: "the credential is for several uses, so nothing is taken back, and only its labels were added",
    OutcomeState.TOO_MUCH: "more would be given back than the decision charged",
    OutcomeState.FACTS_FULL: "the task would have too many facts, so none of them was noted; amounts and labels count, and a retry tries the facts again",
    OutcomeState.FULL: "this workload would have added too many labels",
    OutcomeState.FOREIGN: "the backend that signed isn't the one that the decision's credential was for",
}


class Outcomes:
    """Counts outcomes of the presented holder's own calls."""

    def __init__(self, stages: Stages, keyring: ZoneKeys, clock: Clock) -> None:
        self._stages = stages
        self._keyring = keyring
        self._clock = clock

    async def report(self, request: ReportOutcomeRequest) -> None:
        """Count an outcome.

        Raises:
            Refused: the grant doesn't verify, is held by another workload, was revoked or ended; or it has expired, and
                the report holds more than what the backend signed.
            NoDecision: the decision isn't known, the signed outcome isn't acceptable, or the store is out of reach.
        """
        agent, grant = self._stages.verify_held(request.grant)
        # A backend's word about a call that was allowed in time stays true when the grant has expired.
        only_signed = bool(request.signed_outcome) and not request.charges and not request.labels
        await self._stages.task_states.standing(agent, grant, late=only_signed)
        signed = self._signed(request) if request.signed_outcome else None
        self._stages.task_states.forget(grant)
        outcome = Outcome(
            root_id=grant.root_id,
            link_id=grant.holder_id,
            decision_id=request.decision_id,
            now=self._clock(),
            # No budget is larger, so a larger cost counts the same, and the store couldn't hold it.
            charges={name: min(_MAX_AMOUNT, amount) for name, amount in request.charges.items()},
            reported=tuple(sorted(set(map(REPORTED.__add__, request.labels)))),
            workload=grant.chain.workloads[-1],
            signed=signed,
        )
        await self._stages.changes.make(
            "report_outcome",
            by=holder(grant),
            about=_about(outcome, succeeded=request.succeeded),
            work=lambda: self._count(outcome),
            told=lambda state: {"repeated": True} if state is OutcomeState.REPEATED else {},
            gives=signed is not None and any(signed.refunds.values()),
        )

    async def _count(self, outcome: Outcome) -> OutcomeState:
        state = await self._stages.state.report(outcome)
        if state is OutcomeState.UNKNOWN:
            message = f"this holder got no decision {outcome.decision_id[:64]!a} that was stored"
            raise NoDecision("NOT_FOUND", "decision_unknown", message)
        if state in _PROBLEMS:
            raise _invalid(_PROBLEMS[state])
        return state

    def _signed(self, request: ReportOutcomeRequest) -> SignedOutcome:
        token = request.signed_outcome
        try:
            header = jwt.get_unverified_header(token)
            audience = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.InvalidTokenError:
            raise _invalid("it is no JWT") from None
        key = self._keyring.find(str(header.get("kid", "")), ROOT)
        if header.get("typ") != TYPE or key is None or not isinstance(audience, str) or not audience:
            raise _invalid("it isn't of this zone, or not of the right type")
        secret = outcome_key(self._keyring.derive(key, credential_info(audience)))
        try:
            claims = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                leeway=_SKEW_SECONDS,
                options={"require": ["exp", "iat", "iss"], "verify_aud": False},
            )
        except jwt.InvalidTokenError as error:
            raise _invalid(f"it doesn't verify ({type(error).__name__})") from None
        if claims.get("decision_id") != request.decision_id:
            raise _invalid("it speaks of another decision")
        return SignedOutcome(
            audience,
            _amounts(claims, "charges"),
            _amounts(claims, "refunds"),
            _labels(claims),
            *_facts(claims),
        )


def _about(outcome: Outcome, *, succeeded: bool) -> dict[str, Any]:
    """Return what is recorded: what the holder says apart from what the backend signed."""
    said = {"charges": dict(outcome.charges), "labels": outcome.reported, "succeeded": succeeded}
    about: dict[str, Any] = {"decision_id": outcome.decision_id, "said": said}
    if outcome.signed is not None:
        about["signed"] = {
            "by": outcome.signed.audience,
            "charges": dict(outcome.signed.charges),
            "refunds": dict(outcome.signed.refunds),
            "labels": outcome.signed.labels,
        }
        if outcome.signed.facts:
            about["signed"]["facts"] = {name: list(found) for name, found in outcome.signed.facts.items()}
        if outcome.signed.failed:
            about["signed"]["failed"] = True
    return about


def _amounts(claims: Mapping[str, Any], name: str) -> dict[str, int]:
    found = claims.get(name, {})
    if not isinstance(found, dict) or not all(
        type(amount) is int and 0 <= amount <= _MAX_AMOUNT for amount in found.values()
    ):
        raise _invalid(f"its {name} must be whole amounts by name")
    return found


def _labels(claims: Mapping[str, Any]) -> tuple[str, ...]:
    found = claims.get("labels", [])
    if (
        not isinstance(found, list)
        or len(found) > MAX_LABELS
        or not all(isinstance(one, str) and 0 < len(one) <= MAX_LABEL_CHARS for one in found)
        or not all(map(_is_text, found))
        or any(label.startswith(REPORTED) for label in found)
    ):
        raise _invalid(
            f"its labels must be at most {MAX_LABELS} words of {MAX_LABEL_CHARS} characters, without {REPORTED!r}"
        )
    return tuple(sorted(set(found)))


def _facts(claims: Mapping[str, Any]) -> tuple[Mapping[str, tuple[str, ...]], bool]:
    """Return the elements to note by name, and whether the call failed."""
    stated, failed = claims.get("facts", {}), claims.get("failed", False)
    if not isinstance(failed, bool):
        raise _invalid("its failed must be true or false")
    if (
        not isinstance(stated, dict)
        or len(stated) > MOST_NAMES
        or not all(isinstance(found, list) and len(found) <= MOST_ELEMENTS for found in stated.values())
        or not all(_is_element(one) for found in stated.values() for one in found)
    ):
        raise _invalid(
            f"its facts must be at most {MOST_ELEMENTS} texts of {MOST_ELEMENT_BYTES} bytes under each name"
        )
    facts = {name: tuple(sorted(set(found))) for name, found in stated.items() if found}
    if facts and failed:
        raise _invalid("a failed call notes no facts")
    return facts, failed


def _is_element(one: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(one, str) and _is_text(one) and 0 < len(one.encode()) <= MOST_ELEMENT_BYTES


def _is_text(label: str) -> bool:
    """Tell whether a text is valid Unicode: JSON can encode a lone surrogate, which no store can keep."""
    return not any("\ud800" <= character <= "\udfff" for character in label)


def _invalid(what: str) -> NoDecision:
    text = f"the signed outcome isn't acceptable: {what}"
    return NoDecision("INVALID_ARGUMENT", "outcome_invalid", text, told=text)
