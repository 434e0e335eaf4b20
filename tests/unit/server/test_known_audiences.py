"""Audiences of tokens that the agent can have, too."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from json import dumps

import pytest
from tabard_sidecar.config import Settings
from tabard_sidecar.server.known_audiences import known_audiences, pods_tokens


def token(path, claims):
    """Write a token as a platform does."""
    parts = ({"alg": "RS256", "kid": "1"}, claims)
    text = [urlsafe_b64encode(dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    path.write_text(".".join([*text, "c2ln"]))
    return path


def settings(**sections):
    """Return a configuration with sections."""
    return Settings(zone="z", **sections)


def test_the_audiences_of_the_pods_tokens_are_known(tmp_path):
    own = token(tmp_path / "own", {"aud": ["https://issuer.of-this-cluster", "k8s"]})
    cloud = token(tmp_path / "cloud", {"aud": "sts.example"})
    found = known_audiences(settings(), [own, cloud, tmp_path / "missing"])
    assert set(found) == {"https://issuer.of-this-cluster", "k8s", "sts.example"}
    assert str(own) in found["k8s"]


@pytest.mark.parametrize("content", ["", "x", "a.b.c", "e30.e30.", "é.é.é", "x" * 100_000])
def test_what_is_no_token_tells_nothing(tmp_path, content):
    (tmp_path / "token").write_text(content)
    assert known_audiences(settings(), [tmp_path / "token", tmp_path]) == {}


def test_the_audiences_of_the_configuration_are_known():
    agent = {"service_account": {"issuer": "https://c", "audience": "of-the-workload", "trust_domain": "z"}}
    issuers = [{"issuer": "https://idp.example", "audiences": ["of-people"]}]
    found = known_audiences(settings(identity={"agent": agent, "issuers": issuers}), [])
    assert set(found) == {"of-the-workload", "of-people"}


def test_platforms_name_their_tokens_by_variables():
    found = pods_tokens({"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/aws", "HOME": "/"})
    assert [str(path) for path in found] == [
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "/var/run/aws",
    ]
