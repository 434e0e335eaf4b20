"""Handshakes are paced per peer and in all; a peer that has proven itself isn't slowed down by others."""

from __future__ import annotations

from tabard_sidecar.http.pace import Pace


async def turns(pace: Pace, peer: str, number: int) -> int:
    """Return how many of so many turns, asked for one after the other, are given."""
    return sum([await pace.turn(peer) for _ in range(number)])


async def test_one_peer_gets_its_rate_only():
    """What it asks for beyond is refused at once."""
    pace = Pace(each=10, all_together=40, known=200, patience=0.0)
    assert 10 <= await turns(pace, "a", 500) <= 12


async def test_all_unknown_peers_share_a_rate():
    """Many addresses give an attacker no more."""
    pace = Pace(each=10, all_together=40, known=200, patience=0.0)
    given = sum([await pace.turn(f"peer {number}") for number in range(5000)])
    assert 40 <= given <= 60


async def test_a_known_peer_has_its_turn_beside_an_attack():
    """Its own rate is bounded as well."""
    pace = Pace(each=10, all_together=40, known=200, patience=0.0)
    pace.know("backend")
    await turns(pace, "a", 500)
    assert await turns(pace, "backend", 100) == 100
    assert await turns(pace, "backend", 1000) < 150


async def test_peers_are_forgotten():
    """Addresses take a bounded amount of memory."""
    pace = Pace(each=10, all_together=40, known=200, patience=0.0)
    for number in range(5000):
        pace.know(f"known {number}")
        await pace.turn(f"unknown {number}")
    assert len(pace._known) + len(pace._unknown) <= 2048
