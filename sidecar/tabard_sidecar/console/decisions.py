"""Shows the decisions as a list: who did what on whose behalf, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from tabard_sidecar.console.feed import ASKED, MOST_ROWS, Feed, Page, Row
from tabard_sidecar.console.html import Child, Html, tag
from tabard_sidecar.console.layout import (
    Site,
    agent,
    badge,
    code,
    moment,
    notice,
    page,
    prose,
    rule,
    said,
    search,
    table,
    word,
)
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.operating.terminal import Instant

SIZE = 50
"""Rows of a page."""
LIVE_SECONDS = 4
FIELDS = (
    ("subject", "Person", ""),
    ("agent", "Agent", "spiffe://…"),
    ("tool", "Tool", ""),
    ("code", "Rule or code", ""),
    ("task_id", "Task", ""),
    ("since", "Since", "15m, 8h, 7d"),
)
_EFFECTS = ("deny", ASKED, "allow", "would_deny", "intended")
_OPERATIONS = {
    "start_task": "start a task",
    "delegate": "hand the task on",
    "renew": "renew a credential",
    "end_task": "end a part of the task",
    "report_outcome": "report an outcome",
    "revoke_credential": "revoke its credential",
    "revoke": "revocation",
    "lift_revocation": "lifted revocation",
    "decide_approval": "decision about an approval",
    "promote_policy": "change of policy",
}
_COLUMNS = (
    ("Time (UTC)", "time"),
    ("Decision", ""),
    ("What", "what"),
    ("On behalf of", "who"),
    ("Agent", "who"),
    ("Why", "why"),
)
_OLDER = f"The newest {MOST_ROWS:,} decisions and changes are here. `tabard log search` finds older ones."
_DAMAGED = "{:,} lines of the log aren't records as the sidecar writes them. `tabard audit verify` says more."


def list_page(site: Site, session: Session, feed: Feed | None, absent: str, query: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        site: what all pages have in common.
        session: of the browser.
        feed: the decisions; ``None`` if no log is read.
        absent: why no log is read.
        query: the filter, as the address has it; ``before`` names a row.
    """
    if feed is None:
        empty = [tag("h1", "Decisions"), notice(absent)]
        return page(site, "Decisions", empty, here="decisions", session=session)
    wanted = {name: query.get(name, "").strip() for name, *_ in FIELDS} | {"effect": query.get("effect", "")}
    problem, since = "", None
    try:
        since = Instant().convert(wanted["since"], None, None) if wanted["since"] else None
    except click.BadParameter as error:
        problem = error.message
    before = query.get("before", "")
    found = feed.page({**wanted, "since": since, "until": None}, before=before, size=SIZE)
    live = bool(query.get("live")) and not before
    body: list[Child] = [
        _heading(site, wanted, live=live, first=not before),
        notice(problem, "bad") if problem else None,
        *_state(feed),
        _counts(site, wanted, found.effects),
        search(site, (), FIELDS, wanted, "Filter decisions"),
        _rows(site, found.rows) if found.rows else notice(_nothing(feed, wanted)),
        _pager(site, wanted, found, feed, first=not before),
    ]
    return page(site, "Decisions", body, here="decisions", session=session)


def what(shown: Mapping[str, Any]) -> Child:
    """Return what was asked: a tool, which is the agent's word, or another operation."""
    operation = str(shown["operation"])
    if operation == "authorize" and shown["tool"]:
        return said(shown["tool"], 120)
    return _OPERATIONS.get(operation, operation.replace("_", " ")) or "note"


def row_cells(site: Site, row: Row) -> tuple[Child, ...]:
    """Return the cells of a decision in a list."""
    shown = row.shown
    target = what(shown)
    if shown["decision_id"]:
        target = tag("a", target, href=site.links.to("decisions", shown["decision_id"]))
    reasons = [rule(one) for one in shown["rules"][:2]]
    why: Child = code(", ".join(filter(None, reasons)), 100) if any(reasons) else None
    if shown["effect"] == "allow" and why is not None:
        why = tag("span", why, class_="muted")
    return (
        moment(site, shown["time"]),
        badge(shown["effect"]),
        target,
        code(shown["subject"]["id"], 60)
        if shown["subject"]["id"]
        else tag("span", "operator", class_="muted"),
        agent(shown["agent"]) if shown["agent"] else None,
        why,
    )


def decisions_table(site: Site, rows: tuple[Row, ...], caption: str) -> Html:
    """Return a list of decisions."""
    return table(caption, _COLUMNS, [row_cells(site, row) for row in rows], class_="decisions")


def _heading(site: Site, wanted: Mapping[str, str], *, live: bool, first: bool) -> Html:
    asked = {name: text for name, text in wanted.items() if text}
    if not first:
        control = tag("a", "To the newest", href=site.links.to(**asked), class_="button")
    elif live:
        control = tag("a", "Live: stop", href=site.links.to(**asked), class_="button on")
    else:
        control = tag(
            "a", f"Live: every {LIVE_SECONDS} s", href=site.links.to(**asked, live="1"), class_="button"
        )
    return tag("div", tag("h1", "Decisions"), control, class_="heading")


def _state(feed: Feed) -> Iterator[Html]:
    if feed.problem:
        yield notice(("The log isn't read any more: ", feed.problem), "bad")
    elif not feed.caught_up:
        yield notice("The log is still being read: the newest decisions are missing so far. Reload the page.")
    if feed.odd:
        yield notice(prose(_DAMAGED.format(feed.odd)))


def _counts(site: Site, wanted: Mapping[str, str], effects: Mapping[str, int]) -> Html:
    others = {name: text for name, text in wanted.items() if text and name != "effect"}
    shown = [effect for effect in effects if effect not in _EFFECTS]
    items: list[tuple[str | None, str, int]] = [(None, "All", sum(effects.values()))]
    items += [
        (effect, word(effect), effects.get(effect, 0))
        for effect in (*_EFFECTS[:3], *_EFFECTS[3:], *sorted(shown))
    ]
    links = [
        tag(
            "li",
            tag(
                "a",
                label,
                " ",
                tag("b", count),
                href=site.links.to(**others, effect=effect or ""),
                aria_current="true" if (effect or "") == wanted["effect"] else None,
                class_=f"is-{effect}" if effect else None,
            ),
        )
        for effect, label, count in items
        if count or effect in {None, "deny", ASKED, "allow"} or effect == wanted["effect"]
    ]
    return tag("nav", tag("ul", links, class_="counts"), aria_label="By decision")


def _rows(site: Site, rows: tuple[Row, ...]) -> Html:
    return decisions_table(site, rows, "Decisions, newest first")


def _nothing(feed: Feed, wanted: Mapping[str, str]) -> str:
    if any(wanted.values()):
        return "No decision fits this filter."
    return "Nothing was decided yet." if feed.caught_up else "No decision was read so far."


def _pager(site: Site, wanted: Mapping[str, str], found: Page, feed: Feed, *, first: bool) -> Html:
    asked = {name: text for name, text in wanted.items() if text}
    parts: list[Child] = [f"{found.fitting:,} fit. " if asked else None]
    if found.older:
        parts.append(tag("a", "Older decisions", href=site.links.to(**asked, before=found.older), rel="next"))
    elif feed.dropped:
        parts.append(prose(_OLDER))
    elif found.fitting or not first:
        parts.append("No older ones were read.")
    return tag("p", parts, class_="pager")
