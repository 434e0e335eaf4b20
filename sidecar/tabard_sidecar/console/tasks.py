"""Shows the zone's tasks, and one task with its holders, budgets, leases and latest decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabard_sidecar.console.decision import stop
from tabard_sidecar.console.decisions import decisions_table
from tabard_sidecar.console.feed import Row
from tabard_sidecar.console.html import Child, Html, tag
from tabard_sidecar.console.layout import (
    Site,
    agent,
    badge,
    code,
    facts,
    moment,
    notice,
    page,
    said,
    search,
    section,
    table,
)
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.console.sidecar import Listed

SIZE = 50
DECISIONS = 50
FIELDS = (("subject_id", "Person", ""), ("workload", "Agent", "spiffe://…"), ("label", "Label", ""))
_COLUMNS = (
    ("Started (UTC)", "time"),
    ("State", ""),
    ("Purpose", "what"),
    ("On behalf of", "who"),
    ("Started by", "who"),
    ("Labels", ""),
)
_MOST_DEPTH = 30
_MOST_FACTS = 50


def list_page(site: Site, session: Session, found: Listed, wanted: Mapping[str, str]) -> str:
    """Return the list of tasks; ``wanted`` is the filter."""
    rows = [_row(site, one) for one in found.rows]
    more = None
    if found.next_page:
        link = site.links.to("tasks", **wanted, page=found.next_page)
        more = tag("p", tag("a", "Older tasks", href=link, rel="next"), class_="pager")
    body: list[Child] = [
        tag("h1", "Tasks"),
        search(site, ("tasks",), FIELDS, wanted, "Filter tasks"),
        table("Tasks that haven't expired, newest first", _COLUMNS, rows) if rows else None,
        None if rows else notice("No such task is here." if any(wanted.values()) else "No task is running."),
        more,
    ]
    return page(site, "Tasks", body, here="tasks", session=session)


def task_page(site: Site, session: Session, task: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return the page of one task; ``rows`` are its latest decisions."""
    person = task["subject"]
    ends = [
        stop(site, "task", task["task_id"], "", "End this task"),
        stop(site, "subject", person["id"], person["issuer"], "Revoke this person"),
    ]
    over = "expired" if task["expires_at"] < site.now() else "expires"
    body: list[Child] = [
        tag("p", tag("a", "Tasks", href=site.links.to("tasks")), class_="crumbs"),
        tag("h1", badge(task["state"]), " ", said(task["purpose"], 120)),
        tag(
            "p",
            "Runs on behalf of ",
            code(person["id"], 200),
            ", started by ",
            agent(task["workload"]),
            class_="lead",
        ),
        tag("div", ends, class_="acts") if site.changes else _commands(ends),
        section(
            "Task",
            facts(
                [
                    ("task", code(task["task_id"])),
                    ("person", [code(person["id"], 300), " at ", code(person["issuer"], 300)]),
                    ("started", moment(site, task["started_at"], ago=True)),
                    (over, moment(site, task["expires_at"], ago=True)),
                    ("stored calls", task["calls"]),
                    ("labels", _labels(task["labels"])),
                    *_facts(task["facts"]),
                ]
            ),
        ),
        section("Budgets", *_budgets(task)),
        section("Holders", _tree(site, task)),
        _leases(site, task["leases"]),
        _decisions(site, task, rows),
    ]
    return page(site, f"Task {task['task_id'][:8]}", body, here="tasks", session=session)


def _row(site: Site, one: Mapping[str, Any]) -> tuple[Child, ...]:
    purpose = said(one["purpose"], 80) if one["purpose"] else "(no purpose)"
    return (
        moment(site, one["started_at"]),
        badge(one["state"]),
        tag("a", purpose, href=site.links.to("tasks", one["task_id"])),
        code(one["subject"]["id"], 60),
        agent(one["workload"]),
        _labels(one["labels"][:8]),
    )


def _commands(ends: Sequence[Html]) -> Html:
    return tag("details", tag("summary", "How to stop it"), ends, class_="stop")


def _labels(labels: Sequence[str]) -> Child:
    return [[said(label, 80), " "] for label in labels[:_MOST_FACTS]] or None


def _facts(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, Child]]:
    rows: list[tuple[str, Child]] = []
    for fact in found[:_MOST_FACTS]:
        value = fact["value"]
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        rows.append((f"fact {fact['name'][:60]}", said(text, 300)))
    return rows


