"""The sidecar's transport to a real Vault that speaks TLS with a certificate of the organisation's own authority."""

from __future__ import annotations

import time

import pytest
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.transport import VaultTransport
from tabard_sidecar.util.bounded_http import until

from tests.components.ports import free_port
from tests.support.components import component
from tests.support.tls import Authority
from tests.support.vault_server import short_folder


@pytest.fixture
def authorities(tmp_path):
    """The organisation's authority, and one of strangers."""
    return Authority(tmp_path, "ours"), Authority(tmp_path, "strangers")


def health(address, ca_file):
    """Ask for the vault's health as the sidecar asks."""
    transport = VaultTransport(address, ca_file=ca_file, namespace="", connections=4)
    with until(time.monotonic() + 10):
        return transport.adapter().request("get", "/v1/sys/health")


@pytest.mark.parametrize("names", [None, ["vault.example.org"]])
def test_only_a_certificate_of_the_configured_authority_for_this_name_is_trusted(
    authorities, monkeypatch, names
):
    ours, strangers = authorities
    certificate, key = ours.issue("vault", names=names)
    monkeypatch.setenv("VAULT_TLS_CERT", str(certificate))
    monkeypatch.setenv("VAULT_TLS_KEY", str(key))
    with short_folder("vault") as folder:
        address = component("vault.sh", "server", folder, str(free_port()))
        try:
            assert address.startswith("https://")
            if names is None:
                assert health(address, ours.certificate)["sealed"] is False
            for ca_file in [strangers.certificate, None, *([ours.certificate] if names else [])]:
                with pytest.raises(VaultFault, match="certificate isn't acceptable") as caught:
                    health(address, ca_file)
                assert caught.value.nothing_done
        finally:
            component("vault.sh", "stop", folder)
