"""One process's certificate: served from a private file, kept while the API server is lost, and told since when."""

from __future__ import annotations

import asyncio
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from tabard_sidecar.certificates.conf import ManagedForWebhook
from tabard_sidecar.certificates.managed import ManagedCertificate
from tabard_sidecar.certificates.serving import Kept, followed_certificate
from tabard_sidecar.health import Health
from tabard_sidecar.injector.conf import WebhookConfig
from tabard_sidecar.util.stopping import until_stopped

from tests.support.kube_objects import FakeObjects
from tests.support.waiting import eventually

SECRET = "/api/v1/namespaces/own/secrets/certificates"
SETTINGS = {
    "secret": "certificates",
    "namespace": "own",
    "names": ["127.0.0.1"],
    "webhook_configuration": "hook",
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeObjects]:
    api = FakeObjects()
    api.clock = time.time()
    api.close = lambda: None
    api.put(SECRET, {"metadata": {"name": "certificates"}})
    monkeypatch.setattr("tabard_sidecar.certificates.managed.ApiServer", lambda _: api)
    return api


def _managed(**settings: object) -> ManagedForWebhook:
    return ManagedForWebhook.model_validate({**SETTINGS, "interval_seconds": 1, **settings})


async def test_the_certificate_is_in_one_private_file(api: FakeObjects):
    health = Health(required=("certificate",))
    certificate = ManagedCertificate(_managed(), None, health.component("authority"))
    following = asyncio.create_task(certificate.follow())
    await certificate.ready()
    file = certificate.files.tls_certificate_file
    assert file == certificate.files.tls_key_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)
    following.cancel()
    certificate.close()
    assert not file.parent.exists()


async def test_a_lost_api_server_changes_nothing_but_health(api: FakeObjects):
    health, kept = Health(required=("certificate",)), Kept()
    section = WebhookConfig(managed=_managed())
    async with followed_certificate(section, health, kept) as certificate:
        health.started()
        served = certificate.tls()
        await eventually(lambda: "no MutatingWebhookConfiguration hook" in "".join(health.snapshot().reasons))
        assert kept.failing_since() == 0
        assert kept.authority_expires() > kept.expires() > 0
        api.lost = True
        await eventually(
            lambda: "can't be reached; the certificate stays in use" in "".join(health.snapshot().reasons)
        )
        assert health.snapshot().ready
        since = kept.failing_since()
        assert since > 0
        await asyncio.sleep(1.2)
        assert kept.failing_since() == since
        assert certificate.tls() is served
        api.lost = False
        await eventually(lambda: kept.failing_since() == 0)


async def test_a_start_without_the_api_server_waits_and_says_why(api: FakeObjects):
    health = Health(required=("certificate",))
    api.lost = True

    async def start() -> None:
        async with followed_certificate(WebhookConfig(managed=_managed()), health, Kept()):
            health.started()

    starting = asyncio.create_task(start())
    await eventually(
        lambda: "there is no certificate: can't be reached" in "".join(health.snapshot().reasons)
    )
    assert not health.snapshot().ready
    assert not starting.done()
    api.lost = False
    await starting


class _Never:
    async def __aenter__(self) -> None:
        await asyncio.Event().wait()

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError("it never started")


async def test_a_process_that_still_waits_can_be_stopped():
    stop = asyncio.Event()
    running = asyncio.create_task(until_stopped(_Never(), stop))
    await asyncio.sleep(0.01)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 60)


class _Fails(_Never):
    async def __aenter__(self) -> None:
        raise OSError("no")


async def test_a_start_that_fails_is_told():
    with pytest.raises(OSError, match="no"):
        await until_stopped(_Fails(), asyncio.Event())


WRONG = {
    "nothing": {},
    "both": {"managed": SETTINGS, "tls_certificate_file": "a", "tls_key_file": "b"},
    "half": {"tls_certificate_file": "a"},
    "too short an overlap": {"managed": SETTINGS | {"overlap_seconds": 29}},
    "certificates that live too long": {"managed": SETTINGS | {"certificate_days": 200}},
    "no name": {"managed": SETTINGS | {"names": ["a_b"]}},
    "no names": {"managed": SETTINGS | {"names": []}},
    "a path in a name": {"managed": SETTINGS | {"secret": "../x"}},
    "plain http": {"managed": SETTINGS | {"api": {"url": "http://x"}}},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_refused(case: str):
    with pytest.raises(ValidationError):
        WebhookConfig.model_validate(WRONG[case])


def test_files_as_before(tmp_path: Path):
    section = WebhookConfig(tls_certificate_file=tmp_path / "a", tls_key_file=tmp_path / "b")
    assert section.managed is None
