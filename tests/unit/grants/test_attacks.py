"""Attacks on grants by a thief, a forger or a compromised agent.

He can read every grant his agent holds and append to it; he has no key. ``Workbench`` is what he works with.
"""

import hashlib
import hmac
import json

import pytest
from tabard import base64url, macaroon
from tabard.caveats import (
    Arguments,
    Branch,
    Call,
    Constraint,
    Expiry,
    Hop,
    Limits,
    MaxChildren,
    MaxDepth,
    ReadOnly,
    Tools,
    Uses,
    encode_caveat,
)
from tabard.caveats.types.hop import hop_bytes
from tabard.delegation import branch, narrow
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import GrantService, check_call
from tabard_sidecar.grants.chain import make_seal
from tabard_sidecar.grants.discharges import check_discharges

from tests.support.grants import ALICE, BOB, CAROL, MALLORY, NOW, WIDE, make_kit, tool_call

RULE = Arguments("refunds.*", (Constraint("amount", "range", {"max": 100}),))


def refused(function, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        function(*args, **kwargs)
    return caught.value.code


def may(kit, grant, name="refunds.create", **arguments):
    """Return the code of the refusal, or nothing."""
    try:
        check_call(kit.verify(grant), tool_call(name, **arguments), now=NOW, read_only=False)
    except Refused as refusal:
        return refusal.code
    return None


def sign(key, data):
    return hmac.digest(key, data, hashlib.sha256)


def field(kind, data):
    length, encoded = len(data), b""
    while length >= 128:
        encoded += bytes([length & 127 | 128])
        length >>= 7
    return bytes([kind]) + encoded + bytes([length]) + data


def assemble(identifier, caveats, signature, location=b"tabard"):
    """Put a macaroon together byte by byte."""
    body = b"".join(field(2, caveat) + b"\0" for caveat in caveats)
    return base64url.encode(
        b"\x02" + field(1, location) + field(2, identifier) + b"\0" + body + b"\0" + field(6, signature)
    )


def take_apart(grant):
    found = macaroon.parse(grant)
    return found.identifier, [raw.identifier for raw in found.caveats], found.signature


def test_unsigned_caveat_appended(kit):
    """With pymacaroons alone this verifies, and the caveat list holds the attacker's text."""
    identifier, caveats, signature = take_apart(kit.mint())
    forged = assemble(identifier, [*caveats, encode_caveat(Tools(("*",)))], signature)

    assert refused(kit.verify, forged) == "grant_signature"


def test_unsigned_hop_appended(kit):
    identifier, caveats, signature = take_apart(kit.mint())
    hop = encode_caveat(Hop(MALLORY, "A" * 43))

    assert refused(kit.verify, assemble(identifier, [*caveats, hop], signature)) == "grant_signature"


@pytest.mark.parametrize("seal", ["A" * 43, base64url.encode(sign(b"guess", b""))])
def test_thief_appends_a_hop_to_himself(kit, seal):
    """The signature holds, since every holder may append; the seal doesn't."""
    stolen = kit.delegate(kit.mint(), BOB)

    assert refused(kit.verify, macaroon.append(stolen, [encode_caveat(Hop(MALLORY, seal))])) == "hop_unsealed"


def test_thief_seals_with_the_only_key_he_knows(kit):
    """The chain's own signature is not the seal's key."""
    stolen = kit.mint()
    signature = macaroon.parse(stolen).signature
    hop = Hop(MALLORY, make_seal(signature, signature, MALLORY))

    assert refused(kit.verify, macaroon.append(stolen, [encode_caveat(hop)])) == "hop_unsealed"


def test_hop_without_a_seal(kit):
    hop = hop_bytes(MALLORY)

    assert refused(kit.verify, macaroon.append(kit.mint(), [hop])) == "grant_malformed"


def test_seal_copied_from_another_grant(kit):
    """Both hops name the same workload."""
    own = kit.verify(kit.delegate(kit.mint(), MALLORY))
    hop = next(caveat for caveat in own.caveats if isinstance(caveat, Hop))
    victim = kit.mint(WIDE, purpose="payroll")

    assert refused(kit.verify, macaroon.append(victim, [encode_caveat(hop)])) == "hop_unsealed"


def test_seal_copied_to_another_place_of_the_same_grant(kit):
    """A holder who narrowed the grant can't move the hop before the narrowing, nor repeat it."""
    text = kit.mint()
    sealed = kit.verify(kit.delegate(text, BOB)).caveats[-1]

    assert kit.verify(macaroon.append(text, [encode_caveat(sealed)])).holder == BOB
    assert refused(
        kit.verify, macaroon.append(narrow(text, Limits(read_only=True)), [encode_caveat(sealed)])
    ) == ("hop_unsealed")
    assert refused(kit.verify, macaroon.append(text, [encode_caveat(sealed)] * 2)) == "hop_unsealed"


def test_seal_of_one_holder_on_another(kit):
    text = kit.mint()
    sealed = kit.verify(kit.delegate(text, BOB)).caveats[-1]

    assert (
        refused(kit.verify, macaroon.append(text, [encode_caveat(Hop(MALLORY, sealed.seal))]))
        == "hop_unsealed"
    )


def test_stolen_grant_stays_its_holders(kit):
    """Branches and narrowing change no holder, so the thief's own sidecar refuses it as held by another."""
    stolen = kit.delegate(kit.mint(), BOB)

    for derived in (stolen, branch(stolen, "mallory"), narrow(stolen, Limits(tools=("*",)))):
        assert kit.verify(derived).holder == BOB


def test_hop_removed_from_the_end(kit):
    """The signature before the last caveat isn't in the grant, and can't be computed back."""
    identifier, caveats, signature = take_apart(kit.delegate(kit.mint(), BOB))

    assert refused(kit.verify, assemble(identifier, caveats[:-1], signature)) == "grant_signature"


@pytest.mark.parametrize("position", range(7))
def test_caveat_removed(kit, position):
    identifier, caveats, signature = take_apart(kit.delegate(kit.mint(), BOB))
    del caveats[position]

    assert refused(kit.verify, assemble(identifier, caveats, signature)) == "grant_signature"


def test_caveats_reordered(kit):
    identifier, caveats, signature = take_apart(kit.mint())
    caveats[0], caveats[1] = caveats[1], caveats[0]

    assert refused(kit.verify, assemble(identifier, caveats, signature)) == "grant_signature"


def test_caveat_replaced(kit):
    identifier, caveats, signature = take_apart(kit.mint(WIDE, Limits(tools=("refunds.*",))))
    wider = [encode_caveat(Tools(("*",))) if b"refunds" in caveat else caveat for caveat in caveats]

    assert wider != caveats
    assert refused(kit.verify, assemble(identifier, wider, signature)) == "grant_signature"


@pytest.mark.parametrize(
    "change", [{"holder": MALLORY}, {"purpose": "payroll"}, {"expires_at": 2**40}, {"task": "t-2"}]
)
def test_identifier_changed(kit, change):
    identifier, caveats, signature = take_apart(kit.mint())
    changed = json.dumps(json.loads(identifier) | change, separators=(",", ":"), sort_keys=True).encode()

    assert refused(kit.verify, assemble(changed, caveats, signature)) == "grant_signature"


def test_truncated_anywhere(kit):
    text = kit.delegate(kit.mint(), BOB)

    for length in range(0, len(text), 7):
        assert refused(kit.verify, text[:length]) in {"grant_malformed", "grant_signature"}


def test_wrong_key(kit, tmp_path):
    """Made in another zone with the same name, or by an attacker who only knows the names."""
    other = make_kit(tmp_path / "other")

    assert refused(kit.verify, other.mint()) == "foreign_key"
    identifier, caveats, _ = take_apart(other.mint())
    named = json.loads(identifier) | {"kid": kit.keyring.active("root").kid}
    forged = macaroon.mint(bytes(32), json.dumps(named).encode(), caveats)
    assert refused(kit.verify, forged) == "grant_signature"


def test_key_id_that_is_a_path(kit):
    identifier, caveats, signature = take_apart(kit.mint())
    named = json.dumps(json.loads(identifier) | {"kid": "../../../../etc/passwd"}).encode()

    assert refused(kit.verify, assemble(named, caveats, signature)) == "foreign_key"


def test_grant_of_another_zone_with_the_same_keyring(kit):
    other = GrantService(kit.keyring, "warehouse")

    assert refused(other.verify, kit.mint()) == "foreign_state"


@pytest.mark.parametrize("location", [b"", b"Tabard", b"https://evil.example", b"tabard\0"])
def test_location_swapped(kit, location):
    """No signature covers it."""
    assert refused(kit.verify, assemble(*take_apart(kit.mint()), location=location)) == "grant_malformed"


def test_credential_macaroon_as_a_grant(kit):
    """Also one made with the very key of grants."""
    key = kit.keyring.active("root")
    for info in ("credential:erp", "grant"):
        secret = kit.keyring.derive(key, info)
        credential = macaroon.mint(
            secret, json.dumps({"type": "credential", "v": 1, "kid": key.kid}).encode()
        )
        assert refused(kit.verify, credential) == "credential_as_grant"


def test_credential_jwt_as_a_grant(kit):
    assert refused(kit.verify, "eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJlcnAifQ.c2ln") == "credential_as_grant"


def test_credential_whose_type_was_changed(kit):
    """The keys differ, so the type isn't all that tells them apart."""
    identifier, caveats, _ = take_apart(kit.mint())
    secret = kit.keyring.derive(kit.keyring.active("root"), "credential:erp")

    assert refused(kit.verify, macaroon.mint(secret, identifier, caveats)) == "grant_signature"


def test_child_reopens_a_closed_argument(kit):
    """By allowing it, by an open rule, by naming other tools, by a wider range."""
    text = kit.mint(WIDE, Limits(arguments=(RULE,)))
    for rule in (
        Arguments(
            "refunds.*", (Constraint("amount", "range", {"max": 100}), Constraint("note", "glob", "*"))
        ),
        Arguments("*", (), open=True),
        Arguments("nothing", ()),
        Arguments("refunds.*", (Constraint("amount", "range", {"max": 10_000}),), open=True),
    ):
        child = narrow(kit.delegate(text, BOB, Limits(arguments=(rule,))), Limits(arguments=(rule,)))
        assert may(kit, child, amount=50, note="x") == "argument_unknown"
        assert may(kit, child, amount=5000) == "argument_not_granted"
        assert may(kit, child) == "argument_missing"


def test_child_raises_the_depth(kit):
    text = kit.mint(WIDE, Limits(max_depth=1))
    child = macaroon.append(kit.delegate(text, BOB), [encode_caveat(MaxDepth(9))])

    assert may(kit, child) is None
    assert may(kit, branch(child, "deeper")) == "depth_exceeded"


def test_child_raises_the_number_of_children(kit):
    text = kit.mint(WIDE, Limits(max_children=2))
    grant = kit.verify(branch(macaroon.append(text, [encode_caveat(MaxChildren(99))]), "x"))

    assert [child.limit for child in grant.counted] == [2]


def test_child_lives_longer(kit):
    text = narrow(kit.mint(WIDE, Limits(ttl_seconds=60)), Limits(ttl_seconds=3600), now=NOW)

    assert kit.verify(macaroon.append(text, [encode_caveat(Expiry(NOW + 3600))])).expires_at == NOW + 60


def test_child_widens_tools_scopes_and_audiences(kit):
    text = kit.mint(Limits(tools=("orders.*",), max_depth=3, max_children=3))
    child = kit.delegate(text, BOB, WIDE)

    assert may(kit, child) == "tool_not_granted"


def test_branch_chooses_anothers_nonce(kit):
    """Identifiers come from the signature, not from what the branch says of itself."""
    nonce = "A" * 22
    ones = kit.verify(macaroon.append(kit.delegate(kit.mint(), BOB), [encode_caveat(Branch("x", nonce))]))
    others = kit.verify(macaroon.append(kit.delegate(kit.mint(), CAROL), [encode_caveat(Branch("x", nonce))]))

    assert ones.holder_id != others.holder_id


@pytest.mark.parametrize(
    ("caveat", "code"),
    [
        (b'{"type":"novelty"}', "caveat_unknown"),
        (b'{"extra":1,"type":"read_only"}', "caveat_unknown"),
        (
            b'{"constraints":[{"operand":".*","operator":"regex","path":"a"}],"tool":"*","type":"arguments"}',
            "caveat_unknown",
        ),
        (b"time < 2030", "grant_malformed"),
        (b'{"type": "read_only"}', "grant_malformed"),
        (b'{"type":"read_only","type":"read_only"}', "grant_malformed"),
        (b'{"max_depth":true,"type":"max_depth"}', "grant_malformed"),
        (b"", "grant_malformed"),
        (b'{"type":"third_party","id":"a","location":"b"}', "caveat_unknown"),
    ],
)
def test_caveat_nobody_knows(kit, caveat, code):
    """Signed like any other, so only its meaning can refuse it; the message says where it stands."""
    with pytest.raises(Refused) as caught:
        kit.verify(macaroon.append(kit.mint(), [caveat]))

    assert caught.value.code == code
    assert caught.value.message.startswith("caveat 7: ")


@pytest.mark.parametrize("size", [70_000, 100_000, 10_000_000])
def test_huge_grant(kit, size):
    assert refused(kit.verify, "A" * size) == "grant_malformed"


def test_hundred_kilobytes_of_valid_caveats(kit):
    """Appended without the limits that the library keeps."""
    identifier, caveats, signature = take_apart(kit.mint())
    filler = encode_caveat(Tools(("a" * 500,)))
    for _ in range(150):
        caveats.append(filler)
        signature = sign(signature, filler)
    text = assemble(identifier, caveats, signature)

    assert len(text) > 100_000
    assert refused(kit.verify, text) == "grant_malformed"


def test_thousand_caveats(kit):
    identifier, caveats, signature = take_apart(kit.mint())
    filler = encode_caveat(ReadOnly())
    for _ in range(1000):
        caveats.append(filler)
        signature = sign(signature, filler)
    text = assemble(identifier, caveats, signature)

    assert len(text) < macaroon.MAX_CHARS
    assert refused(kit.verify, text) == "grant_malformed"


class TestDischarges:
    """Third-party caveats are answered by discharges that only a sidecar of the zone can make."""

    ID = "0123456789abcdef" * 2

    def key(self, kit):
        return kit.service.approval_key(kit.keyring.active("root").kid, self.ID)

    def pair(self, kit, *caveats):
        key = self.key(kit)
        root = macaroon.append_third_party(kit.mint(), "approvals", key, self.ID.encode())
        unbound = macaroon.mint(key, self.ID.encode(), map(encode_caveat, caveats))
        return root, macaroon.bind(root, unbound)

    def test_good_one_verifies(self, kit):
        call = tool_call()
        root, discharge = self.pair(kit, Expiry(NOW + 60), Call(call.digest))
        grant = kit.service.verify(root, [discharge])

        assert [caveat.tag for caveat in grant.caveats][-1] == "third_party"
        assert grant.expires_at == NOW + 3600
        check_call(grant, call, now=NOW, read_only=False)
        assert check_discharges(grant, call, now=NOW) == (self.ID,)
        assert refused(check_discharges, grant, call, now=NOW + 60) == "discharge_expired"
        assert refused(check_discharges, grant, tool_call("other"), now=NOW) == "call_mismatch"

    def test_uses_are_not_enforced(self, kit):
        root, discharge = self.pair(kit, Uses(1))
        grant = kit.service.verify(root, [discharge])

        assert refused(check_discharges, grant, tool_call(), now=NOW) == "caveat_not_enforced"

    def test_made_with_a_key_of_the_holders_own(self, kit):
        """He appends the caveat and discharges it himself; the macaroon as such verifies."""
        own = bytes(32)
        root = macaroon.append_third_party(kit.mint(), "approvals", own, self.ID.encode())
        discharge = macaroon.bind(root, macaroon.mint(own, self.ID.encode()))

        assert refused(kit.service.verify, root, [discharge]) == "discharge_forged"

    def test_of_a_party_that_nobody_knows(self, kit):
        """Only identifiers of approvals are accepted, whatever the key."""
        key = kit.service.approval_key(kit.keyring.active("root").kid, "somebody")
        root = macaroon.append_third_party(kit.mint(), "approvals", key, b"somebody")
        discharge = macaroon.bind(root, macaroon.mint(key, b"somebody"))

        assert refused(kit.service.verify, root, [discharge]) == "discharge_forged"

    def test_missing(self, kit):
        root, _ = self.pair(kit)

        assert refused(kit.service.verify, root) == "discharge_missing"

    @pytest.mark.parametrize(
        "caveat",
        [
            Hop(MALLORY, "A" * 43),
            Branch("x", "A" * 22),
            Tools(("*",)),
            MaxDepth(9),
            MaxChildren(9),
            RULE,
            ReadOnly(),
        ],
        ids=lambda caveat: caveat.tag,
    )
    def test_with_a_caveat_it_must_not_hold(self, kit, caveat):
        root, discharge = self.pair(kit, caveat)

        assert refused(kit.service.verify, root, [discharge]) == "discharge_caveat"

    def test_with_a_properly_sealed_hop(self, kit):
        """A seal from elsewhere doesn't get into the chain this way either."""
        sealed = kit.verify(kit.delegate(kit.mint(), MALLORY)).caveats[-1]
        root, discharge = self.pair(kit, sealed)

        assert refused(kit.service.verify, root, [discharge]) == "discharge_caveat"

    def test_with_a_caveat_nobody_knows(self, kit):
        root, _ = self.pair(kit)
        novel = macaroon.mint(self.key(kit), self.ID.encode(), [b'{"type":"novelty"}'])

        assert refused(kit.service.verify, root, [macaroon.bind(root, novel)]) == "discharge_invalid"

    def test_unbound_repeated_unused_or_foreign(self, kit):
        root, discharge = self.pair(kit)
        unbound = macaroon.mint(self.key(kit), self.ID.encode())
        other = macaroon.bind(root, macaroon.mint(self.key(kit), b"ask-2"))
        forged = macaroon.bind(root, macaroon.mint(bytes(32), self.ID.encode()))

        for discharges, code in (
            ([unbound], "discharge_forged"),
            ([forged], "discharge_forged"),
            ([discharge, other], "discharge_swapped"),
            ([other], "discharge_swapped"),
            ([discharge, discharge], "discharge_invalid"),
            (["x"], "discharge_invalid"),
            ([discharge] * 17, "discharge_invalid"),
        ):
            assert refused(kit.service.verify, root, discharges) == code

    def test_one_discharge_for_two_caveats(self, kit):
        root, _ = self.pair(kit)
        twice = macaroon.append_third_party(root, "approvals", self.key(kit), self.ID.encode())
        discharge = macaroon.bind(twice, macaroon.mint(self.key(kit), self.ID.encode()))

        assert refused(kit.service.verify, twice, [discharge]) == "discharge_invalid"

    def test_unused_for_a_grant_that_asks_for_none(self, kit):
        _, discharge = self.pair(kit)

        assert refused(kit.service.verify, kit.mint(), [discharge]) == "discharge_swapped"

    def test_loop(self, kit):
        root, _ = self.pair(kit)
        unbound = macaroon.mint(self.key(kit), self.ID.encode())
        loop = macaroon.append_third_party(unbound, "approvals", self.key(kit), self.ID.encode())

        assert refused(kit.service.verify, root, [macaroon.bind(root, loop)]) == "discharge_caveat"

    def test_grant_as_its_own_discharge(self, kit):
        root, _ = self.pair(kit)

        assert refused(kit.service.verify, root, [root]) == "discharge_caveat"

    def test_not_remembered(self, kit):
        """What verified with a discharge must not pass without one."""
        root, discharge = self.pair(kit)
        kit.service.verify(root, [discharge])

        assert refused(kit.service.verify, root) == "discharge_missing"


def test_replay_by_another_workload_is_visible(kit):
    """The sidecar compares the holder with its own identity."""
    text = kit.mint(holder=ALICE)

    assert kit.verify(text).holder == ALICE


def test_bytes_after_the_signature(kit):
    data = base64url.decode(kit.mint())

    assert refused(kit.verify, base64url.encode(data + b"\0")) == "grant_malformed"


def test_messages_hold_no_secret(kit):
    """Neither the signature nor the grant."""
    text = kit.mint()
    identifier, caveats, signature = take_apart(text)
    forged = assemble(identifier, [*caveats, encode_caveat(ReadOnly())], signature)
    with pytest.raises(Refused) as caught:
        kit.verify(forged)

    assert signature.hex() not in str(caught.value)
    assert forged[:40] not in str(caught.value)
