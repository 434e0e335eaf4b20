"""A backend that asks the zone sees a revocation at once."""

import asyncio
from urllib.parse import parse_qs

import pytest
from prometheus_client import CollectorRegistry
from tabard.verify import IntrospectionClient, Rejected, Verifier
from tabard_sidecar.http import conf
from tabard_sidecar.http.introspection import create_introspection_server
from tabard_sidecar.model import Introspection
from tabard_sidecar.records.metrics import Metrics

from tests.support.backends import Documents


def _verifier(issuer, replay, tmp_path, url):
    return Verifier(
        "refunds",
        issuer=issuer.name,
        jwks=issuer.write_jwks(tmp_path / "jwks.json"),
        replay=replay,
        introspection=IntrospectionClient(url, "client-key"),
    )


def test_an_active_credential_is_accepted_and_the_key_is_sent(issuer, replay, tmp_path):
    seen = []

    def answer(request):
        seen.append((request.headers["Authorization"], parse_qs(request.body.decode())))
        return 200, {"active": True, "jti": "the-id"}

    token = issuer.jwt("t", jti="the-id")
    with Documents(answer) as server:
        assert _verifier(issuer, replay, tmp_path, server.url).verify(token, "t", {})
    assert seen == [("Bearer client-key", {"token": [token]})]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, {"active": False}), "credential_inactive"),
        ((200, {"active": True, "jti": "another"}), "credential_inactive"),
        ((200, {"active": True}), "credential_inactive"),
        ((200, {"active": "true", "jti": "the-id"}), "introspection_unavailable"),
        ((200, {"active": 1, "jti": "the-id"}), "introspection_unavailable"),
        ((200, []), "introspection_unavailable"),
        ((200, b"<html>"), "introspection_unavailable"),
        ((401, {"error": "invalid_client"}), "introspection_unavailable"),
        ((500, {}), "introspection_unavailable"),
        ((302, {}, ("Location", "/elsewhere")), "introspection_unavailable"),
    ],
)
def test_every_other_answer_refuses_and_uses_nothing_up(issuer, replay, tmp_path, answer, code):
    token = issuer.jwt("t", jti="the-id", single_use=True)
    with Documents(lambda _: answer) as server, pytest.raises(Rejected) as caught:
        _verifier(issuer, replay, tmp_path, server.url).verify(token, "t", {})
    assert caught.value.code == code
    assert replay.accept(issuer.name, "the-id", 2e9)


def test_the_key_is_never_shown_and_never_sent_in_the_clear():
    client = IntrospectionClient("https://tabard.invalid/introspect", "client-key")
    assert "client-key" not in repr(client)
    with pytest.raises(ValueError, match="https"):
        IntrospectionClient("http://tabard.invalid/introspect", "client-key")


async def test_it_speaks_with_the_zones_own_endpoint(issuer, replay, tmp_path):
    key_file = tmp_path / "client.key"
    key_file.touch(mode=0o600)
    key_file.write_text("c" * 40)
    client = conf.IntrospectionClient(id="refunds", key_file=key_file, audiences=("refunds",))
    config = conf.IntrospectionConfig(listen="127.0.0.1:0", clients=(client,))
    token, ended = issuer.jwt("t", jti="the-id"), []

    async def introspect(value):
        return None if ended or value != token else _describe(issuer, "the-id")

    server = create_introspection_server(config, introspect=introspect, metrics=Metrics(CollectorRegistry()))
    await server.start()
    try:
        verifier = Verifier(
            "refunds",
            issuer=issuer.name,
            jwks=issuer.write_jwks(tmp_path / "jwks.json"),
            replay=replay,
            introspection=IntrospectionClient(f"http://{server.address}/introspect", "c" * 40),
        )
        assert await asyncio.to_thread(verifier.verify, token, "t", {})
        ended.append("the task")
        with pytest.raises(Rejected, match="credential_inactive"):
            await asyncio.to_thread(verifier.verify, token, "t", {})
    finally:
        await server.stop()


def _describe(issuer, credential_id):
    """What the sidecar knows about an active credential."""
    claims = issuer.claims("t", jti=credential_id)
    return Introspection(
        credential_id=credential_id,
        kind="jwt",
        task_id=claims["txn"],
        audience="refunds",
        scopes=(),
        issued_at=claims["iat"],
        expires_at=claims["exp"],
        subject_id=claims["sub"],
        subject_issuer=claims["sub_iss"],
        tool="t",
        call_digest=claims["tabard_call"],
        uses=0,
        claims=claims,
    )
