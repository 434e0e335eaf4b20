"""Only the operator's own browser gets in."""

from __future__ import annotations

import asyncio

import pytest
from tabard_sidecar.console.command import _require_loopback
from tabard_sidecar.operating.failure import Failure

NOWHERE = "unix:/nonexistent/operator"


@pytest.fixture
async def console(start_console):
    """A console without a sidecar: nothing here is about what it shows."""
    async with start_console(NOWHERE, changes=True) as client:
        yield client


async def test_a_link_signs_in_once(console):
    link = console.served.new_link().removeprefix(console.origin)
    status, _, headers = await console.raw("GET", link)
    assert (status, headers["Location"]) == (303, f"{console.base}/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert f"Path={console.base}/" in cookie
    assert (await console.get())[0] == 200
    console.http.cookie_jar.clear()
    assert (await console.raw("GET", link))[0] == 401
    assert (await console.get())[0] == 401


@pytest.mark.parametrize(
    "path", ["/", "/tasks", "/approvals", "/revocations", "/policy", "/decisions/x", "/revoke"]
)
async def test_no_page_without_a_session(console, path):
    status, text, _ = await console.get(path)
    assert status == 401
    assert "<nav" not in text


async def test_a_forged_cookie(console):
    assert (await console.get(Cookie="tabard-console=guess"))[0] == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", ""]
)
async def test_a_foreign_host(console, host):
    """DNS rebinding: a page of another name reaches this port, with all that a browser sends. It learns no path."""
    await console.sign_in()
    host = host.format(port=console.origin.rpartition(":")[2])
    for path in ("/", f"{console.base}/", f"{console.base}/login?code=x"):
        status, text, _ = await console.raw("GET", path, Host=host)
        assert status in {400, 421}
        assert console.base not in text


async def test_localhost_is_its_own(console):
    await console.sign_in()
    port = console.origin.rpartition(":")[2]
    # The cookie is the address's, so this isn't signed in; but it is no foreign host.
    assert (await console.get(Host=f"localhost:{port}"))[0] in {200, 401}


async def test_the_path_can_not_be_learned(console):
    await console.sign_in()
    for path in (
        "/",
        "/favicon.ico",
        "/login?code=x",
        "/console.css",
        f"{console.base}",
        f"{console.base}x/",
    ):
        status, text, headers = await console.raw("GET", path)
        assert status == 404
        assert console.base not in text.replace(path, "")
        assert console.base not in str(headers)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_request_that_another_page_caused(console, site):
    """``same-site`` is another port of this machine."""
    await console.sign_in()
    assert (await console.get(**{"Sec-Fetch-Site": site}))[0] == 403


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1"]
)
async def test_a_form_of_another_origin(console, origin):
    await console.sign_in()
    token = await console.form_token()
    async with console.http.post(
        f"{console.origin}{console.base}/sign-out",
        data={"form_token": token},
        headers={} if origin is None else {"Origin": origin},
    ) as answer:
        assert answer.status == 403
    assert (await console.get())[0] == 200


@pytest.mark.parametrize("token", ["", "guess"])
async def test_a_form_without_its_token(console, token):
    await console.sign_in()
    assert (await console.post("/sign-out", {"form_token": token}))[0] == 403
    assert (await console.get())[0] == 200


async def test_a_body_that_is_no_form(console):
    await console.sign_in()
    token = await console.form_token()
    headers = {"Content-Type": "text/plain"}
    assert (await console.post("/sign-out", f"form_token={token}", **headers))[0] == 403


@pytest.mark.parametrize(
    "theirs", ["tabard-console=theirs", "tabard-console=", "tabard-console", 'a="b', "=;;"]
)
@pytest.mark.parametrize("first", [True, False])
async def test_a_cookie_of_another_server(console, theirs, first):
    """A page of another port of this machine can set a cookie of the same name. The session goes on."""
    await console.sign_in()
    [own] = [f"{one.key}={one.value}" for one in console.http.cookie_jar]
    console.http.cookie_jar.clear()
    assert (await console.get(Cookie=f"{own}; {theirs}" if first else f"{theirs}; {own}"))[0] == 200


@pytest.mark.parametrize(
    "body", [b"form_token=\xff\xfe", b"&".join(b"a=1" for _ in range(2000)), b"form_token=%00&\x00"]
)
@pytest.mark.parametrize("charset", ["", "; charset=nope", "; charset=utf-7", "; charset=base64"])
async def test_a_form_that_no_page_sends(console, body, charset):
    await console.sign_in()
    kind = {"Content-Type": f"application/x-www-form-urlencoded{charset}"}
    status, text, headers = await console.post("/sign-out", body, **kind)
    assert status in {400, 403, 413}
    assert "Content-Security-Policy" in headers
    assert "<h1>" in text
    assert (await console.get())[0] == 200


async def test_strangers_write_nothing_on_the_terminal(console, caplog):
    """What is no HTTP isn't quoted: it may hold a session, or be there to hide the link."""
    await console.sign_in()
    host, port = console.origin.removeprefix("http://").split(":")
    for request in (
        b"\x1b[2J\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nCookie: a=\x01\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        assert b"400" in await reader.readline()
        writer.close()
    assert not caplog.records


async def test_a_form_that_is_too_large(console):
    await console.sign_in()
    status, _, _ = await console.post("/sign-out", {"form_token": "x" * 200_000})
    assert status == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods(console, method):
    await console.sign_in()
    status, _, _ = await console.raw(method, f"{console.base}/sign-out", Origin=console.origin)
    assert status in {403, 405}
    assert (await console.get())[0] == 200


async def test_signing_out(console):
    await console.sign_in()
    status, _, headers = await console.post("/sign-out", {"form_token": await console.form_token()})
    assert status == 200
    assert 'tabard-console=""' in headers["Set-Cookie"]
    assert (await console.get())[0] == 401


async def test_what_pages_may_do(console):
    """No script at all, no frame, no other origin; nothing is kept by caches."""
    await console.sign_in()
    for path in ("/", "/nothing", "/login?code=x", "/console.css"):
        _, _, headers = await console.get(path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
    _, _, headers = await console.get()
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "unix:/tmp/s", "nonsense", "example.org:80"]
)
def test_only_loopback(address):
    with pytest.raises(Failure):
        _require_loopback(address)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:8440", "localhost:80"])
def test_loopback(address):
    _require_loopback(address)
