"""Shows what is revoked, and revokes after a confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabard_sidecar.console.html import Child, tag
from tabard_sidecar.console.layout import Site, code, facts, form, moment, notice, page, prose, said, table
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.operating.revocations import KINDS
from tabard_sidecar.util.lean import dataclass

MOST_REASON = 1000
"""Most characters of a reason."""
MOST_TARGET = 2048
_COLUMNS = (
    ("When (UTC)", "time"),
    ("Kind", "short"),
    ("What", "what"),
    ("Until", "short"),
    ("Reason", "why"),
    ("By", "short"),
)
_TASK = "All its grants are denied from now on, on every sidecar. This can't be lifted."
_LINK = "This holder and every holder below it are denied from now on. The rest of the task goes on. This can't be lifted."
_AGENT = (
    "Every request of this workload and every chain that it is or was part of is denied, and it can't start tasks, until "
    "the revocation is lifted (`tabard revoke lift agent`)."
)
_SUBJECT = (
    "Tasks that were started and tokens that were issued until now are denied. A person who can still sign in gets a later "
    "token, so close the account at the identity provider, too."
)
_CREDENTIAL = (
    "Backends that introspect refuse it, with all its renewals. If another system issued it, it is ended there. The "
    "holder may authorize the call again."
)
_MEANINGS = {
    "task": ("End this task?", _TASK),
    "link": ("End this part of the task?", _LINK),
    "agent": ("Revoke this agent?", _AGENT),
    "subject": ("Revoke this person?", _SUBJECT),
    "credential": ("Revoke this credential?", _CREDENTIAL),
}


@dataclass(frozen=True, slots=True)
class Aim:
    """What is to be revoked; ``issuer`` is a person's."""

    kind: str
    target: str
    issuer: str

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Aim | None:
        """Return what an address or a form names; ``None`` if that is nothing that can be revoked."""
        kind, target, issuer = (str(given.get(name, "")) for name in ("kind", "target", "issuer"))
        if kind not in _MEANINGS or not 0 < len(target) <= MOST_TARGET or len(issuer) > MOST_TARGET:
            return None
        return cls(kind, target, issuer) if bool(issuer) == (kind == "subject") else None


def list_page(site: Site, session: Session, rows: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Return the list of what is revoked; ``kind`` is the only one that is shown, if it isn't empty."""
    shown = [row for row in rows if kind in {"", row["kind"]}]
    kinds = [
        tag(
            "li",
            tag(
                "a",
                name or "All",
                " ",
                tag("b", sum(name in {"", row["kind"]} for row in rows)),
                href=site.links.to("revocations", kind=name),
                aria_current="true" if name == kind else None,
            ),
        )
        for name in ("", *KINDS)
    ]
    body: list[Child] = [
        tag("h1", "Revocations"),
        tag("nav", tag("ul", kinds, class_="counts"), aria_label="By kind"),
        table("What is revoked, newest first", _COLUMNS, [_cells(site, row) for row in shown])
        if shown
        else None,
        None if shown else notice("Nothing is revoked."),
    ]
    return page(site, "Revocations", body, here="revocations", session=session)


def confirm_page(site: Site, session: Session, aim: Aim, task: Mapping[str, Any] | None) -> str:
    """Return the page that asks before something is revoked; ``task`` is the one that is meant, if it is one."""
    title, meaning = _MEANINGS[aim.kind]
    reason = tag(
        "div",
        tag("label", "Reason, for the log", for_="reason"),
        tag("input", id="reason", name="reason", maxlength=MOST_REASON, autocomplete="off"),
    )
    body: list[Child] = [
        tag("h1", title),
        tag("p", prose(meaning), class_="lead"),
        facts(
            [
                (aim.kind, code(aim.target, MOST_TARGET)),
                ("issuer", code(aim.issuer, MOST_TARGET) if aim.issuer else None),
                *_reach(site, task),
            ]
        ),
        form(
            site,
            session,
            ("revoke",),
            reason,
            tag(
                "div",
                tag("button", title.removesuffix("?"), class_="danger sure"),
                tag("a", "Cancel", href=site.links.to()),
                class_="acts",
            ),
            class_="stack",
            # In a field the target would be escaped as a text that is shown; an address holds it exactly.
            query={"kind": aim.kind, "target": aim.target, "issuer": aim.issuer},
        ),
    ]
    return page(site, title, body, here="revocations", session=session)


def done_page(site: Site, session: Session, row: Mapping[str, Any]) -> str:
    """Return the page that says what a revocation did."""
    impact = row["impact"]
    more = "" if impact["complete"] else " at least; not every task was examined"
    counted: Child = (
        f"It affects {impact['live_tasks']:,} live task(s) and {impact['holders']:,} holder(s){more}."
    )
    if row["kind"] == "credential":
        counted = "Earlier and later renewals of it are revoked, too. No list of credentials is kept, so the id has to be exact."
    elif not impact["live_tasks"]:
        counted = [counted, " No live task has it: the id has to be exactly as it is in tokens and grants."]
    what = row["subject"]["id"] if "subject" in row else row["target"]
    body: list[Child] = [
        tag("h1", "Revoked"),
        tag("div", tag("p", counted), role="status", class_="notice good"),
        facts(
            [
                (row["kind"], code(what, MOST_TARGET)),
                ("since", moment(site, row["revoked_at"])),
                ("number", row["sequence"]),
            ]
        ),
        tag("p", tag("a", "All revocations", href=site.links.to("revocations"))),
    ]
    return page(site, "Revoked", body, here="revocations", session=session)


def _reach(site: Site, task: Mapping[str, Any] | None) -> list[tuple[str, Child]]:
    if task is None:
        return []
    return [
        ("purpose", said(task["purpose"], 200)),
        ("person", code(task["subject"]["id"], 300)),
        ("started", moment(site, task["started_at"], ago=True)),
        ("holders", f"{len(task['nodes']):,}{' or more' if task['truncated'] else ''}"),
        ("leases", f"{len(task['leases']):,}"),
    ]


def _cells(site: Site, row: Mapping[str, Any]) -> tuple[Child, ...]:
    what: Child = code(row["target"], 120) if "target" in row else None
    if "subject" in row:
        what = [code(row["subject"]["id"], 120), " at ", code(row["subject"]["issuer"], 120)]
    until: Child = "lifted" if row["expires_at"] is None else moment(site, row["expires_at"])
    return (
        moment(site, row["revoked_at"]),
        row["kind"],
        what,
        until,
        [[said(reason, 200), " "] for reason in row["reasons"][:4]] or None,
        row["origin"],
    )


def not_allowed(site: Site, session: Session) -> str:
    """Return the page that says that nothing may be changed here."""
    body: list[Child] = [
        tag("h1", "Read-only"),
        notice("This console only shows. Start it with --allow-changes to revoke and to approve."),
    ]
    return page(site, "Read-only", body, session=session)


def unknown_aim(site: Site, session: Session) -> str:
    """Return the page for an address that names nothing that can be revoked."""
    body: list[Child] = [
        tag("h1", "Nothing to revoke"),
        notice("This link names nothing that can be revoked.", "bad"),
    ]
    return page(site, "Nothing to revoke", body, session=session)
