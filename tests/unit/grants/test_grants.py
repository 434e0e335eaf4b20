"""Making, handing on, verifying and checking grants."""

import pytest
from tabard import macaroon
from tabard.arguments import call_digest
from tabard.caveats import (
    Arguments,
    Audiences,
    Call,
    Constraint,
    Expiry,
    Limits,
    MaxChildren,
    MaxDepth,
    Scopes,
    Tools,
    Uses,
    encode_caveat,
)
from tabard.delegation import branch, narrow
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.grants import (
    GrantService,
    check_call,
    check_delegation,
    check_expiry,
    clamp_credential,
    tool_possible,
)
from tabard_sidecar.grants.cache import GrantCache
from tabard_sidecar.grants.chain import MAX_BUDGETS
from tabard_sidecar.model import CredentialTemplate, IntentSource

from tests.support.grants import ALICE, BOB, CAROL, NOW, WIDE, make_kit, tool_call


def code(function, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        function(*args, **kwargs)
    return caught.value.code


def message(function, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        function(*args, **kwargs)
    return caught.value.message


def call(grant, name="refunds.create", *, now=NOW, read_only=False, **arguments):
    check_call(grant, tool_call(name, **arguments), now=now, read_only=read_only)


def template(audience="erp", scopes=("read",), ttl_seconds=None):
    return CredentialTemplate("jwt", audience, scopes, ttl_seconds)


class TestMint:
    def test_states_who_what_and_how_long(self, kit):
        grant = kit.verify(kit.mint(WIDE, claims={"department": "support", "level": 3}))

        assert grant.subject.id == "u-1"
        assert grant.subject.issuer == "https://idp.example.org"
        assert grant.subject.claims == {"department": "support", "level": 3}
        assert grant.subject.authenticated_at == NOW - 60
        assert grant.task.id == "task-1"
        assert grant.task.purpose == "refunds"
        assert grant.task.statement == "Work off the refunds."
        assert grant.task.intent_source is IntentSource.SIGNED
        assert (grant.task.started_at, grant.task.expires_at) == (NOW, NOW + 3600)
        assert (grant.zone, grant.holder, grant.depth) == ("shop", ALICE, 0)
        assert grant.key_id == kit.keyring.active("root").kid

    def test_unstated_dimensions_are_granted_to_nobody(self, kit):
        grant = kit.verify(kit.mint(Limits()))

        assert set(grant.caveats) == {Tools(()), Audiences(()), Scopes(()), MaxDepth(0), MaxChildren(0)}
        assert code(call, grant) == "tool_not_granted"
        assert code(check_delegation, grant, BOB, now=NOW) == "depth_exceeded"
        assert code(clamp_credential, grant, template("erp", ()), (), NOW) == "audience_not_granted"

    def test_no_element_at_all_grants_nothing(self, kit):
        task = kit.verify(kit.mint()).task
        grant = kit.service.mint(
            task=task,
            subject=kit.verify(kit.mint()).subject,
            holder=ALICE,
            offered=(),
            requested=(WIDE,),
            now=NOW,
        )

        assert code(call, kit.verify(grant)) == "tool_not_granted"

    def test_a_request_states_nothing_it_only_narrows(self, kit):
        """Otherwise an agent could ask for what policy left out."""
        grant = kit.verify(kit.mint(Limits(audiences=("erp",)), requested=(WIDE,)))

        assert Tools(()) in grant.caveats
        assert code(call, grant) == "tool_not_granted"

    def test_each_element_becomes_caveats_of_its_own(self, kit):
        grant = kit.verify(
            kit.mint(
                WIDE,
                Limits(tools=("refunds.*",)),
                requested=(Limits(tools=("*.create",)), Limits(max_depth=2)),
            )
        )

        tools = [caveat.tools for caveat in grant.caveats if isinstance(caveat, Tools)]
        assert tools == [("*",), ("refunds.*",), ("*.create",)]
        call(grant, "refunds.create")
        assert code(call, grant, "refunds.get") == "tool_not_granted"
        assert code(call, grant, "orders.create") == "tool_not_granted"

    def test_dimension_may_be_stated_by_one_element_only(self, kit):
        grant = kit.verify(kit.mint(Limits(tools=("*",)), Limits(audiences=("erp",), scopes=("read",))))

        call(grant)
        assert clamp_credential(grant, template(), (), NOW)[0] == "erp"

    def test_repeated_caveats_are_written_once(self, kit):
        assert kit.verify(kit.mint(WIDE, WIDE, WIDE)).caveats == kit.verify(kit.mint(WIDE)).caveats

    @pytest.mark.parametrize("where", ["offered", "requested"])
    def test_shortest_life_wins(self, kit, where):
        short = Limits(ttl_seconds=60)
        minted = kit.mint(WIDE, short) if where == "offered" else kit.mint(WIDE, requested=(short,))

        grant = kit.verify(minted)
        assert grant.expires_at == grant.task.expires_at == NOW + 60

    def test_task_bounds_the_life(self, kit):
        assert kit.verify(kit.mint(Limits(ttl_seconds=10**6))).expires_at == NOW + 3600

    def test_every_budget_has_an_identity_of_its_own(self, kit):
        minted = kit.mint(
            WIDE, Limits(budgets={"usd": 5}), requested=(Limits(budgets={"usd": 3, "calls": 9}),)
        )
        budgets = kit.verify(minted).budgets

        assert [(budget.name, budget.limit) for budget in budgets] == [("usd", 5), ("calls", 9), ("usd", 3)]
        assert len({budget.budget_id for budget in budgets}) == 3
        assert kit.verify(minted).chain.budgets == budgets

    def test_too_large(self, kit):
        assert code(kit.mint, WIDE, claims={"groups": ["g" * 100] * 800}) == "grant_too_large"

    def test_claims_that_json_can_not_carry(self, kit):
        assert code(kit.mint, WIDE, claims={"n": 2**60}) == "subject_token_claims"

    def test_no_active_key(self, tmp_path):
        kit = make_kit(tmp_path / "keys")
        for file in (tmp_path / "keys").glob("*.json"):
            file.unlink()
        kit.keyring.refresh()

        with pytest.raises(NoDecision):
            kit.mint()


class TestDelegate:
    def test_hop_comes_before_what_narrows(self, kit):
        grant = kit.verify(kit.delegate(kit.mint(), BOB, Limits(tools=("refunds.*",)), Limits(max_depth=2)))

        assert (grant.holder, grant.depth) == (BOB, 1)
        assert grant.links[0].caveats == (Tools(("refunds.*",)), MaxDepth(2))
        assert grant.links[0].parent_id == grant.root_id
        assert grant.root_caveats == kit.verify(kit.mint()).root_caveats

    def test_chain(self, kit):
        text = kit.delegate(kit.mint(), BOB)
        text = branch(text, "researcher", Limits(tools=("*.get",)))
        text = kit.delegate(text, CAROL)
        grant = kit.verify(text)

        assert [(link.kind, link.holder, link.sub_agent) for link in grant.links] == [
            ("hop", BOB, ""),
            ("branch", BOB, "researcher"),
            ("hop", CAROL, ""),
        ]
        assert [link.parent_id for link in grant.links] == [
            grant.root_id,
            *(link.link_id for link in grant.links[:-1]),
        ]
        assert grant.holder_id == grant.links[-1].link_id
        assert len({grant.root_id, *(link.link_id for link in grant.links)}) == 4

    def test_sub_agent_of_a_branch(self, kit):
        grant = kit.verify(branch(kit.mint(), "researcher"))

        assert (grant.holder, grant.sub_agent, grant.depth) == (ALICE, "researcher", 1)

    @pytest.mark.parametrize(
        "holder",
        [
            ALICE,
            "",
            "bob",
            "https://example.org/bob",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe:///bob",
            "spiffe://EXAMPLE.org/bob",
            "spiffe://example.org/a/../b",
            "spiffe://example.org/b b",
            "spiffe://e.org/" + "b" * 2048,
        ],
    )
    def test_who_can_not_be_handed_a_grant(self, kit, holder):
        grant = kit.mint()

        assert code(kit.delegate, grant, holder) == "delegatee_invalid"
        assert code(check_delegation, kit.verify(grant), holder, now=NOW) == "delegatee_invalid"

    def test_sub_agent_can_not_hide_behind_a_hop_to_its_own_workload(self, kit):
        assert code(kit.delegate, branch(kit.mint(), "researcher"), ALICE) == "delegatee_invalid"

    def test_handing_back_is_allowed(self, kit):
        assert kit.verify(kit.delegate(kit.delegate(kit.mint(), BOB), ALICE)).holder == ALICE

    def test_too_deep(self, kit):
        text = kit.mint(WIDE, Limits(max_depth=1))
        check_delegation(kit.verify(text), BOB, now=NOW)
        text = kit.delegate(text, BOB)
        call(kit.verify(text))

        assert code(check_delegation, kit.verify(text), CAROL, now=NOW) == "depth_exceeded"
        assert code(call, kit.verify(kit.delegate(text, CAROL))) == "depth_exceeded"
        assert code(call, kit.verify(branch(text, "x"))) == "depth_exceeded"

    def test_depth_counts_from_the_root(self, kit):
        """A max_depth set below says how long the whole chain may be, not how much longer it may get."""
        text = kit.delegate(kit.mint(), BOB, Limits(max_depth=2))
        text = branch(text, "one")
        call(kit.verify(text))

        assert code(call, kit.verify(branch(text, "two"))) == "depth_exceeded"

    def test_child_does_not_raise_the_depth(self, kit):
        text = kit.delegate(kit.mint(WIDE, Limits(max_depth=1)), BOB, Limits(max_depth=9))

        assert code(check_delegation, kit.verify(text), CAROL, now=NOW) == "depth_exceeded"

    def test_a_hop_adds_its_budget_to_those_above(self, kit):
        text = kit.mint(WIDE, Limits(budgets={"usd": 5}))
        above = kit.verify(text).budgets
        below = kit.verify(kit.delegate(text, BOB, Limits(budgets={"usd": 1}))).budgets

        assert below[:1] == above
        assert [budget.limit for budget in below] == [5, 1]

    def test_expired(self, kit):
        assert code(check_delegation, kit.verify(kit.mint()), BOB, now=NOW + 3600) == "grant_expired"

    def test_text_and_grant_must_belong_together(self, kit):
        other = kit.verify(kit.mint(WIDE, Limits(max_depth=1)))

        assert code(kit.service.delegate, kit.mint(), other, holder=BOB, limits=(), now=NOW) == "internal"

    def test_too_many_caveats(self, kit):
        text = macaroon.append(kit.mint(), [encode_caveat(Tools(("*",)))] * (512 - 6))

        assert code(kit.delegate, text, BOB) == "grant_too_large"


class TestChildren:
    def test_limit_binds_every_later_parent(self, kit):
        text = kit.mint(WIDE, Limits(max_children=5))
        text = kit.delegate(text, BOB, Limits(max_children=3))
        text = branch(text, "one", Limits(max_children=9))
        text = branch(text, "two")
        grant = kit.verify(text)
        root, bob, one, two = grant.root_id, *(link.link_id for link in grant.links)

        assert [(child.parent_id, child.child_id, child.limit) for child in grant.counted] == [
            (root, bob, 5),
            (bob, one, 3),
            (one, two, 3),
        ]

    def test_narrowing_does_not_make_another_parent(self, kit):
        """Or a holder could append a caveat and start counting again."""
        text = kit.mint()
        first = kit.verify(branch(text, "a"))
        second = kit.verify(branch(narrow(text, Limits(tools=("*",))), "b"))

        assert first.links[0].parent_id == second.links[0].parent_id
        assert first.links[0].link_id != second.links[0].link_id

    def test_same_branch_twice_is_two_children(self, kit):
        text = kit.mint()

        assert kit.verify(branch(text, "a")).holder_id != kit.verify(branch(text, "a")).holder_id

    def test_root_has_none(self, kit):
        assert kit.verify(kit.mint()).counted == ()


class TestCheck:
    def test_message_names_caveat_link_constraint_and_argument(self, kit):
        rule = Arguments("refunds.*", (Constraint("amount", "range", {"max": 100}),))
        grant = kit.verify(kit.delegate(kit.mint(), BOB, Limits(arguments=(rule,))))

        assert message(call, grant, amount=101) == (
            f"caveat 8 (arguments, set with hop 1 to {BOB}): "
            "constraint 1 (range): argument 'amount' is greater than 100"
        )
        grant = kit.verify(branch(kit.mint(), "é", Limits(tools=())))
        assert message(call, grant).startswith(
            f"caveat 8 (tools, set with branch 1 to '\\xe9' of {ALICE}): tool 'refunds"
        )
        grant = kit.verify(kit.mint(Limits()))
        assert message(call, grant).startswith("caveat 1 (tools, in the root grant): ")

    def test_expiry_is_checked_each_time(self, kit):
        text = kit.mint(WIDE, Limits(ttl_seconds=60))
        call(kit.verify(text), now=NOW + 59)

        assert code(call, kit.verify(text), now=NOW + 60) == "grant_expired"
        assert code(check_expiry, kit.verify(text), now=NOW + 60) == "grant_expired"
        call(kit.verify(text), now=NOW + 59)

    def test_expiry_names_the_earliest_caveat(self, kit):
        text = narrow(narrow(kit.mint(), Limits(ttl_seconds=60), now=NOW), Limits(ttl_seconds=30), now=NOW)

        assert kit.verify(text).expires_at == NOW + 30
        assert message(call, kit.verify(text), now=NOW + 90).startswith(
            "caveat 8 (expiry, in the root grant): "
        )

    def test_root_itself_expires(self, kit):
        text = kit.mint(Limits(tools=("*",)))

        assert "the root grant expired" in message(call, kit.verify(text), now=NOW + 3600)

    def test_grant_from_the_future(self, kit):
        grant = kit.verify(kit.mint())
        call(grant, now=NOW - 30)

        assert code(call, grant, now=NOW - 31) == "grant_not_yet_valid"

    def test_not_a_number_is_no_time(self, kit):
        assert code(call, kit.verify(kit.mint()), now=float("nan")) == "grant_expired"

    def test_purpose(self, kit):
        grant = kit.verify(kit.mint(WIDE, Limits(purposes=("marketing",))))

        assert code(call, grant) == "purpose_not_granted"
        assert code(check_delegation, grant, BOB, now=NOW) == "purpose_not_granted"
        assert not tool_possible(grant, "refunds.create", now=NOW, read_only=True)

    def test_read_only(self, kit):
        grant = kit.verify(narrow(kit.mint(), Limits(read_only=True)))
        call(grant, read_only=True)

        assert code(call, grant) == "read_only"

    def test_call_pinned(self, kit):
        pinned = call_digest("refunds.create", "", b'{"amount":5}')
        grant = kit.verify(macaroon.append(kit.mint(), [encode_caveat(Call(pinned))]))
        call(grant, amount=5)

        assert code(call, grant, amount=6) == "call_mismatch"

    @pytest.mark.parametrize("caveat", [Uses(3)], ids=str)
    def test_caveats_that_can_not_be_enforced(self, kit, caveat):
        grant = kit.verify(macaroon.append(kit.mint(), [encode_caveat(caveat)]))

        assert code(call, grant) == "caveat_not_enforced"
        assert code(check_expiry, grant, now=NOW) == "caveat_not_enforced"
        assert code(check_delegation, grant, BOB, now=NOW) == "caveat_not_enforced"
        assert not tool_possible(grant, "refunds.create", now=NOW, read_only=True)

    def test_tool_possible_looks_at_the_tool_only(self, kit):
        rule = Arguments("refunds.*", (Constraint("amount", "range", {"max": 100}),))
        grant = kit.verify(kit.mint(WIDE, Limits(tools=("refunds.*",), arguments=(rule,))))

        assert tool_possible(grant, "refunds.create", now=NOW, read_only=False)
        assert not tool_possible(grant, "orders.get", now=NOW, read_only=False)
        assert not tool_possible(grant, "refunds.create", now=NOW + 3600, read_only=False)


class TestClamp:
    def test_within_the_grant(self, kit):
        grant = kit.verify(kit.mint())

        assert clamp_credential(grant, template("erp", ("write", "read"), 60.0), (), NOW) == (
            "erp",
            ("read", "write"),
            NOW + 60,
        )

    def test_never_outlives_the_grant(self, kit):
        grant = kit.verify(kit.mint(WIDE, Limits(ttl_seconds=30)))

        assert clamp_credential(grant, template(ttl_seconds=300.0), (), NOW)[2] == NOW + 30
        assert clamp_credential(grant, template(), (), NOW)[2] == NOW + 30

    @pytest.mark.parametrize("audience", ["other", "", "ERP", "erp "])
    def test_audience_outside(self, kit, audience):
        assert (
            code(clamp_credential, kit.verify(kit.mint()), template(audience), (), NOW)
            == "audience_not_granted"
        )

    def test_policy_offers_more_than_the_grant_has(self, kit):
        grant = kit.verify(narrow(kit.mint(), Limits(scopes=("read", "other"))))

        assert clamp_credential(grant, template("erp", ("read", "write", "admin")), (), NOW)[1] == ("read",)
        assert code(clamp_credential, grant, template("erp", ("write",)), (), NOW) == "scope_not_granted"
        assert message(clamp_credential, grant, template("erp", ("write",)), (), NOW).startswith(
            "caveat 7 (scopes,"
        )

    def test_requested_scopes(self, kit):
        grant = kit.verify(narrow(kit.mint(), Limits(scopes=("read",))))
        offered = template("erp", ("read", "write"))

        assert clamp_credential(grant, offered, ("read", "read"), NOW)[1] == ("read",)
        assert code(clamp_credential, grant, offered, ("read", "write"), NOW) == "scope_not_granted"
        assert code(clamp_credential, grant, offered, ("admin",), NOW) == "scope_not_granted"

    def test_no_scopes_at_all(self, kit):
        grant = kit.verify(kit.mint(WIDE, Limits(scopes=())))

        assert clamp_credential(grant, template("erp", ()), (), NOW)[1] == ()
        assert code(clamp_credential, grant, template("erp", ("read",)), (), NOW) == "scope_not_granted"


class TestMemory:
    def test_verified_grant_is_remembered(self, kit):
        text = kit.mint()

        assert kit.verify(text) is kit.verify(text)

    def test_rotation_keeps_old_grants(self, kit):
        text = kit.mint()
        old = kit.verify(text).key_id
        kit.keyring.rotate("root", lead_seconds=0)

        assert kit.verify(text).key_id == old
        assert kit.verify(kit.mint()).key_id != old
        assert kit.verify(kit.delegate(text, BOB)).key_id == old

    def test_key_that_goes_takes_its_grants_along(self, kit, tmp_path):
        text = kit.mint()
        kit.verify(text)
        for file in (tmp_path / "keys").glob("*.json"):
            file.unlink()
        kit.keyring.refresh()

        assert code(kit.verify, text) == "foreign_key"

    def test_retired_key(self, tmp_path):
        now = [NOW]
        kit = make_kit(tmp_path / "keys", clock=lambda: now[0])
        text = kit.mint()
        kit.keyring.rotate("root", overlap_seconds=100, lead_seconds=0)
        kit.verify(text)
        now[0] += 101

        assert code(kit.verify, text) == "foreign_key"

    def test_nothing_refused_is_remembered(self, kit):
        for number in range(50):
            assert code(kit.verify, f"nonsense{number}") == "grant_malformed"

        assert len(kit.service._cache) == 0

    def test_cache_is_bounded_by_count(self):
        cache = GrantCache(3, 10**9)
        for number in range(5):
            cache.put(f"{number}", number)
        cache.get("2")
        cache.put("5", 5)

        assert [cache.get(f"{number}") for number in range(6)] == [None, None, 2, None, 4, 5]

    def test_cache_is_bounded_by_size(self):
        cache = GrantCache(100, 8 * 1000)
        cache.put("a" * 600, 1)
        cache.put("b" * 600, 2)
        assert cache.get("a" * 600) is None
        assert cache.get("b" * 600) == 2
        cache.put("c" * 2000, 3)

        assert [cache.get(name * 600) for name in "ab"] == [None, 2], (
            "too large alone, and pushes nothing out"
        )
        assert cache.get("c" * 2000) is None

    def test_putting_again_does_not_count_twice(self):
        cache = GrantCache(100, 8 * 100)
        for _ in range(10):
            cache.put("a" * 60, 1)
        cache.put("b" * 40, 2)

        assert len(cache) == 2

    def test_service_stays_within_its_bounds(self, kit):
        service = GrantService(kit.keyring, "shop", max_entries=10)
        for number in range(40):
            service.verify(narrow(kit.mint(), Limits(tools=(f"t{number}",))))

        assert len(service._cache) == 10


def test_expiry_caveat_is_written(kit):
    assert Expiry(NOW + 3600) in kit.verify(kit.mint()).caveats


def test_a_grant_holds_a_bounded_number_of_budgets(kit):
    """Every call is stored with all of them, and a holder appends as many as it likes."""
    grant = kit.mint()
    for number in range(MAX_BUDGETS):
        grant = narrow(grant, Limits(budgets={f"b{number}": 1}))
    assert len(kit.verify(grant).budgets) == MAX_BUDGETS
    assert code(kit.verify, narrow(grant, Limits(budgets={"more": 1}))) == "grant_malformed"
