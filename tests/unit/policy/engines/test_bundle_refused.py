"""Refusals of what a server of bundles may send instead of a newer, signed, whole bundle: the last good one stays."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.authoring.packing import pack
from tabard_sidecar.policy.conf import DownloadConfig, PolicyConfig
from tabard_sidecar.policy.engines.pace import Pace
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.archive import unpack
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.reading import USUAL_SIZES
from tabard_sidecar.policy.loading.sequences import MAX_SEQUENCE, Place, require_not_older, sequence_of
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.status import PolicyState

from tests.support.bundle_server import BundleServer, reply
from tests.support.bundles import Key, bundle, trusting
from tests.support.policy import call, decide
from tests.support.waiting import eventually

MEBIBYTE = 1024 * 1024


class World:
    """A server with the bundle number 5, a runtime that uses it, and the key that signs."""

    def __init__(self, engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.key = Key(folder, "release")
        self.server = BundleServer(self.made("five", 5))

    def made(self, code: str, sequence: int, more: str = "") -> bytes:
        """Return a signed bundle."""
        return self.key.sign(bundle(self.engine, self.folder, code, sequence, more))

    @contextlib.asynccontextmanager
    async def runtime(self, url: str, **download):
        """Give a runtime that follows the URL."""
        fast = {"min_delay_seconds": 0.1, "max_delay_seconds": 0.1, "folder": self.folder / "kept"}
        config = PolicyConfig(
            url=url,
            download=DownloadConfig(**{**fast, "timeout_seconds": 1, **download}),
            bundle=trusting(self.key),
            poll_seconds=0.05,
            quiet_seconds=0,
        )
        active = create_runtime(config, CompileOptions(), self.engine, time.time)
        try:
            await active.start()
            yield active
        finally:
            await active.close()

    async def refuses(self, active, expected: str) -> None:
        """Wait until the problem is told; the last good bundle decides meanwhile, and the next good one is used."""
        await eventually(lambda: any(expected in reason for reason in active.status().reasons))
        assert active.status().state is PolicyState.DEGRADED
        decision = await decide(active, Operation.AUTHORIZE, call())
        assert [reason.code for reason in decision.granted_by] == ["five"]
        self.server.answer = None
        self.server.put(self.made("six", 6))
        await eventually(lambda: active.revision == "six-6")
        await eventually(lambda: active.status().state is PolicyState.SERVING)


@pytest.fixture
def world(engine, tmp_path):
    return World(engine, tmp_path)


def changed(content: bytes, name: str, text: bytes) -> bytes:
    """Return a bundle with another content of a file, under the signature that it had."""
    return pack({**unpack(content, Path("b"), USUAL_SIZES), name: text}, Path("b"))


def unsigned(content: bytes) -> bytes:
    files = unpack(content, Path("b"), USUAL_SIZES)
    del files[".signatures.json"]
    return pack(files, Path("b"))


def bomb() -> bytes:
    """Return a small gzip file that unpacks to much more than is accepted."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("data.json")
        info.size = 64 * MEBIBYTE
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    return gzip.compress(buffer.getvalue())


