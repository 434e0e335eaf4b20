"""A real Chromium, driven by its own protocol (Chrome DevTools Protocol) over a WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.support.components import component

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
)
_START_SECONDS = 60.0
_ANSWER_SECONDS = 60.0


class Tab:
    """One page of the browser.

    Attributes:
        complaints: what the page's console, its network and its policy (CSP) complained of.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []
        self.status = 0

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        return await self._browser.send(method, self._session, **params)

    async def prepare(self) -> None:
        """Listen to what the page does."""
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            await self.send(f"{domain}.enable")

    def noticed(self, method: str, params: dict[str, Any]) -> None:
        """Take note of an event."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"].get("text")))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.complaints.append(str(params["args"]))
            case "Log.entryAdded":
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.responseReceived" if params.get("type") == "Document":
                self.status = params["response"]["status"]

    def expect(self) -> None:
        """Begin to await another page."""
        self._loaded.clear()

    async def loaded(self) -> int:
        """Wait until the page that is awaited is loaded, and return its status."""
        await asyncio.wait_for(self._loaded.wait(), _ANSWER_SECONDS)
        return self.status

    async def goto(self, url: str) -> int:
        """Open an address, wait until it is loaded, and return its status."""
        self.expect()
        found = await self.send("Page.navigate", url=url)
        if found.get("errorText"):
            raise RuntimeError(f"{url}: {found['errorText']}")
        return await self.loaded()

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, whatever its policy says of scripts of its own; return the value."""
        found = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    async def follow(self, script: str) -> int:
        """Evaluate what leads to another page, wait until that one is loaded, and return its status."""
        self.expect()
        await self.run(script)
        return await self.loaded()

    async def click(self, selector: str) -> int:
        """Click what leads to another page."""
        return await self.follow(f"document.querySelector({json.dumps(selector)}).click()")

    async def point_and_click(self, selector: str) -> int:
        """Click with the mouse what leads to another page; needs no script in the page."""
        document = await self.send("DOM.getDocument")
        node = await self.send("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        await self.send("DOM.scrollIntoViewIfNeeded", nodeId=node["nodeId"])
        corners = (await self.send("DOM.getBoxModel", nodeId=node["nodeId"]))["model"]["border"]
        at = {"x": (corners[0] + corners[4]) / 2, "y": (corners[1] + corners[5]) / 2}
        self.expect()
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)
        return await self.loaded()

    async def press(self, key: str) -> None:
        """Press and release a key."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text
            )

    async def look(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Choose the size of the window, and light or dark."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        await self.send(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    async def screenshot(self, file: Path, *, most_height: int = 4000) -> None:
        """Write a picture of the whole page, cut to a height."""
        size = (await self.send("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {
            "x": 0,
            "y": 0,
            "width": size["width"],
            "height": min(size["height"], most_height),
            "scale": 1,
        }
        found = await self.send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        await asyncio.to_thread(file.write_bytes, base64.b64decode(found["data"]))


class Browser:
    """A running browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}
        self._number = 0

    async def listen(self) -> None:
        """Take what the browser sends, until it ends."""
        async for message in self._socket:
            found = json.loads(message.data)
            waiting = self._waiting.pop(found.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(found)
            elif found.get("sessionId") in self._tabs:
                self._tabs[found["sessionId"]].noticed(found["method"], found.get("params", {}))

    async def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Call a method of the protocol.

        Raises:
            RuntimeError: the browser refused.
        """
        self._number += 1
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = waiting
        to = {"sessionId": session} if session else {}
        await self._socket.send_json({"id": self._number, "method": method, "params": params} | to)
        found = await asyncio.wait_for(waiting, _ANSWER_SECONDS)
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        return found["result"]

    async def tab(self) -> Tab:
        """Open a page that shares nothing with other ones."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        target = await self.send("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = Tab(self, attached["sessionId"])
        self._tabs[attached["sessionId"]] = tab
        await tab.prepare()
        return tab


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Chromium for the length of a block."""
    program = component("chromium.sh")
    with tempfile.TemporaryDirectory(prefix="tb-chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            *_FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
            start_new_session=True,
        )
        try:
            url = await _address(Path(profile) / "DevToolsActivePort", process)
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(url, max_msg_size=2**28, heartbeat=None) as socket,
            ):
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                try:
                    yield browser
                finally:
                    listening.cancel()
                    with suppress(asyncio.CancelledError):
                        await listening
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _address(file: Path, process: asyncio.subprocess.Process) -> str:
    """Return where the browser listens, once it does."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _START_SECONDS
    while loop.time() < end:
        if process.returncode is not None:
            raise RuntimeError(f"chromium ended with {process.returncode}")
        lines = await asyncio.to_thread(_lines, file)
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.05)
    raise RuntimeError("chromium didn't start in time")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
