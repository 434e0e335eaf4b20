"""Laws that hold for every grant, whatever is appended to it."""

import string

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard import macaroon
from tabard.caveats import CAVEATS, CallFacts, Facts, encode_caveat
from tabard.delegation import branch, narrow
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import (
    check_call,
    check_delegation,
    check_expiry,
    clamp_credential,
    tool_possible,
)
from tabard_sidecar.model import CredentialTemplate

from tests.support.caveats import CALL_ARGUMENTS, LIMITS, NAMES, NARROWING, RULES, WORDS, lists
from tests.support.grants import BOB, NOW, WIDE, tool_call

ONE_KEYRING = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
CALLS = st.builds(lambda name, arguments: tool_call(name, "", **arguments), NAMES, CALL_ARGUMENTS)
TEMPLATES = st.builds(CredentialTemplate, st.just("jwt"), WORDS, lists(WORDS), st.none() | st.floats(1, 1000))
CODECS = string.ascii_letters + string.digits + "-_"


def allows(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Refused:
        return False
    return True


@ONE_KEYRING
@given(
    st.lists(NARROWING, max_size=3),
    st.lists(NARROWING, max_size=3),
    CALLS,
    st.fixed_dictionaries({"now": st.floats(NOW, NOW + 4000), "read_only": st.booleans()}),
)
def test_appending_never_widens_calls(kit, before, after, call, asked):
    """Whatever is appended: what is allowed afterwards was allowed before."""
    grant = macaroon.append(kit.mint(), map(encode_caveat, before))
    child = macaroon.append(grant, map(encode_caveat, after))

    if allows(check_call, kit.verify(child), call, **asked):
        assert allows(check_call, kit.verify(grant), call, **asked)
    if tool_possible(kit.verify(child), call.name, **asked):
        assert tool_possible(kit.verify(grant), call.name, **asked)


@ONE_KEYRING
@given(LIMITS, LIMITS, LIMITS, CALLS)
def test_handing_on_never_widens(kit, root, hop, fork, call):
    """Neither hops nor branches, with whatever limits."""
    first = kit.mint(WIDE, requested=(root,))
    second = kit.delegate(first, BOB, hop)
    third = branch(second, "part", fork, now=NOW)
    fourth = narrow(third, hop, now=NOW)
    asked = {"now": NOW + 0.5, "read_only": False}
    allowed = [
        allows(check_call, kit.verify(grant), call, **asked) for grant in (first, second, third, fourth)
    ]

    assert allowed == sorted(allowed, reverse=True)
    limits = [child.limit for child in kit.verify(fourth).counted]
    assert limits == sorted(limits, reverse=True)
    ends = [kit.verify(grant).expires_at for grant in (first, second, third, fourth)]
    assert ends == sorted(ends, reverse=True)


@ONE_KEYRING
@given(LIMITS, LIMITS, TEMPLATES, lists(WORDS))
def test_appending_never_widens_credentials(kit, before, after, template, requested):
    grant = kit.verify(narrow(kit.mint(), before, now=NOW))
    child = kit.verify(narrow(narrow(kit.mint(), before, now=NOW), after, now=NOW))
    try:
        audience, scopes, expires_at = clamp_credential(child, template, requested, NOW)
    except Refused:
        return
    above = clamp_credential(grant, template, requested, NOW)

    assert audience == above[0] == template.audience
    assert set(scopes) <= set(above[1]) <= set(template.scopes)
    assert expires_at <= above[2] <= NOW + 3600


@ONE_KEYRING
@given(st.lists(NARROWING, max_size=4), LIMITS)
def test_appending_never_makes_delegation_possible(kit, after, limits):
    grant = kit.mint()
    child = macaroon.append(grant, map(encode_caveat, after))

    if allows(check_delegation, kit.verify(child), BOB, now=NOW):
        assert allows(check_delegation, kit.verify(grant), BOB, now=NOW)
    if allows(check_call, kit.verify(child), tool_call(), now=NOW, read_only=True):
        assert allows(check_expiry, kit.verify(child), now=NOW)


@ONE_KEYRING
@given(st.permutations([0, 1, 2, 3]), st.lists(NARROWING, min_size=4, max_size=4), CALLS)
def test_order_does_not_matter(kit, order, caveats, call):
    """Since nothing is merged or overridden."""
    straight = macaroon.append(kit.mint(), map(encode_caveat, caveats))
    shuffled = macaroon.append(kit.mint(), [encode_caveat(caveats[at]) for at in order])
    asked = {"now": NOW, "read_only": False}

    assert allows(check_call, kit.verify(straight), call, **asked) == allows(
        check_call, kit.verify(shuffled), call, **asked
    )


@ONE_KEYRING
@given(st.lists(NARROWING, max_size=4), CALLS, st.booleans())
def test_the_index_leaves_no_caveat_out(kit, caveats, call, read_only):
    """The quick way through a grant's index agrees with checking each caveat in turn."""
    grant = kit.verify(macaroon.append(kit.mint(), map(encode_caveat, caveats)))
    facts = Facts(
        NOW,
        grant.task.purpose,
        grant.depth,
        call=_facts(call, read_only=read_only),
    )
    plainly = all(CAVEATS.check(caveat, facts) is None for caveat in grant.caveats)

    assert allows(check_call, grant, call, now=NOW, read_only=read_only) == plainly


@settings(max_examples=60)
@given(RULES, RULES, NAMES, CALL_ARGUMENTS)
def test_closed_rule_allows_no_more_than_the_open_one(rule, other, name, arguments):
    call = _facts(tool_call(name, "", **arguments), read_only=False)
    facts = Facts(NOW, "refunds", 0, call=call)
    closed, opened = (type(rule)(rule.tool, rule.constraints, open=value) for value in (False, True))

    if CAVEATS.check(closed, facts) is None:
        assert CAVEATS.check(opened, facts) is None
    longer = type(rule)(rule.tool, (*rule.constraints, *other.constraints), open=True)
    if CAVEATS.check(longer, facts) is None:
        assert CAVEATS.check(opened, facts) is None


@ONE_KEYRING
@given(st.data())
def test_any_changed_character_is_refused(kit, data):
    text = kit.delegate(kit.mint(), BOB)
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.sampled_from(CODECS).filter(lambda char: char != text[at]))

    assert not allows(kit.verify, text[:at] + char + text[at + 1 :])


@ONE_KEYRING
@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: data.decode("latin-1")))
def test_nonsense_is_refused(kit, text):
    assert not allows(kit.verify, text)
    assert not allows(kit.service.verify, kit.mint(), [text])


def _facts(call, *, read_only):
    return CallFacts(call.name, call.arguments, call.digest, read_only)