def _budgets(task: Mapping[str, Any]) -> list[Html]:
    """Return how much of each budget is spent, those of one name together."""
    rows = []
    named = [(task["budgets"].get(budget_id), spent) for budget_id, spent in task["spent"].items()]
    for budget, spent in sorted(
        named, key=lambda one: (one[0]["name"], -one[0]["limit"]) if one[0] else ("", 0)
    ):
        if budget is None:
            continue
        name, limit = budget["name"], budget["limit"]
        text = f"{spent:,} of {limit:,} spent, {max(0, limit - spent):,} left"
        bar = tag(
            "meter",
            text,
            min=0,
            max=_plain(limit),
            value=_plain(min(spent, limit)),
            high=_plain(limit * 9 // 10),
            aria_label=f"budget {name[:60]}",
        )
        rows.append(tag("div", code(name, 60), bar, tag("span", text), class_="meter"))
    return rows or [tag("p", "Nothing was charged.", class_="muted")]


def _plain(number: int) -> str:
    """Return a number as attributes hold it."""
    return str(number)


def _tree(site: Site, task: Mapping[str, Any]) -> Html:
    """Return every holder below the one that handed the task to it."""
    children: dict[str, list[Mapping[str, Any]]] = {}
    for node in task["nodes"]:
        children.setdefault(node["parent_id"], []).append(node)
    leases: dict[str, int] = {}
    for lease in task["leases"]:
        leases[lease["link_id"]] = leases.get(lease["link_id"], 0) + 1
    parts: list[Child] = [
        tag("ul", [_node(site, root, children, leases) for root in children.get("", [])], class_="tree")
    ]
    if task["truncated"]:
        parts.append(notice(f"Only the first {len(task['nodes']):,} holders are shown."))
    return tag("div", parts)


def _node(
    site: Site,
    node: Mapping[str, Any],
    children: Mapping[str, Sequence[Mapping[str, Any]]],
    leases: Mapping[str, int],
) -> Html:
    line: list[Child] = [agent(node["holder"])]
    if node["sub_agent"]:
        line += ["part", said(node["sub_agent"], 100)]
    if node["ended"]:
        line.append(badge("ended"))
    elif node["inactive"]:
        line.append(tag("span", "inactive", class_="badge bad"))
    if leases.get(node["link_id"]):
        line.append(tag("span", f"{leases[node['link_id']]} lease(s)", class_="badge plain"))
    end: Child = None
    if node["parent_id"] and not node["inactive"] and not node["ended"] and site.changes:
        link = site.links.to("revoke", kind="link", target=node["link_id"])
        end = tag("a", "end this part", href=link, aria_label=f"End the part of {node['holder'][:200]}")
    below = children.get(node["link_id"], ()) if node["depth"] < _MOST_DEPTH else ()
    return tag(
        "li",
        tag("p", line, class_="node"),
        tag("p", code(node["holder"], 300), class_="detail"),
        tag("p", "link ", code(node["link_id"]), " ", end, class_="detail"),
        tag("ul", [_node(site, one, children, leases) for one in below]) if below else None,
        class_="gone" if node["inactive"] or node["ended"] else None,
    )


def _leases(site: Site, found: Sequence[Mapping[str, Any]]) -> Html | None:
    if not found:
        return None
    columns = [
        ("Credential", "what"),
        ("State", ""),
        ("Role", ""),
        ("Holder", "who"),
        ("Until (UTC)", "time"),
    ]
    if site.changes:
        columns.append(("", ""))
    rows: list[tuple[Child, ...]] = []
    for one in found:
        cells: tuple[Child, ...] = (
            code(one["credential_id"], 80),
            tag("span", "ending", class_="badge bad") if one["ending"] else badge("live"),
            code(f"{one['role']} of {one['source']}", 120),
            agent(one["holder"]),
            moment(site, one["expires_at"]),
        )
        if site.changes:
            link = site.links.to("revoke", kind="credential", target=one["credential_id"])
            cells += (
                None
                if one["ending"]
                else tag("a", "revoke", href=link, aria_label=f"Revoke {one['credential_id'][:80]}"),
            )
        rows.append(cells)
    columns[-1] = ("Act", "") if site.changes else columns[-1]
    return section("Leases", table("Credentials that other systems issued for this task", columns, rows))


def _decisions(site: Site, task: Mapping[str, Any], rows: Sequence[Row]) -> Html | None:
    if not rows:
        return None
    every = tag("a", "All decisions of this task", href=site.links.to(task_id=task["task_id"]))
    return section(
        "Latest decisions",
        decisions_table(site, tuple(rows), "Its latest decisions"),
        tag("p", every, class_="pager"),
    )
