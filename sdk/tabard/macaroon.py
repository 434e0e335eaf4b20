"""Macaroons: the only module that knows pymacaroons.

A macaroon here is version 2 of libmacaroons' binary format in base64url without padding, in the one canonical spelling.
pymacaroons does the cryptography. Macaroons are read here, because its reader copies the rest of the input for every
field, ignores what follows the signature and raises exceptions of many types.

pymacaroons leaves an unmet caveat out of its HMAC chain, so an appended, unsigned caveat would still verify. Verification
therefore takes *every* caveat into the chain, checks none, and returns the list that the chain covered. Only that list is
checked afterwards. The caveats of a discharge are never part of it.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pymacaroons import MACAROON_V2, Macaroon, Verifier
from pymacaroons.caveat import Caveat as _PyCaveat
from pymacaroons.caveat_delegates import FirstPartyCaveatVerifierDelegate, ThirdPartyCaveatVerifierDelegate
from pymacaroons.exceptions import MacaroonInvalidSignatureException
from pymacaroons.utils import generate_derived_key

from tabard import base64url
from tabard._lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOCATION = "tabard"
"""Location of every macaroon made here. No signature covers it, so no other is accepted."""
MAX_CHARS = 64 * 1024
"""Longest serialised macaroon."""
MAX_CAVEATS = 512
"""Most caveats of one macaroon."""
MAX_DISCHARGES = 16
"""Most discharges of one macaroon."""
KEY_BYTES = 32

_SIGNATURE_BYTES = 32
_EOS, _FIELD_LOCATION, _FIELD_IDENTIFIER, _FIELD_VID, _FIELD_SIGNATURE = 0, 1, 2, 4, 6
_MAX_LENGTH_BITS = 21


class MacaroonError(Exception):
    """A macaroon is malformed, its signature doesn't verify, or a discharge isn't acceptable.

    Attributes:
        kind: ``"malformed"``, ``"signature"`` or ``"discharge"``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class RawCaveat(
    NamedTuple
):  # made for every caveat of every macaroon: three times as fast as a frozen dataclass
    """A caveat as it stands in a macaroon; ``verification_id`` is set on third-party caveats only."""

    identifier: bytes
    verification_id: bytes | None = None
    location: str = ""


@dataclass(frozen=True, slots=True)
class UnverifiedMacaroon:
    """The content of a macaroon, unverified."""

    identifier: bytes
    caveats: tuple[RawCaveat, ...]
    signature: bytes


class Step(NamedTuple):
    """One caveat of a verified chain, with the chain's signature before and after it."""

    caveat: RawCaveat
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class VerifiedMacaroon:
    """What the chain of signatures covers, in order. No caveat has been checked.

    ``initial`` is the signature over the identifier alone, before the first caveat.
    """

    identifier: bytes
    initial: bytes
    steps: tuple[Step, ...]


