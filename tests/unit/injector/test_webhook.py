"""The listener over TLS: bounds, a renewed certificate, clients, many at once, and its end."""

import asyncio
import contextlib
import datetime as dt
import io
import json
import shutil
import ssl
from pathlib import Path

import aiohttp
import pytest
from tabard_sidecar.http.certificate import CertificateError
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.running import injector
from tabard_sidecar.injector.webhook import MAX_BODY_BYTES

from tests.support.injecting import container, pod, review
from tests.support.tls import Authority
from tests.support.waiting import eventually


class Place:
    """An injector's files, and clients for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "authority")
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.issue("first")

    def issue(self, name, **more):
        certificate, key = self.authority.issue(name, **{"ends": dt.timedelta(days=30), **more})
        shutil.copy(key, self.key)
        self.key.chmod(0o600)
        shutil.copy(certificate, self.certificate)

    def settings(self, **webhook):
        return InjectorSettings.model_validate(
            {
                "webhook": {
                    "listen": "127.0.0.1:0",
                    "tls_certificate_file": self.certificate,
                    "tls_key_file": self.key,
                    "drain_seconds": 0.2,
                    **webhook,
                },
                "http": {"listen": "127.0.0.1:0"},
                "sidecar": {"image": "registry.example.org/tabard-sidecar:0.1.0"},
            }
        )

    def trusting(self):
        return ssl.create_default_context(cafile=self.authority.certificate)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@contextlib.asynccontextmanager
async def client(place, running, tls=None):
    """Posts to a running injector; gives status and what came."""
    connector = aiohttp.TCPConnector(ssl=tls or place.trusting(), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(body, path="/inject", **more):
            url = f"https://{running.webhook.server.address}{path}"
            data = io.BytesIO(json.dumps(body).encode()) if isinstance(body, dict) else body
            async with session.post(url, data=data, **more) as response:
                text = await response.text()
                return response.status, json.loads(
                    text
                ) if response.content_type == "application/json" else text

        yield post


async def page(running, path):
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{running.http_address}{path}") as response,
    ):
        return response.status, await response.text()


async def test_a_pod_is_patched_and_counted(place):
    async with injector(place.settings()) as running, client(place, running) as post:
        status, document = await post(review(pod()))
        assert (status, document["response"]["allowed"]) == (200, True)
        assert "patch" in document["response"]
        assert not (await post(review(pod(hostPID=True))))[1]["response"]["allowed"]
        assert (await page(running, "/readyz"))[0] == 200
        metrics = (await page(running, "/metrics"))[1]
    assert 'tabard_injector_reviews_total{result="injected"} 1.0' in metrics
    assert 'tabard_injector_reviews_total{result="refused"} 1.0' in metrics
    assert "support-agent" not in metrics


async def test_what_cant_be_answered(place):
    """Each has its status; nothing of it stops the next one."""

    async def pieces():
        yield b"{}"

    async with injector(place.settings()) as running, client(place, running) as post:
        assert (await post(b"{"))[0] == 400
        assert (await post(pieces()))[0] == 411
        assert (await post(b"{}", path="/"))[0] == 404
        with contextlib.suppress(aiohttp.ClientError):  # the listener needn't read it to its end
            assert (await post(io.BytesIO(b" " * (MAX_BODY_BYTES + 1))))[0] == 413
        assert (await post(review(pod())))[0] == 200
        metrics = (await page(running, "/metrics"))[1]
    assert 'tabard_injector_reviews_total{result="malformed"} 3.0' in metrics


async def test_a_huge_pod_is_patched(place):
    """As large as the API server accepts."""
    filled = pod(*(container(f"c{index}", args=["x" * 3000]) for index in range(900)))
    async with injector(place.settings()) as running, client(place, running) as post:
        found = await asyncio.gather(*(post(review(filled)) for _ in range(5)))
    assert all(document["response"]["allowed"] for _, document in found)


@pytest.mark.parametrize("many", [20, 300])
async def test_many_at_once(place, many):
    """A node that comes back has the API server ask about many pods."""
    async with injector(place.settings()) as running, client(place, running) as post:
        found = await asyncio.gather(*(post(review(pod())) for _ in range(many)))
    assert [document["response"]["allowed"] for _, document in found] == [True] * many


async def test_a_renewed_certificate_is_used_without_a_restart(place):
    """Half a pair is never used, and no request fails meanwhile."""
    old = place.authority
    async with injector(place.settings()) as running:
        stop = asyncio.Event()

        async def stream():
            count = 0
            while not stop.is_set():
                tls = ssl.create_default_context(cafile=old.certificate)
                tls.load_verify_locations(place.authority.certificate)
                async with client(place, running, tls) as post:
                    assert (await post(review(pod())))[0] == 200
                count += 1
            return count

        asking = asyncio.create_task(stream())
        place.authority = Authority(place.folder, "other")
        certificate, key = place.authority.issue("second", ends=dt.timedelta(days=30))
        shutil.copy(key, place.key)

        async def doubtful():
            return "degraded" in (await page(running, "/readyz"))[1]

        await eventually(doubtful)
        assert (await page(running, "/readyz"))[0] == 200
        shutil.copy(certificate, place.certificate)

        async def renewed():
            with contextlib.suppress(aiohttp.ClientError):
                async with client(place, running) as post:  # trusts the new authority only
                    return (await post(review(pod())))[0] == 200
            return False

        await eventually(renewed)
        assert "serving" in (await page(running, "/readyz"))[1]
        stop.set()
        assert await asking > 0


async def test_only_clients_of_the_authority_are_served(place):
    strangers = Authority(place.folder, "strangers")
    async with injector(place.settings(client_ca_file=place.authority.certificate)) as running:
        for pair, served in (
            (place.authority.issue("api", usage="client"), True),
            (strangers.issue("x", usage="client"), False),
            (None, False),
        ):
            tls = place.trusting()
            if pair:
                tls.load_cert_chain(*pair)
            answered = None
            with contextlib.suppress(aiohttp.ClientError):
                async with client(place, running, tls) as post:
                    answered = (await post(review(pod())))[0]
            assert answered == (200 if served else None)


async def test_an_expired_certificate_is_not_ready(place):
    place.issue("late", ends=dt.timedelta(minutes=-1))
    async with injector(place.settings()) as running:
        assert (await page(running, "/readyz"))[0] == 503


async def test_it_drains(place):
    """Not ready at once, still answering, each connection ended."""
    stop, begun = asyncio.Event(), asyncio.Event()
    found = {}

    async def run():
        async with injector(place.settings(drain_seconds=1.0)) as running:
            found["running"] = running
            begun.set()
            await stop.wait()

    task = asyncio.create_task(run())
    await begun.wait()
    stop.set()

    async def stopping():
        return (await page(found["running"], "/readyz"))[0] == 503

    await eventually(stopping)
    connector = aiohttp.TCPConnector(ssl=place.trusting())
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"https://{found['running'].webhook.server.address}/inject"
        async with session.post(url, json=review(pod())) as response:
            assert (response.status, response.headers["Connection"]) == (200, "close")
    await task


async def test_unusable_files_are_told(place):
    place.certificate.write_text("nothing")
    with pytest.raises(CertificateError, match=r"tls\.crt: is no certificate"):
        async with injector(place.settings()):
            pass
    place.certificate.unlink()
    with pytest.raises(CertificateError, match=r"tls\.crt: No such file"):
        async with injector(place.settings()):
            pass
