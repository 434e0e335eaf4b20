"""What a discharge may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard import macaroon
from tabard.caveats import Call, CaveatError, Expiry, Uses

from tabard_sidecar.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tabard.caveats import Caveat

_ALLOWED = (Expiry, Call, Uses)


def check_discharges(discharges: Sequence[str], decode: Callable[[bytes], Caveat]) -> None:
    """Check that discharges hold nothing but expiry, call and uses caveats.

    A hop, a tools caveat or another discharge's caveat in there would never reach the chain and must not seem to count.

    Raises:
        Refused: one is malformed or holds another caveat.
    """
    if len(discharges) > macaroon.MAX_DISCHARGES:
        raise Refused("discharge_invalid", f"there are more than {macaroon.MAX_DISCHARGES} discharges")
    for number, discharge in enumerate(discharges, 1):
        try:
            for raw in macaroon.parse(discharge).caveats:
                caveat = None if raw.verification_id is not None else decode(raw.identifier)
                if not isinstance(caveat, _ALLOWED):
                    tag = "third_party" if caveat is None else caveat.tag
                    raise Refused("discharge_invalid", f"discharge {number} holds a {tag} caveat")
        except (macaroon.MacaroonError, CaveatError) as error:
            raise Refused("discharge_invalid", f"discharge {number}: {error}") from None