def mint(key: bytes, identifier: bytes, caveats: Iterable[bytes] = ()) -> str:
    """Make a macaroon.

    Args:
        key: 32 secret bytes.
        identifier: what the macaroon is; its holder can read it.
        caveats: encoded first-party caveats, in order.

    Raises:
        MacaroonError: it would be too large or hold too many caveats.
        ValueError: the key doesn't have 32 bytes.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a macaroon key has {KEY_BYTES} bytes")
    return _extend(Macaroon(LOCATION, identifier, key, version=MACAROON_V2), caveats)


def append(serialised: str, caveats: Iterable[bytes]) -> str:
    """Append first-party caveats; needs no key and verifies nothing.

    Raises:
        MacaroonError: the macaroon is malformed or would become too large.
    """
    return _extend(_build(parse(serialised)), caveats)


def append_third_party(serialised: str, location: str, key: bytes, identifier: bytes) -> str:
    """Append a caveat that only a discharge with this ``identifier``, made with ``key``, satisfies.

    Raises:
        MacaroonError: the macaroon is malformed or would become too large.
    """
    macaroon = _build(parse(serialised))
    macaroon.add_third_party_caveat(location, key, identifier)
    return _extend(macaroon, ())


def demands(step: Step, key: bytes) -> bool:
    """Tell whether a step of a verified chain is a third-party caveat whose discharge has to be made with ``key``.

    The holder of a macaroon can append such a caveat with a key of his own and discharge it himself, so the discharge
    alone proves nothing.
    """
    raw = step.caveat
    if raw.verification_id is None:
        return False
    caveat = _PyCaveat(raw.identifier, raw.verification_id, raw.location or None, MACAROON_V2)
    try:
        found: bytes = ThirdPartyCaveatVerifierDelegate()._extract_caveat_key(step.before, caveat)  # noqa: SLF001 - pinned
    except Exception:  # noqa: BLE001 - CryptoError, ValueError, …: any failure means that the caveat doesn't hold this key
        return False
    return hmac.compare_digest(found, generate_derived_key(key))


def bind(serialised: str, discharge: str) -> str:
    """Return ``discharge`` bound to exactly this macaroon, as it has to be presented.

    Raises:
        MacaroonError: either is malformed.
    """
    root, unbound = _build(parse(serialised)), _build(parse(discharge))
    return _extend(root.prepare_for_request(unbound), ())


def parse(serialised: str) -> UnverifiedMacaroon:
    """Read a macaroon without verifying anything.

    Raises:
        MacaroonError: it isn't the canonical serialisation of a macaroon within the limits of this module.
    """
    if not isinstance(serialised, str) or not serialised:
        _malformed("it is empty")
    if len(serialised) > MAX_CHARS:
        _malformed(f"it is longer than {MAX_CHARS} characters")
    try:
        return _read(base64url.decode(serialised))
    except IndexError:
        _malformed("it ends too early")
    except ValueError as error:
        _malformed(f"it is {error}")


def verify(
    presented: str | UnverifiedMacaroon, key: bytes, discharges: Sequence[str] = ()
) -> VerifiedMacaroon:
    """Verify the chain of signatures and return what it covers. Checks no caveat.

    Takes the serialised macaroon, or what :func:`parse` returned for it.

    Every third-party caveat needs its own discharge, bound to this macaroon; a discharge must not hold third-party
    caveats itself, and none may be left over.

    Raises:
        MacaroonError: the macaroon or a discharge is malformed, forged, missing, unbound, repeated or unused.
    """
    root = parse(presented) if isinstance(presented, str) else presented
    if len(discharges) > MAX_DISCHARGES:
        raise MacaroonError("discharge", f"there are more than {MAX_DISCHARGES} discharges")
    return _verify(root, key, [_parse_discharge(discharge) for discharge in discharges])


def _verify(root: UnverifiedMacaroon, key: bytes, discharges: list[UnverifiedMacaroon]) -> VerifiedMacaroon:
    pending = {discharge.identifier for discharge in discharges}
    if len(pending) != len(discharges):
        raise MacaroonError("discharge", "two discharges have the same identifier")
    steps: list[Step] = []
    macaroon = _build(root, [_ChainCaveat(raw, steps) for raw in root.caveats])
    # The steps of discharges are recorded apart, and dropped.
    answers = [_build(item, [_ChainCaveat(raw, []) for raw in item.caveats]) for item in discharges]
    verifier = Verifier()
    verifier.first_party_caveat_verifier_delegate = _FirstParty()
    verifier.third_party_caveat_verifier_delegate = _ThirdParty(pending)
    try:
        verifier.verify(macaroon, key, answers)
    except MacaroonError:
        raise
    except MacaroonInvalidSignatureException:
        raise MacaroonError("signature", "the signature doesn't match") from None
    except Exception as error:  # noqa: BLE001 - struct.error, RecursionError, CryptoError, bare Exception, …
        raise MacaroonError("malformed", f"it can't be verified ({type(error).__name__})") from None
    if pending:
        raise MacaroonError("discharge", "a discharge answers no caveat of the macaroon")
    return VerifiedMacaroon(root.identifier, steps[0].before if steps else root.signature, tuple(steps))


class _ChainCaveat(_PyCaveat):  # type: ignore[misc] # the library has no types
    """A caveat that knows where to record the signatures around it; built without the library's conversions."""

    def __init__(self, raw: RawCaveat, steps: list[Step]) -> None:
        self._version = MACAROON_V2
        self._caveat_id = raw.identifier
        self._verification_key_id = raw.verification_id
        self._location = raw.location.encode() or None
        self.raw = raw
        self.steps = steps


class _FirstParty(FirstPartyCaveatVerifierDelegate):  # type: ignore[misc]
    """Takes every first-party caveat into the chain and records the signatures around it."""

    def verify_first_party_caveat(self, _verifier: Any, _caveat: Any, _signature: bytes) -> bool:  # noqa: ANN401
        return True

    def update_signature(self, signature: bytes, caveat: _ChainCaveat) -> bytes:
        # The same computation as the library's, without converting to hexadecimal and back.
        after = hmac.digest(signature, caveat.raw.identifier, "sha256")
        caveat.steps.append(Step(caveat.raw, signature, after))
        return after


class _ThirdParty(ThirdPartyCaveatVerifierDelegate):  # type: ignore[misc]
    """Verifies the discharge of each third-party caveat, each discharge once."""

    def __init__(self, pending: set[bytes]) -> None:
        super().__init__()
        self._pending = pending

    def verify_third_party_caveat(  # noqa: PLR0913, PLR0917 - the library's signature
        self,
        verifier: Any,  # noqa: ANN401
        caveat: _ChainCaveat,
        root: Any,  # noqa: ANN401
        macaroon: Any,  # noqa: ANN401
        discharge_macaroons: Any,  # noqa: ANN401
        signature: bytes,
    ) -> bool:
        wanted = caveat.raw.identifier
        if wanted not in self._pending:
            raise MacaroonError("discharge", "a third-party caveat has no discharge of its own")
        self._pending.remove(wanted)
        try:
            met = super().verify_third_party_caveat(
                verifier, caveat, root, macaroon, discharge_macaroons, signature
            )
        except Exception as error:  # noqa: BLE001 - see above
            raise MacaroonError("discharge", f"a discharge doesn't verify ({type(error).__name__})") from None
        return bool(met)

    def update_signature(self, signature: bytes, caveat: _ChainCaveat) -> bytes:
        after: bytes = super().update_signature(signature, caveat)
        caveat.steps.append(Step(caveat.raw, signature, after))
        return after


