"""Shows the calls that wait for a person, and takes an approver's decision.

As on a terminal, it is always visible whose words something is: verified, signed, policy's, or the agent's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabard_sidecar.console.html import Child, Html, tag
from tabard_sidecar.console.layout import (
    Site,
    agent,
    badge,
    code,
    facts,
    form,
    moment,
    notice,
    page,
    said,
    search,
    section,
    table,
    whole,
)
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.console.sidecar import Listed
from tabard_sidecar.operating.approval_group import by_group, totals_by_tool, waiting
from tabard_sidecar.operating.approval_prompt import allows

FIELDS = (("subject_id", "Person", ""), ("agent", "Agent", "spiffe://…"), ("task_id", "Task", ""))
SEEN = "seen"
"""Field of a form: an approval that its page showed."""
DENIED = "denied"
_COLUMNS = (
    ("Until (UTC)", "time"),
    ("State", ""),
    ("What", "what"),
    ("On behalf of", "who"),
    ("Agent", "who"),
    ("Policy asks because", "why"),
)
_INDENTED = 64 * 1024
"""Most characters of arguments that are indented. They have 256 KiB at most, but indented many times that."""


def list_page(
    site: Site, session: Session, found: Listed, wanted: Mapping[str, str], *, decided: bool
) -> str:
    """Return the list of approvals, those of a group in one row."""
    rows = [_row(site, group) for group in by_group(found.rows)]
    other = tag(
        "a",
        "Only what waits" if decided else "Also what was decided",
        href=site.links.to("approvals", **wanted, all="" if decided else "1"),
        class_="button",
    )
    more = None
    if found.next_page:
        link = site.links.to("approvals", **wanted, all="1" if decided else "", page=found.next_page)
        more = tag(
            "p",
            f"{len(found.rows):,} of {found.total:,}. ",
            tag("a", "More", href=link, rel="next"),
            class_="pager",
        )
    body: list[Child] = [
        tag("div", tag("h1", "Approvals"), other, class_="heading"),
        search(site, ("approvals",), FIELDS, wanted, "Filter approvals"),
        table("Calls for which policy asks a person", _COLUMNS, rows)
        if rows
        else notice("Nothing waits for a person."),
        more,
    ]
    return page(site, "Approvals", body, here="approvals", session=session)


def approval_page(site: Site, session: Session, name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of one approval, or of a group with all its calls; ``name`` is its id."""
    open_ = waiting(dict(row) for row in rows)
    readable = [row for row in rows if row["readable"]]
    status = "pending" if open_ else rows[0]["status"]
    title = f"{len(rows)} calls" if len(rows) > 1 else str(rows[0].get("tool", "a call"))
    body: list[Child] = [
        tag("p", tag("a", "Approvals", href=site.links.to("approvals")), class_="crumbs"),
        tag("h1", badge(status), " ", said(title, 120)),
        tag(
            "p",
            "Until ",
            moment(site, min(row["expires_at"] for row in open_ or rows), ago=True),
            ".",
            class_="lead",
        ),
    ]
    if len(readable) < len(rows):
        body.append(notice("A call can't be decrypted any more, so this can't be decided.", "bad"))
    if readable:
        body += _told(site, readable)
    if open_ and len(readable) == len(rows):
        body.append(_deciding(site, session, name, open_))
    return page(site, "Approval", body, here="approvals", session=session)


