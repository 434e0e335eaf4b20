"""A client certificate without its key, or the reverse, is an error wherever a server may be configured."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tabard_sidecar.policy.conf import DownloadConfig, RemoteConfig
from tabard_sidecar.state.conf import RedisConfig, StateConfig


def _redis(**files):
    return StateConfig(url="rediss://state.example", redis=RedisConfig(**files))


@pytest.mark.parametrize(
    ("section", "names"),
    [
        (lambda **files: RemoteConfig(url="https://opa.example", **files), "cert_file and key_file"),
        (DownloadConfig, "cert_file and key_file"),
        (_redis, "state.redis.cert_file and state.redis.key_file"),
    ],
)
def test_certificate_and_key_are_set_together(section, names):
    for half in ({"cert_file": "/c.pem"}, {"key_file": "/k.pem"}):
        with pytest.raises(ValidationError, match=f"set both {names}, or neither"):
            section(**half)
    section(cert_file="/c.pem", key_file="/k.pem")
    section(ca_file="/ca.pem")