def _parse_discharge(serialised: str) -> UnverifiedMacaroon:
    try:
        discharge = parse(serialised)
    except MacaroonError as error:
        raise MacaroonError("discharge", f"a discharge is malformed: {error}") from None
    if any(caveat.verification_id is not None for caveat in discharge.caveats):
        raise MacaroonError("discharge", "a discharge holds a third-party caveat")
    return discharge


def _build(parsed: UnverifiedMacaroon, caveats: list[Any] | None = None) -> Any:  # noqa: ANN401
    if caveats is None:
        caveats = [
            _PyCaveat(raw.identifier, raw.verification_id, raw.location or None, MACAROON_V2)
            for raw in parsed.caveats
        ]
    return Macaroon(
        LOCATION, parsed.identifier, caveats=caveats, signature=parsed.signature.hex(), version=MACAROON_V2
    )


def _extend(macaroon: Any, caveats: Iterable[bytes]) -> str:  # noqa: ANN401
    for caveat in caveats:
        macaroon.add_first_party_caveat(caveat)
    if len(macaroon.caveats) > MAX_CAVEATS:
        raise MacaroonError("malformed", f"it would hold more than {MAX_CAVEATS} caveats")
    serialised: str = macaroon.serialize()
    if len(serialised) > MAX_CHARS:
        raise MacaroonError("malformed", f"it would be longer than {MAX_CHARS} characters")
    return serialised


def _malformed(what: str) -> NoReturn:
    raise MacaroonError("malformed", what)


def _read(data: bytes) -> UnverifiedMacaroon:
    """Read the binary format strictly: fields in order, shortest lengths, nothing after the signature."""
    if data[0] != MACAROON_V2:
        _malformed("it is not a version 2 macaroon")
    (location, identifier, vid), at = _section(data, 1)
    if location != LOCATION.encode() or identifier is None or vid is not None:
        _malformed("its header is not one of Tabard's")
    caveats: list[RawCaveat] = []
    while data[at] != _EOS:
        if len(caveats) == MAX_CAVEATS:
            _malformed(f"it holds more than {MAX_CAVEATS} caveats")
        if data[at] == _FIELD_IDENTIFIER:  # the common case: a first-party caveat
            payload, at = _payload(data, at + 1)
            if data[at] != _EOS:
                _malformed("a caveat is incomplete")
            at += 1
            caveats.append(RawCaveat(payload))
        else:
            fields, at = _section(data, at)
            caveats.append(_third_party(*fields))
    if data[at + 1] != _FIELD_SIGNATURE:
        _malformed("its signature is missing")
    signature, at = _payload(data, at + 2)
    if len(signature) != _SIGNATURE_BYTES or at != len(data):
        _malformed("it doesn't end with a signature")
    return UnverifiedMacaroon(identifier, tuple(caveats), signature)


def _third_party(location: bytes | None, identifier: bytes | None, vid: bytes | None) -> RawCaveat:
    if location is None or identifier is None or vid is None:
        _malformed("a caveat is incomplete")
    try:
        return RawCaveat(identifier, vid, location.decode())
    except UnicodeDecodeError:
        _malformed("a caveat's location is not UTF-8")


def _section(data: bytes, at: int) -> tuple[tuple[bytes | None, bytes | None, bytes | None], int]:
    """Return location, identifier and verification id of the section at ``at``, and the position of its end."""
    found: dict[int, bytes] = {}
    previous = _EOS
    while (kind := data[at]) != _EOS:
        if kind <= previous or kind not in {_FIELD_LOCATION, _FIELD_IDENTIFIER, _FIELD_VID}:
            _malformed("a field is unknown or out of order")
        found[kind], at = _payload(data, at + 1)
        previous = kind
    return (found.get(_FIELD_LOCATION), found.get(_FIELD_IDENTIFIER), found.get(_FIELD_VID)), at + 1


def _payload(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes whose length is at ``at`` as a varint, and the position of their end."""
    length = data[at] & 0x7F
    shift = 7
    while data[at] >= 0x80:  # noqa: PLR2004 - a varint goes on
        at += 1
        length |= (data[at] & 0x7F) << shift
        shift += 7
        if shift > _MAX_LENGTH_BITS or data[at] == 0:
            _malformed("a length is too large or not in its shortest form")
    at += 1
    if at + length > len(data):
        _malformed("it ends in the middle of a field")
    return data[at : at + length], at + length