def decided_page(site: Site, session: Session, rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the page that says what was decided."""
    lines = [
        tag(
            "li",
            badge(row["status"]),
            " ",
            code(row["approval_id"]),
            " by ",
            code((row["approver"] or {}).get("id", "?"), 120),
        )
        for row in rows
    ]
    body: list[Child] = [
        tag("h1", "Decided"),
        tag("div", tag("ul", lines), role="status", class_="notice good"),
        tag("p", tag("a", "What else waits", href=site.links.to("approvals"))),
    ]
    return page(site, "Decided", body, here="approvals", session=session)


def _row(site: Site, group: Sequence[Mapping[str, Any]]) -> tuple[Child, ...]:
    first = group[0]
    name = first["group_id"] or first["approval_id"]
    ends = moment(site, min(row["expires_at"] for row in group))
    if not first["readable"]:
        return (
            ends,
            badge(first["status"]),
            tag("a", "can't be decrypted", href=site.links.to("approvals", name)),
            None,
            None,
            None,
        )
    tools: list[Child] = [
        said(tool, 80) for tool in dict.fromkeys(row["tool"] for row in group if row["readable"])
    ]
    count = f"{len(group)} calls: " if len(group) > 1 else ""
    return (
        ends,
        badge(first["status"]),
        tag("a", count, [[one, " "] for one in tools[:4]], href=site.links.to("approvals", name)),
        code(first["subject"]["id"], 60),
        agent(first["agent"]),
        said(first["reason"], 120),
    )


def _told(site: Site, rows: Sequence[Mapping[str, Any]]) -> list[Child]:
    first = rows[0]
    signed = first["intent_source"] == "signed"
    words = facts([("purpose", said(first["purpose"], 300)), ("request", said(first["statement"], 4000))])
    parts: list[Child] = [section("Verified by Tabard", facts(_verified(site, rows)))]
    if signed:
        parts.append(section("Signed by the front end", words))
    rules = {(row["reason"], f"{row['module']}.{row['code']}", ", ".join(row["approvers"])) for row in rows}
    parts += [_asking(number, *rule) for number, rule in enumerate(sorted(rules), len(parts))]
    parts.append(_agents_words(rows, [] if signed else [words]))
    parts.append(_totals(rows))
    return parts


def _verified(site: Site, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Child]]:
    """Return who asks, for whom, and what is allowed."""
    first = rows[0]
    person = [code(first["subject"]["id"], 300), " at ", code(first["subject"]["issuer"], 300)]
    chain: list[tuple[str, Child]] = [
        (
            "handed to",
            [agent(link["holder"]), " part " if link["sub_agent"] else "", said(link["sub_agent"], 100)],
        )
        for link in first["chain"]
    ]
    return [
        ("person", person),
        ("task", tag("a", code(first["task_id"]), href=site.links.to("tasks", first["task_id"]))),
        ("started by", code(first["root_holder"], 300)),
        *chain,
        ("asks now", code(first["agent"], 300)),
        ("allows", "; ".join(dict.fromkeys(allows(dict(row)) for row in rows))),
        *([("decided by", code(first["approver"]["id"], 200))] if first["approver"] else []),
    ]


def _asking(number: int, reason: str, rule: str, roles: str) -> Html:
    """Return why one rule asks, and whom."""
    told = facts(
        [("because", said(reason, 8000)), ("rule", code(rule, 200)), ("approvers", code(roles, 500))]
    )
    return section("Policy asks", told, id_=f"policy-{number}")


def _agents_words(rows: Sequence[Mapping[str, Any]], calls: list[Child]) -> Html:
    """Return the calls, below ``calls``, as something that was not verified."""
    for number, row in enumerate(rows, 1):
        head = tag("h3", f"Call {number} ", badge(row["status"])) if len(rows) > 1 else None
        server = ("server", said(row["server"], 200) if row["server"] else None)
        calls += [
            head,
            facts([("tool", said(row["tool"], 300)), server]),
            whole(row.get("arguments"), _INDENTED),
        ]
    note = tag(
        "p",
        "Not verified: text that may quote an attacker. The approval is for exactly this.",
        class_="muted",
    )
    return section("The agent's words", tag("div", note, calls, class_="words agent-words"))


def _totals(rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """Return what Tabard counted over the calls of a group: what doesn't belong into a list stands out here."""
    if len(rows) < 2:  # noqa: PLR2004 - one call has no sums
        return None
    columns = [
        ("Tool", ""),
        ("Argument", ""),
        ("Calls", "number"),
        ("Different", "number"),
        ("Sum", "number"),
        ("From", "number"),
    ]
    columns += [("To", "number"), ("Alone with its value", "")]
    found: list[tuple[Child, ...]] = []
    for tool, one, alone in totals_by_tool(map(dict, rows)):
        found.append(
            (
                said(tool, 80),
                code(one.argument, 120),
                one.calls,
                one.different,
                _number(one.total),
                _number(one.least),
                _number(one.most),
                alone or None,
            )
        )
    return section("Counted by Tabard", table("Arguments over all calls", columns, found)) if found else None


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:,.15g}"


def _deciding(site: Site, session: Session, name: str, open_: Sequence[Mapping[str, Any]]) -> Html:
    if not site.changes:
        text = "This console only shows. Decide with the command:"
        return section(
            "Decide",
            tag("p", text),
            tag("pre", tag("code", f"tabard approvals approve {name}"), class_="command"),
        )
    seen = [tag("input", type="hidden", name=SEEN, value=row["approval_id"]) for row in open_]
    single: list[Child] = []
    if len(open_) > 1:
        single = [
            tag(
                "p",
                tag("input", type="checkbox", name=DENIED, value=row["approval_id"], id=f"deny-{number}"),
                " ",
                tag(
                    "label",
                    f"Deny call {number} although the others are approved",
                    for_=f"deny-{number}",
                    class_="inline",
                ),
            )
            for number, row in enumerate(open_, 1)
        ]
    what = "exactly this call" if len(open_) == 1 else f"these {len(open_)} calls"
    token = tag(
        "div",
        tag("label", "Your token: fresh, for approvals, valid for one decision", for_="token"),
        tag(
            "input",
            type="password",
            name="token",
            id="token",
            required=True,
            autocomplete="off",
            spellcheck="false",
        ),
    )
    buttons = tag(
        "div",
        tag("button", f"Approve {what}", name="decision", value="approve"),
        tag("button", "Deny", name="decision", value="deny", class_="danger"),
        class_="acts",
    )
    return section(
        "Decide", form(site, session, ("approvals", name), *seen, *single, token, buttons, class_="stack")
    )
