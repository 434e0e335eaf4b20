"""A link works once, and a session ends."""

from __future__ import annotations

import pytest
from tabard_sidecar.console.sessions import CODE_SECONDS, Sessions

from tests.support.tokens import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def sessions(clock):
    return Sessions(3600.0, clock)


def test_a_code_works_once(sessions):
    code = sessions.new_code()
    session = sessions.sign_in(code)
    assert sessions.find(session.token) is session
    assert sessions.sign_in(code) is None


def test_a_wrong_code_spends_nothing(sessions):
    """A stranger who guesses keeps no operator out."""
    code = sessions.new_code()
    assert sessions.sign_in("guess") is None
    assert sessions.sign_in("") is None
    assert sessions.sign_in(code) is not None


def test_a_new_code_replaces_the_one_before(sessions):
    first, second = sessions.new_code(), sessions.new_code()
    assert sessions.sign_in(first) is None
    assert sessions.sign_in(second) is not None


def test_no_code_at_the_start(sessions):
    assert sessions.sign_in("") is None


def test_a_code_gets_too_old(sessions, clock):
    code = sessions.new_code()
    clock.now += CODE_SECONDS
    assert sessions.sign_in(code) is None


def test_a_session_ends_by_itself(sessions, clock):
    session = sessions.sign_in(sessions.new_code())
    clock.now += 3599
    assert sessions.find(session.token) is session
    clock.now += 1
    assert sessions.find(session.token) is None


def test_signing_out(sessions):
    session = sessions.sign_in(sessions.new_code())
    sessions.end(session)
    assert sessions.find(session.token) is None


def test_sessions_are_bounded(sessions):
    first = sessions.sign_in(sessions.new_code())
    for _ in range(16):
        last = sessions.sign_in(sessions.new_code())
    assert sessions.find(first.token) is None
    assert sessions.find(last.token) is last


def test_forms_belong_to_a_session(sessions):
    one, other = (sessions.sign_in(sessions.new_code()) for _ in range(2))
    assert one.sent(one.form_token)
    assert not one.sent(other.form_token)
    assert not one.sent("")
    assert not one.sent(one.token)
