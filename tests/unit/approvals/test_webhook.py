"""The webhook: signed, repeated until the receiver accepts, never in the way of a decision."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from aiohttp import web
from tabard_sidecar.approvals.conf import WebhookConfig
from tabard_sidecar.approvals.webhook import SIGNATURE_HEADER, Webhook

from tests.support.approvals import ASK, CALL, ApprovalWorld
from tests.support.grants import tool_call
from tests.support.tokens import NOW, FakeClock
from tests.support.waiting import DEADLINE_SECONDS, eventually

OTHER = replace(ASK, code="other", approvers=("named",))
SECRET = "0123456789abcdef0123456789abcdef"


class Receiver:
    """A real HTTP server that answers with the statuses it is given, then with 204."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.requests = []
        self.gate = None
        self.url = ""

    async def handle(self, request):
        self.requests.append((request.headers, await request.read()))
        if self.gate is not None:
            await self.gate.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else None)

    async def __aenter__(self):
        application = web.Application()
        application.router.add_post("/{path:.*}", self.handle)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *exc_info):
        await self.runner.cleanup()

    async def until(self, count):
        await eventually(lambda: len(self.requests) >= count)


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


class Pauses:
    """In place of waiting between attempts."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)
        await asyncio.sleep(0)


async def until_dropped(webhook, count):
    await eventually(lambda: webhook.dropped == count)


def check(headers, body):
    """Check a signature as docs/approvals.md tells receivers to."""
    parts = dict(part.split("=", 1) for part in headers[SIGNATURE_HEADER].split(","))
    signed = parts["t"].encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"]), int(parts["t"])


async def test_a_new_approval_is_announced_and_signed(tmp_path, secret_file):
    async with Receiver() as receiver:
        hook = {"url": receiver.url, "secret_file": secret_file}
        async with ApprovalWorld(tmp_path, webhook=hook) as world:
            (pending,) = await world.ask()
            await world.ask()  # nothing new
            await receiver.until(1)
    assert world.parts.webhook.dropped == 0
    ((headers, body),) = receiver.requests
    assert check(headers, body) == (True, int(NOW))
    assert json.loads(body) == {
        "type": "approval.requested",
        "approval_id": pending.approval_id,
        "task_id": "task-1",
        "module": "payments",
        "code": "large_payment",
        "reason": ASK.reason,
        "approvers": ["finance"],
        "asserted": {"tool": "payments.send", "server": ""},
        "created_at": NOW,
        "expires_at": NOW + 900,
    }
    assert pending.call_grant not in body.decode()
    assert CALL.arguments["to"] not in body.decode()


async def test_a_group_is_announced_once(tmp_path, secret_file):
    """With its calls and without arguments; not again when they are asked for again or others join it."""
    calls = [tool_call("payments.send", amount=number, to="secret-payee") for number in range(3)]
    async with Receiver() as receiver:
        hook = {"url": receiver.url, "secret_file": secret_file}
        async with ApprovalWorld(tmp_path, webhook=hook) as world:
            waiting = await world.ask_together(*calls[:2], tool_call("mail.send", to="x"))
            await world.ask_together(*calls)
            (alone,) = await world.ask_together(tool_call("payments.send", amount=9), asks=(OTHER,))
            await receiver.until(2)
    bodies = [json.loads(body) for _, body in receiver.requests]
    (group,) = [body for body in bodies if body["type"] == "approval_group.requested"]
    assert group == {
        "type": "approval_group.requested",
        "group_id": waiting[0].group_id,
        "approval_ids": [one.approval_id for one in waiting],
        "task_id": "task-1",
        "rules": [{"module": "payments", "code": "large_payment", "reason": ASK.reason}],
        "approvers": ["finance"],
        "asserted": {
            "calls": [
                {"tool": "payments.send", "server": "", "count": 2},
                {"tool": "mail.send", "server": "", "count": 1},
            ]
        },
        "created_at": NOW,
        "expires_at": NOW + 900,
    }
    (single,) = [body for body in bodies if body["type"] == "approval.requested"]
    assert single["approval_id"] == alone.approval_id
    assert not any(b"secret-payee" in body for _, body in receiver.requests)


async def test_a_changed_body_does_not_verify(tmp_path, secret_file):
    async with Receiver() as receiver:
        webhook = Webhook(WebhookConfig(url=receiver.url, secret_file=secret_file), FakeClock())
        await webhook.start()
        webhook.announce({"approval_id": "a"})
        await receiver.until(1)
        await webhook.close()
    headers, body = receiver.requests[0]
    assert check(headers, body)[0]
    assert not check(headers, body.replace(b'"a"', b'"b"'))[0]


async def test_told_again_until_accepted(secret_file):
    """The webhook repeats an announcement, with growing pauses, until the receiver accepts it."""
    pauses = Pauses()
    async with Receiver(500, 429, 503, 302) as receiver:
        config = WebhookConfig(url=receiver.url, secret_file=secret_file)
        webhook = Webhook(config, FakeClock(), sleep=pauses)
        await webhook.start()
        webhook.announce({"approval_id": "a"})
        await receiver.until(5)
        await webhook.close()
    assert webhook.dropped == 0
    assert len(receiver.requests) == 5
    assert all(
        0.8 * wanted <= waited <= 1.2 * wanted
        for waited, wanted in zip(pauses.seconds, [1, 2, 4, 8], strict=True)
    )


@pytest.mark.parametrize(("statuses", "requests"), [((400,), 1), ((410,), 1), ((500,) * 9, 3)])
async def test_given_up(secret_file, statuses, requests):
    """The webhook drops an announcement that is refused permanently or failed too often."""
    async with Receiver(*statuses) as receiver:
        config = WebhookConfig(url=receiver.url, secret_file=secret_file, attempts=3)
        webhook = Webhook(config, FakeClock(), sleep=Pauses())
        await webhook.start()
        webhook.announce({"approval_id": "a"})
        await until_dropped(webhook, 1)
        await webhook.close()
    assert len(receiver.requests) == requests


async def test_a_receiver_that_hangs_holds_nothing_up(tmp_path, secret_file):
    async with Receiver() as receiver:
        receiver.gate = asyncio.Event()
        hook = {"url": receiver.url, "secret_file": secret_file, "queue": 2}
        async with ApprovalWorld(tmp_path, webhook=hook) as world:
            for number in range(5):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await world.ask(ASK.__class__("m", f"code_{number}", ("finance",), "why", 1, 60.0))
            for number in range(20):
                world.parts.webhook.announce({"number": number})
            assert world.parts.webhook.dropped > 0
            receiver.gate.set()
            await world.parts.webhook.close()


async def test_a_receiver_that_does_not_listen(secret_file):
    """The webhook drops an announcement whose receiver cannot be reached."""
    webhook = Webhook(
        WebhookConfig(url="http://127.0.0.1:9/hook", secret_file=secret_file, attempts=2),
        FakeClock(),
        sleep=Pauses(),
    )
    await webhook.start()
    webhook.announce({"approval_id": "a"})
    await until_dropped(webhook, 1)
    await webhook.close()


async def test_a_secret_that_is_exchanged_while_running(secret_file):
    async with Receiver() as receiver:
        webhook = Webhook(WebhookConfig(url=receiver.url, secret_file=secret_file), FakeClock())
        await webhook.start()
        secret_file.write_text("f" * 32)
        webhook.announce({"approval_id": "a"})
        await receiver.until(1)
        await webhook.close()
    headers, body = receiver.requests[0]
    expected = hmac.new(b"f" * 32, b"%d." % int(NOW) + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE_HEADER] == f"t={int(NOW)},v1={expected}"


async def test_an_event_holds_no_secret(secret_file):
    """Events pass through the redaction of everything that leaves the sidecar."""
    secret = "AgEGdGFiYXJk" + "x" * 80
    async with Receiver() as receiver:
        webhook = Webhook(WebhookConfig(url=receiver.url, secret_file=secret_file), FakeClock())
        await webhook.start()
        webhook.announce({"approval_id": "a", "tool": f"pay {secret}", "grant": "g"})
        await receiver.until(1)
        await webhook.close()
    _, body = receiver.requests[0]
    assert json.loads(body) == {"approval_id": "a", "tool": "pay [redacted]", "grant": "[redacted]"}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://chat.example.org/hook", "must be https"),
        ("https://user@chat.example.org/hook", "no user"),
        ("ftp://chat.example.org", "must be https"),
    ],
)
def test_urls_that_are_refused(secret_file, url, problem):
    with pytest.raises(ValueError, match=problem):
        Webhook(WebhookConfig(url=url, secret_file=secret_file), FakeClock())


def test_secrets_that_are_refused(tmp_path, secret_file):
    url = "https://chat.example.org/hook"
    secret_file.chmod(0o644)
    with pytest.raises(ValueError, match="others can read it"):
        Webhook(WebhookConfig(url=url, secret_file=secret_file), FakeClock())
    secret_file.chmod(0o600)
    secret_file.write_text("short")
    with pytest.raises(ValueError, match="fewer than 32"):
        Webhook(WebhookConfig(url=url, secret_file=secret_file), FakeClock())
    with pytest.raises(ValueError, match="No such file"):
        Webhook(WebhookConfig(url=url, secret_file=tmp_path / "none"), FakeClock())
