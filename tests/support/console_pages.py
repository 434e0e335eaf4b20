"""Pages of a console over a desk that has worked, for tests in a browser; and what is wrong with a page for people."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from tabard_sidecar.console.running import Given, Serving, Wanted, serving
from tabard_sidecar.console.sidecar import Sidecar
from tabard_sidecar.operating.log_source import LogSource
from tabard_sidecar.operating.operator import operator
from tabard_sidecar.operating.reach import Target

from testbed.world import ZONE
from tests.support.console_world import OVERRIDES, POLICY, WORKLOADS, work
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from tabard_sidecar.console.jobs import Kind

    from tests.support.browser import Tab

AUDIT = r"""
(() => {
  const faults = [];
  const say = (what, element) => faults.push(what + ': ' + element.outerHTML.slice(0, 140));
  const read = text => { const found = text.match(/[\d.]+/g).map(Number); return found.length < 4 ? [...found, 1] : found; };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = read(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const shown = element => element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})
    && element.getBoundingClientRect().width > 1;
  for (const element of document.querySelectorAll('body *')) {
    if (!shown(element)) continue;
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (own) {
      const style = getComputedStyle(element);
      const [a, b] = [light(read(style.color)), light(ground(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const large = parseFloat(style.fontSize) >= 24;
      if (ratio < (large ? 3 : 4.5)) say('contrast ' + ratio.toFixed(2), element);
      if (parseFloat(style.fontSize) < 11) say('small text', element);
    }
    if (element.matches('a[href],button,summary') && !element.textContent.trim()) say('no name', element);
    if (element.matches('input:not([type=hidden]),select,textarea') && !element.labels.length && !element.ariaLabel)
      say('no label', element);
    const box = element.getBoundingClientRect();
    if (element.matches('button,.button,.counts a,nav a') && box.height < 24) say('small target', element);
  }
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  if (new Set(ids).size !== ids.length) faults.push('an id stands twice');
  for (const element of document.querySelectorAll('[aria-labelledby]'))
    if (!document.getElementById(element.getAttribute('aria-labelledby'))) say('names nothing', element);
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  let level = 0;
  for (const element of document.querySelectorAll('h1,h2,h3,h4')) {
    const now = Number(element.tagName[1]);
    if (now > level + 1) say('a heading leaves out a level', element);
    level = now;
  }
  for (const name of ['main', 'header']) if (document.querySelectorAll(name).length !== 1) faults.push('not one ' + name);
  for (const element of document.querySelectorAll('nav')) if (!element.ariaLabel) say('no name', element);
  for (const element of document.querySelectorAll('table')) if (!element.caption) say('no caption', element);
  if (!document.documentElement.lang || !document.title) faults.push('no language or no title');
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) {
    const wide = [...document.querySelectorAll('body *')].find(e => e.getBoundingClientRect().right > innerWidth + 1);
    faults.push('too wide: ' + (wide ? wide.outerHTML.slice(0, 140) : ''));
  }
  return faults;
})()
"""
"""Finds what keeps people from reading or using a page: WCAG 2.2 AA where a program can tell."""

_LINKS = r"""
[...document.querySelectorAll('main a[href]')].map(a => (a.pathname + a.search).replace(/^\/[^/]+/, ''))
  .filter(path => /^\/(tasks|approvals|revoke)[/?]/.test(path))
"""
"""Addresses of further pages that a page leads to, without the base."""

MARKUP = '"><x-mark></x-mark><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


class Console:
    """A console that is served, and the zone behind it."""

    def __init__(self, zone: Any, served: Serving, logs: Sequence[Path], changes: bool) -> None:
        self.zone = zone
        self.logs = list(logs)
        self._served = served
        self._changes = changes
        self.base = served.base

    @classmethod
    @asynccontextmanager
    async def of(cls, start_zone: Callable[..., Any], *, changes: bool = True) -> AsyncIterator[Self]:
        """Serve a console over a desk that has worked."""
        zone = await start_zone(workloads=WORKLOADS, policy=POLICY, overrides=OVERRIDES)
        zone.tasks = await work(zone)
        logs = [zone.sidecars[name].folder / "decisions.log" for name in WORKLOADS]
        async with cls._serve(zone, logs, changes) as found:
            yield found

    @asynccontextmanager
    async def over(
        self, logs: Sequence[Path], commands: Mapping[Kind, Sequence[str]] | None = None
    ) -> AsyncIterator[Console]:
        """Serve a further console over other logs, with ``commands`` that the page may start."""
        async with self._serve(self.zone, logs, self._changes, commands) as found:
            yield found

    @classmethod
    @asynccontextmanager
    async def _serve(
        cls,
        zone: Any,
        logs: Sequence[Path],
        changes: bool,
        commands: Mapping[Kind, Sequence[str]] | None = None,
    ) -> AsyncIterator[Self]:
        target = Target(zone.operator("refunds"), "a test", ZONE, "a test")
        async with AsyncExitStack() as stack:
            asked = stack.enter_context(operator(target, quiet=True, timeout_seconds=60.0))
            remote = Sidecar(asked, asked)
            source = LogSource(tuple(logs), ZONE, "a test")
            given = Given(
                asked,
                asked,
                source,
                "",
                lambda entry: remote.explain(entry.decision_id),
                dict(commands or {}),
            )
            wanted = Wanted("127.0.0.1:0", changes, 3600.0, len(logs) == 1, as_json=True)
            yield cls(zone, await stack.enter_async_context(serving(wanted, given)), logs, changes)

    def link(self) -> str:
        """Return a link that signs in."""
        return self._served.new_link()

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"{self._served.origin}{self.base}{path}"

    async def read(self, tab: Tab) -> None:
        """Wait until the log was read."""

        async def look() -> bool:
            await tab.goto(self.url("/"))
            return not await tab.run("document.body.textContent.includes('still being read')")

        await eventually(look)

    async def paths(self, tab: Tab) -> list[str]:
        """Return the pages below the base that lists and the navigation lead to, one decision of each kind."""
        await self.read(tab)
        found = dict.fromkeys(["/", "/?effect=deny&tool=none.such", "/?since=nonsense"])
        rows = await tab.run(
            "[...document.querySelectorAll('tbody tr')].map(r => [r.children[1].textContent + r.children[2].textContent,"
            " r.querySelector('a')?.pathname])"
        )
        kinds = {kind: path for kind, path in rows if path}
        found |= dict.fromkeys(path.removeprefix(self.base) for path in kinds.values())
        pages = [path for path in found if path.startswith("/decisions/")]
        for path in pages:
            await self.explained(tab, path)
        for start in ("/tasks", "/approvals?all=1", "/revocations", "/policy"):
            found[start] = None
            await tab.goto(self.url(start))
            found |= dict.fromkeys(await tab.run(_LINKS))
        for path in [path for path in found if path.startswith("/tasks/")]:
            await tab.goto(self.url(path))
            found |= dict.fromkeys(await tab.run(_LINKS))
        return list(found)

    async def explained(self, tab: Tab, path: str) -> None:
        """Wait until policy has said why."""

        async def look() -> bool:
            await tab.goto(self.url(path))
            return not await tab.run("document.body.textContent.includes('Policy is being asked')")

        await eventually(look, seconds=60)


def hostile_log(log: Path, folder: Path) -> tuple[Path, list[str]]:
    """Write a log in which every text that a page shows is an attacker's; return it, and what pages have to show.

    Each text tries to become markup, and ends with a word of its own.
    """
    marks: list[str] = []

    def hostile(value: Any, path: str) -> Any:
        if isinstance(value, str):
            if path in _STRUCTURE or path.rpartition(".")[2] in {"type", "operator", "effect"}:
                return value
            mark = f"mark{len(marks)}mark"
            if path in _SHOWN:
                marks.append(mark)
            return f"{value[:40]}{MARKUP}\u202e\u0007{mark}"
        if isinstance(value, dict):
            return {name: hostile(one, f"{path}.{name}" if path else name) for name, one in value.items()}
        if isinstance(value, list):
            return [hostile(one, f"{path}[]") for one in value]
        return value

    target = folder / "decisions.log"
    lines = [json.dumps(hostile(json.loads(line), "")) for line in log.read_text().splitlines()]
    target.write_text("\n".join(lines) + "\n")
    return target, marks


_STRUCTURE = frozenset(
    {
        "decision_id",
        "event",
        "operation",
        "timestamp",
        "hash",
        "labels.zone",
        "chain.id",
        "chain.previous",
        "left_out[].hash",
        "left_out[].members[]",
        "in_full[]",
        "input.operation",
        "input.task.intent_source",
        "result.decision",
        "result.change",
    }
)
_SHOWN = frozenset({"input.tool.name", "result.reasons[].message", "result.reasons[].code"})
