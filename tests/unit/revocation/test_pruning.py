"""Cached state of a revoked grant is removed; that of other grants stays."""

from __future__ import annotations

import pytest
from tabard_sidecar.revocation import pruner, subject_target
from tabard_sidecar.revocation.pruning import concerns
from tabard_sidecar.state import Revocation, RevocationKind, RevocationOrigin

from tests.support.grants import ALICE, BOB, CAROL, NOW
from tests.unit.revocation.conftest import IDP


def revocation(kind, target, *, at=NOW, expires_at=NOW + 60, **parts) -> Revocation:
    return Revocation(RevocationKind(kind), target, at, expires_at, **parts)


@pytest.fixture
def grants(kit):
    """A root grant of Alice and what she handed to Bob, both remembered."""
    root = kit.mint()
    grants = {"root": kit.verify(root), "handed": kit.verify(kit.delegate(root, BOB))}
    assert kit.service.forget(lambda _: False) == 0
    return grants


def remembered(kit) -> int:
    """How many grants are remembered; looking forgets them."""
    return kit.service.forget(lambda _: True)


@pytest.mark.parametrize(
    ("kind", "target", "concerned"),
    [
        ("agent", ALICE, {"root", "handed"}),
        ("agent", BOB, {"handed"}),
        ("agent", CAROL, set()),
        ("subject", subject_target(IDP, "u-1"), {"root", "handed"}),
        ("subject", subject_target(IDP, "u-2"), set()),
        ("state", "zone", {"root", "handed"}),
        ("credential", "c-1", set()),
    ],
)
def test_a_revocation_concerns_what_it_refuses(kit, grants, kind, target, concerned):
    """And exactly that is forgotten."""
    entry = revocation(kind, target)
    assert {name for name, grant in grants.items() if concerns(entry, grant)} == concerned
    pruner(kit.service.forget)(entry)
    assert remembered(kit) == 2 - len(concerned)


@pytest.mark.parametrize("kind", ["subject", "state"])
def test_what_started_later_is_kept(kit, grants, kind):
    """Only tasks from before are refused."""
    target = subject_target(IDP, "u-1") if kind == "subject" else "zone"
    pruner(kit.service.forget)(revocation(kind, target, at=NOW - 1))
    assert remembered(kit) == 2


def test_a_link_takes_what_is_below_with_it(kit, grants):
    """The root's takes all; the last one's only itself."""
    handed = grants["handed"]
    assert concerns(revocation("link", handed.root_id), grants["root"])
    pruner(kit.service.forget)(revocation("link", handed.holder_id))
    assert remembered(kit) == 1


def test_lifts_and_ends_cost_nothing(kit, grants):
    """A lift gives back; a task that ended isn't used any more."""
    listen = pruner(kit.service.forget)
    listen(revocation("agent", ALICE, expires_at=0.0))
    listen(revocation("link", grants["root"].root_id, origin=RevocationOrigin.HOLDER))
    assert remembered(kit) == 2


def test_a_forgotten_grant_is_verified_anew(kit):
    """Forgetting decides nothing."""
    grant = kit.mint()
    first = kit.verify(grant)
    pruner(kit.service.forget)(revocation("agent", ALICE))
    again = kit.verify(grant)
    assert again == first
    assert kit.service.verifications.computed == 2
