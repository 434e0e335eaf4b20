"""The identity that a SPIFFE Workload API gives; a real one is in tests/integration/spiffe."""

import sys
import tempfile
import time
from pathlib import Path

import grpc
import pytest
from pydantic import ValidationError
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.identity import IdentityConfig, InsecureIdentity, build_identity
from tabard_sidecar.identity.svid import WorkloadApiTerms
from tabard_sidecar.identity.workload_api import WorkloadApiAgent

from tests.support.fake_workload_api import ORDERS, TRUST_DOMAIN, SvidAuthority, fake_workload_api
from tests.support.waiting import eventually

OTHER = f"spiffe://{TRUST_DOMAIN}/ns/shop/sa/others"


@pytest.fixture
def api():
    with (
        tempfile.TemporaryDirectory(prefix="tbw", dir="/tmp") as folder,
        fake_workload_api(Path(folder)) as fake,
    ):
        yield fake


class Running:
    """Starts identities, and closes them at the end."""

    def __init__(self):
        self.agents = []

    async def __call__(self, socket, *, clock=time.time, **terms):
        agent = WorkloadApiAgent(
            WorkloadApiTerms(socket, TRUST_DOMAIN, pause_seconds=0.05, **terms), clock=clock
        )
        self.agents.append(agent)
        await agent.start()
        return agent


@pytest.fixture
async def started():
    running = Running()
    yield running
    for agent in running.agents:
        await agent.close()


def problem_of(agent):
    with pytest.raises(NoDecision) as caught:
        agent.current()
    assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "agent_identity_unavailable")
    return caught.value.message


async def test_the_x509_svid_names_the_workload(api, started):
    api.svids = [SvidAuthority().x509()]
    agent = await started(api.socket)
    assert (agent.current().id, agent.current().issuer) == (ORDERS, f"spiffe://{TRUST_DOMAIN}")
    assert agent.problem == ""


async def test_the_jwt_svid_names_the_workload(api, started):
    authority = SvidAuthority()
    api.tokens, api.bundles = [authority.jwt()], {f"spiffe://{TRUST_DOMAIN}": authority.jwks}
    agent = await started(api.socket, svid="jwt")
    assert agent.current().id == ORDERS


async def test_a_new_svid_is_taken_when_the_api_tells_of_it(api, started):
    """Also one of another authority, whose bundle comes with it."""
    api.svids = [SvidAuthority().x509()]
    agent = await started(api.socket)
    api.push(SvidAuthority().x509(OTHER))
    await eventually(lambda: agent.current().id == OTHER)


async def test_a_jwt_svid_is_asked_for_again_after_half_of_its_life(api, started):
    authority = SvidAuthority()
    api.bundles = {f"spiffe://{TRUST_DOMAIN}": authority.jwks}
    api.tokens = [authority.jwt(seconds=2)]
    agent = await started(api.socket, svid="jwt")
    api.tokens = [authority.jwt(OTHER)]
    await eventually(lambda: agent.current().id == OTHER)


async def test_without_an_answer_the_identity_lasts_until_it_expires(api, started):
    now = [time.time()]
    api.svids = [SvidAuthority().x509()]
    agent = await started(api.socket, clock=lambda: now[0])
    api.refuse(grpc.StatusCode.UNAVAILABLE)
    await eventually(lambda: agent.problem == "it can't be asked: UNAVAILABLE")
    assert agent.current().id == ORDERS
    now[0] += 3601
    assert "it can't be asked" in problem_of(agent)


async def test_an_identity_that_is_withdrawn_is_gone_at_once_and_may_come_again(api, started):
    api.svids = [SvidAuthority().x509()]
    agent = await started(api.socket)
    api.refuse(grpc.StatusCode.PERMISSION_DENIED)
    await eventually(lambda: "gives this process no identity" in agent.problem)
    assert "register the workload" in problem_of(agent)
    api.refusal = None
    await eventually(lambda: agent.problem == "")
    assert agent.current().id == ORDERS


async def test_a_socket_that_comes_later(started, tmp_path):
    with tempfile.TemporaryDirectory(prefix="tbw", dir="/tmp") as folder:
        agent = await started(Path(folder) / "workload.sock")
        assert "does not exist" in problem_of(agent)
        with fake_workload_api(Path(folder)) as api:
            api.svids = [SvidAuthority().x509()]
            await eventually(lambda: agent.problem == "")
            assert agent.current().id == ORDERS
            await agent.close()


def _of_another_authority():
    return [SvidAuthority().x509(bundle=SvidAuthority().bundle)]


