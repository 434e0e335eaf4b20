"""Takes the pictures of the console that the documentation shows, from a zone whose agents have worked: `make screenshots`.

Needs the test components, because a real Chromium draws them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from testbed.world import World  # noqa: E402 - after the path is set
from tests.support.browser import chromium  # noqa: E402
from tests.support.console_pages import AUDIT  # noqa: E402
from tests.support.console_world import OVERRIDES, POLICY, WORKLOADS, candidate, work  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

if TYPE_CHECKING:
    from tests.support.browser import Tab

IMAGES = ROOT / "docs" / "images"
_WIDE, _NARROW = 1100, 375


@asynccontextmanager
async def console(world: World, tried: Path) -> AsyncIterator[str]:
    """Run ``tabard console`` beside a zone; yield its link."""
    logs = [str(world.sidecars[name].folder / "decisions.log") for name in WORKLOADS]
    config = world.sidecars["refunds"].folder / "tabard.yaml"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tabard_sidecar.cli", "console", "--json", "--allow-changes", f"--config={config}"),
        *(f"--candidate={tried}", *logs),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield json.loads(await process.stdout.readline())["url"]
    finally:
        process.terminate()
        await process.wait()


async def take(tab: Tab, base: str, path: str, name: str, *, height: int) -> None:
    """Take a picture of a page, after a check that people can read it.

    Raises:
        RuntimeError: something is wrong with the page.
    """
    await tab.goto(base + path)
    faults = await tab.run(AUDIT)
    if faults or tab.complaints:
        raise RuntimeError(f"{path}: {faults} {tab.complaints}")
    await tab.screenshot(IMAGES / f"console-{name}.png", most_height=height)
    print(f"docs/images/console-{name}.png")  # noqa: T201 - a script


async def main() -> None:
    """Take all pictures."""
    folder = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    try:
        tried = candidate(folder)
        async with (
            World(folder, workloads=WORKLOADS, policy=POLICY, overrides=OVERRIDES) as world,
            chromium() as browser,
        ):
            tasks = await work(world)
            async with console(world, tried) as link:
                await _pictures(await browser.tab(), link, tasks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _pictures(tab: Tab, link: str, tasks: list[str]) -> None:
    base = link.partition("/login")[0]
    await tab.look(_WIDE)
    await tab.goto(link)

    async def read() -> bool:
        await tab.goto(f"{base}/")
        return not await tab.run("document.body.textContent.includes('still being read')")

    await eventually(read)
    await tab.goto(f"{base}/?code=desk.untrusted_outbound")
    decision = str(await tab.run("document.querySelector('td.what a').pathname")).removeprefix(
        f"/{base.rpartition('/')[2]}"
    )

    async def explained() -> bool:
        await tab.goto(base + decision)
        return not await tab.run("document.body.textContent.includes('Policy is being asked')")

    await eventually(explained, seconds=60)
    for dark, suffix in ((False, ""), (True, "-dark")):
        await tab.look(_WIDE, dark=dark)
        await take(tab, base, "/", f"decisions{suffix}", height=760)
        await take(tab, base, decision, f"decision{suffix}", height=1500)
    await tab.look(_WIDE)
    await take(tab, base, f"/tasks/{tasks[-1]}", "task", height=1000)
    await tab.goto(f"{base}/approvals")
    approval = str(await tab.run("document.querySelector('td.what a').pathname"))
    await take(tab, base, approval.removeprefix(f"/{base.rpartition('/')[2]}"), "approval", height=1400)
    await tab.look(_NARROW, 800)
    await take(tab, base, decision, "narrow", height=1200)


if __name__ == "__main__":
    asyncio.run(main())