BAD = {
    "empty": (lambda _: b"", "isn't one whole gzip file"),
    "not an archive": (lambda _: b"<html>no</html>", "isn't a readable bundle"),
    "cut": (lambda w: w.made("six", 6)[:-20], "isn't one whole gzip file"),
    "with more after it": (lambda w: w.made("six", 6) * 2, "isn't one whole gzip file"),
    "bomb": (lambda _: bomb(), "unpacks to more than"),
    "unsigned": (lambda w: unsigned(w.made("six", 6)), "signature"),
    "tampered": (
        lambda w: changed(w.made("six", 6), "demo.rego", b"package policy.demo\n"),
        "digest mismatch",
    ),
    "with an unsigned file": (
        lambda w: changed(w.made("six", 6), "data.json", b'{"a": 1}'),
        "digest mismatch",
    ),
    "of a stranger": (
        lambda w: Key(w.folder, "stranger").sign(bundle(w.engine, w.folder, "six", 6)),
        "verify JWT signature",
    ),
    "expired": (lambda w: w.key.sign(bundle(w.engine, w.folder, "six", 6), expires_at=1), "is expired"),
    "that doesn't compile": (lambda w: w.made("six", 6, "\ndeny contains x if y\n"), "rego_unsafe_var_error"),
    "outside of its roots": (
        lambda w: w.key.sign(
            changed(unsigned(w.made("six", 6)), ".manifest", b'{"revision": "x", "roots": ["other"]}')
        ),
        "roots",
    ),
    "older": (lambda w: w.made("four", 4), "sequence number 4, not 5"),
    "of the same number": (lambda w: w.made("other", 5), "the sequence number 5 of the bundle in use"),
    "without a number": (
        lambda w: w.key.sign(
            changed(unsigned(w.made("six", 6)), ".manifest", b'{"revision": "x", "roots": ["policy"]}')
        ),
        "no sequence number",
    ),
    "with a number that is none": (
        lambda w: w.key.sign(
            changed(
                unsigned(w.made("six", 6)),
                ".manifest",
                b'{"roots": ["policy"], "metadata": {"tabard": {"sequence": true}}}',
            )
        ),
        "isn't an integer",
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bundle_that_is_not_acceptable(world, kind):
    make, expected = BAD[kind]
    async with world.server.running() as url, world.runtime(url) as active:
        world.server.put(make(world))
        await world.refuses(active, expected)


@pytest.mark.parametrize("kind", BAD)
async def test_a_start_with_one_uses_what_was_kept(world, kind):
    make, expected = BAD[kind]
    async with world.server.running() as url:
        async with world.runtime(url):
            pass
        world.server.put(make(world))
        async with world.runtime(url) as active:
            await world.refuses(active, expected)


async def _endless(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(bytes(MEBIBYTE))
        await writer.drain()


async def _drip(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _dripping_head(writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Slow: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


def _says(status, content=b"", *fields):
    async def say(writer):
        writer.write(reply(status, content, *fields))

    return say


ANSWERS = {
    "endless": (_endless, "sends more than 8388608 bytes"),
    "drip": (_drip, "didn't answer in full within 1 s"),
    "dripping head": (_dripping_head, "didn't answer in full within 1 s"),
    "large": (_says("200 OK", bytes(9 * MEBIBYTE)), "sends more than"),
    "cut short": (_says("200 OK\r\nContent-Length: 50", b""), "can't be read"),
    "compressed": (_says("200 OK", b"x", "Content-Encoding: gzip"), "compresses the transfer"),
    "redirect": (_says("302 Found", b"", "Location: http://127.0.0.1:1/"), "isn't followed"),
    "redirect on the host": (_says("307 X", b"", "Location: /elsewhere"), "isn't followed"),
    "missing": (_says("404 Not Found"), "has no bundle there"),
    "forbidden": (_says("403 Forbidden"), "refuses access"),
    "broken": (_says("500 X", b"secret stack trace"), "answers 500"),
    "empty status": (_says("204 No Content"), "answers 204"),
    "not HTTP": (lambda writer: _raw(writer, b"SSH-2.0-x\r\n"), "can't be read"),
    "nothing": (lambda writer: _raw(writer, b""), "can't be read"),
    "long head": (_says("200 OK", b"", "X: " + "x" * MEBIBYTE), "can't be read"),
}


async def _raw(writer, content):
    writer.write(content)


@pytest.mark.parametrize("kind", ANSWERS)
async def test_an_answer_that_is_none(world, kind):
    answer, expected = ANSWERS[kind]
    async with world.server.running() as url, world.runtime(url) as active:
        world.server.answer = answer
        await world.refuses(active, expected)


async def test_not_modified_for_a_question_without_etag_is_no_bundle(world):
    world.server.answer = _says("304 Not Modified")
    async with world.server.running() as url:
        with pytest.raises(PolicyBrokenError, match="304"):
            async with world.runtime(url):
                pass


async def test_an_etag_that_cannot_be_sent_back_counts_as_none(world):
    content = world.made("five", 5)
    world.server.answer = _says("200 OK", content, "ETag: " + "x" * 2000)
    async with world.server.running() as url, world.runtime(url):
        await eventually(lambda: len(world.server.requests) >= 3)
        assert not any("if-none-match" in request for request in world.server.requests)


async def test_an_older_bundle_is_refused_after_a_restart_and_used_if_forced(world):
    async with world.server.running() as url:
        async with world.runtime(url):
            pass
        world.server.put(world.made("four", 4))
        async with world.runtime(url) as active:
            await eventually(lambda: active.status().state is PolicyState.DEGRADED)
            assert active.revision == "five-5"
        async with world.runtime(url, accept_sequence=3) as active:
            await eventually(lambda: active.status().state is PolicyState.DEGRADED)
            assert active.revision == "five-5"
        async with world.runtime(url, accept_sequence=4) as active:
            assert active.revision == "four-4"
            assert active.status().state is PolicyState.SERVING
        async with world.runtime(url) as active:
            assert active.revision == "four-4"


async def test_a_sidecar_that_is_behind_does_not_take_another_one_back(world, tmp_path):
    """Two of one user share the folder. The server shows the new bundle to one of them, and the other an older one."""
    token = tmp_path / "token"
    token.write_text("other")
    token.chmod(0o600)
    served = dict.fromkeys(("", "Bearer other"), world.made("five", 5))

    async def answer(writer):
        content = served[world.server.requests[-1].get("authorization", "")]
        writer.write(reply("200 OK", content, "Content-Type: application/gzip"))

    world.server.answer = answer
    async with world.server.running() as url:
        async with world.runtime(url) as ahead, world.runtime(url, token_file=token) as behind:
            served[""] = world.made("seven", 7)
            await eventually(lambda: ahead.revision == "seven-7")
            served["Bearer other"] = world.made("six", 6)
            await eventually(lambda: any("number 6, not 7" in reason for reason in behind.status().reasons))
            assert behind.revision == "five-5"
            served["Bearer other"] = served[""]
            await eventually(lambda: behind.revision == "seven-7")
        served[""] = world.made("six", 6)
        async with world.runtime(url) as again:
            await eventually(lambda: again.status().state is PolicyState.DEGRADED)
            assert again.revision == "seven-7"


async def test_the_same_bundle_with_another_signature_is_used(world):
    async with world.server.running() as url, world.runtime(url) as active:
        world.server.put(world.made("five", 5))
        await eventually(lambda: active.status().loads == 2)
        assert active.status().state is PolicyState.SERVING


numbers = st.integers(0, 3)
places = st.builds(Place, numbers, st.sampled_from("ab"))


@given(st.lists(places, max_size=20))
def test_numbers_never_fall(found):
    """Whatever is offered in whatever order, what is in use never gets an older number or another content of the same."""
    last = None
    for place in found:
        with contextlib.suppress(PolicyBrokenError):
            require_not_older(place, last, None, Path("b"))
            assert last is None or place.sequence >= last.sequence
            assert last is None or place.sequence > last.sequence or not place.sequence or place == last
            last = place


@given(places, places)
def test_a_forced_number_is_accepted_and_no_other(found, last):
    def accepted(force):
        try:
            require_not_older(found, last, force, Path("b"))
        except PolicyBrokenError:
            return False
        return True

    assert accepted(found.sequence)
    assert accepted(found.sequence + 1) == accepted(None)


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "7", None, MAX_SEQUENCE + 1, [1]])
def test_a_number_is_a_positive_integer(bad):
    with pytest.raises(PolicyBrokenError):
        sequence_of({"metadata": {"tabard": {"sequence": bad}}}, "b")


@given(st.floats(0.1, 100), st.floats(0, 1000), st.integers(0, 60))
def test_pauses_keep_their_bounds(shortest, more, failures):
    """They never exceed the longest, never fall below the shortest after an answer, and grow with the failures."""
    pace = Pace(shortest, shortest + more)
    for number in range(failures):
        most = min(shortest + more, 2.0**number)
        assert most / 2 <= pace.failed() <= most
    assert shortest <= pace.answered() <= shortest + more
    assert pace.failed() <= 1


@pytest.mark.parametrize(
    "url",
    [
        "http://bundles.example/policy.tar.gz",
        "ftp://127.0.0.1/policy.tar.gz",
        "https://user:s3cret@bundles.example/policy.tar.gz",
        "https://bundles.example",
        "https:///policy.tar.gz",
        "https://bundles.example:0/policy.tar.gz",
        "https://bundles.example:65536/policy.tar.gz",
        "https://bundles.example/policy.tar.gz#new",
        "https://bundles.example/a policy.tar.gz",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url):
    with pytest.raises(ValidationError) as caught:
        PolicyConfig(url=url)
    assert "s3cret" not in "".join(
        error["msg"] for error in caught.value.errors(include_input=False, include_url=False)
    )