REFUSED = {
    "another authority": (_of_another_authority, {}, "isn't of its trust bundle"),
    "expired": (lambda: [SvidAuthority().x509(seconds=-60)], {}, "isn't of its trust bundle"),
    "another trust domain": (
        lambda: [SvidAuthority("elsewhere").x509("spiffe://elsewhere/ns/a/sa/b")],
        {},
        "isn't of the trust domain",
    ),
    "no workload": (lambda: [SvidAuthority().x509(f"spiffe://{TRUST_DOMAIN}")], {}, "trust domain root"),
    "several": (
        lambda: [SvidAuthority().x509(), SvidAuthority().x509(OTHER)],
        {},
        "choose one: identity.agent.spiffe.spiffe_id",
    ),
    "not the configured one": (
        lambda: [SvidAuthority().x509()],
        {"spiffe_id": OTHER},
        f"no identity {OTHER}",
    ),
    "none": (list, {}, "empty"),
    "no certificate": (lambda: [_broken(x509_svid=b"no")], {}, "certificate"),
    "no bundle": (lambda: [SvidAuthority().x509(bundle=b"")], {}, ""),
}


def _broken(**changes):
    svid = SvidAuthority().x509()
    for name, value in changes.items():
        setattr(svid, name, value)
    return svid


@pytest.mark.parametrize("case", REFUSED)
async def test_svids_that_are_not_accepted(api, started, case):
    svids, terms, reason = REFUSED[case]
    api.svids = svids()
    agent = await started(api.socket, **terms)
    assert reason in problem_of(agent)
    assert agent.problem


async def test_one_of_several_is_chosen(api, started):
    authority = SvidAuthority()
    api.svids = [authority.x509(), authority.x509(OTHER)]
    assert (await started(api.socket, spiffe_id=OTHER)).current().id == OTHER


TOKENS = {
    "another audience": {"audience": "others"},
    "two audiences": {"audience": ["tabard", "others"]},
    "expired": {"seconds": -60},
    "another trust domain": {"spiffe_id": "spiffe://elsewhere/ns/a/sa/b"},
}


@pytest.mark.parametrize("case", TOKENS)
async def test_tokens_that_are_not_accepted(api, started, case):
    authority = SvidAuthority()
    api.tokens = [authority.jwt(**TOKENS[case])]
    api.bundles = {f"spiffe://{TRUST_DOMAIN}": authority.jwks}
    agent = await started(api.socket, svid="jwt")
    problem_of(agent)


async def test_a_token_that_another_key_signed_is_refused(api, started):
    api.tokens = [SvidAuthority().jwt()]
    api.bundles = {f"spiffe://{TRUST_DOMAIN}": SvidAuthority().jwks}
    problem_of(await started(api.socket, svid="jwt"))


async def test_a_bad_svid_does_not_replace_a_good_one(api, started):
    api.svids = [SvidAuthority().x509()]
    agent = await started(api.socket)
    api.push(*_of_another_authority())
    await eventually(lambda: "isn't of its trust bundle" in agent.problem)
    assert agent.current().id == ORDERS
    api.push(SvidAuthority().x509(OTHER))
    await eventually(lambda: agent.problem == "")
    assert agent.current().id == OTHER


async def test_a_socket_in_a_folder_of_strangers_is_not_asked(api, started):
    """Who could replace the socket could name any workload."""
    api.socket.parent.chmod(0o777)
    api.svids = [SvidAuthority().x509()]
    agent = await started(api.socket)
    api.socket.parent.chmod(0o700)
    assert str(api.socket.parent) in problem_of(agent)
    assert api.asked == 0


async def test_closing_ends_the_thread(api, started):
    api.svids = [SvidAuthority().x509()]
    agent = await started(api.socket)
    thread = agent._thread
    await agent.close()
    assert not thread.is_alive()


def built(**agent):
    return build_identity(
        IdentityConfig.model_validate({"agent": {"spiffe": {"trust_domain": TRUST_DOMAIN, **agent}}}),
        zone="support",
        insecure=InsecureIdentity(),
        clock=time.time,
    )


async def test_the_configuration_leads_to_the_identity(api):
    api.svids = [SvidAuthority().x509()]
    identity = built(socket=str(api.socket))
    await identity.start()
    try:
        assert identity.agent.current().id == ORDERS
    finally:
        await identity.close()


async def test_without_its_package_the_start_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "spiffe", None)
    for name in [name for name in sys.modules if name.endswith(("identity.workload_api", "identity.svid"))]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ValueError, match=r"install tabard-sidecar\[spiffe\]"):
        built()


@pytest.mark.parametrize(
    "agent",
    [
        {"spiffe": {"trust_domain": "Example.org"}},
        {"spiffe": {"trust_domain": "example.org", "spiffe_id": "orders"}},
        {"spiffe": {"trust_domain": "example.org", "spiffe_id": "spiffe://elsewhere/a"}},
        {"spiffe": {"trust_domain": "example.org", "svid": "pgp"}},
        {
            "spiffe": {"trust_domain": "example.org"},
            "service_account": {"issuer": "k8s", "trust_domain": "example.org"},
        },
    ],
)
def test_settings_that_are_refused(agent):
    with pytest.raises(ValidationError):
        IdentityConfig.model_validate({"agent": agent})
