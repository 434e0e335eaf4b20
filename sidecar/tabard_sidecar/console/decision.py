"""Shows one decision: what was asked, on whose behalf, why it was decided so, through whom, and how to stop it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabard_sidecar.console.chain import chain
from tabard_sidecar.console.decisions import what
from tabard_sidecar.console.feed import ASKED
from tabard_sidecar.console.html import Child, Html, tag
from tabard_sidecar.console.layout import (
    Site,
    agent,
    badge,
    code,
    command_line,
    document,
    facts,
    moment,
    notice,
    page,
    rule,
    said,
    section,
)
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.console.why import explanation, reasons
from tabard_sidecar.records.reading import Entry
from tabard_sidecar.util.lean import dataclass

_VERBS = {
    "allow": "It was allowed",
    "deny": "It was denied",
    ASKED: "It waits for a person, or waited",
    "would_deny": "Policy denied it, and it was made without a credential, because this namespace is observed",
    "intended": "Its outcome isn't recorded: the credential may have been issued",
}
_DISPUTED = (
    "The logs hold several records of this decision that contradict each other, so at least one isn't true. This page shows "
    "one of them. To see the others, start the console with each log alone."
)


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of a decision.

    Attributes:
        entry: what the log holds of it.
        recorded: what the log alone says of the reasons.
        found: what policy says; ``None`` if it wasn't asked, or hasn't answered yet.
        waiting: whether an answer is awaited.
        problem: why policy can't be asked.
    """

    entry: Entry
    recorded: Mapping[str, Any]
    found: Mapping[str, Any] | None
    waiting: bool
    problem: str


def decision_page(site: Site, session: Session, told: Explained, *, disputed: bool = False) -> str:
    """Return the page of a decision or change; ``disputed`` if another record says something else of it."""
    shown = told.entry.as_json()
    effect = ASKED if _is_asked(shown) else shown["effect"]
    body: list[Child] = [
        tag("p", tag("a", "Decisions", href=site.links.to()), class_="crumbs"),
        tag("h1", badge(effect), " ", what(shown)),
        _lead(site, shown, effect),
    ]
    if disputed:
        body.append(notice(_DISPUTED, "bad"))
    if told.entry.evaluated:
        body.append(_stop(site, shown))
    if told.entry.incomplete:
        body.append(
            notice("A part of the input stands in a record that isn't here, so it isn't shown whole.")
        )
    body.append(_why(told))
    asked = told.entry.input
    if told.entry.evaluated:
        charges = told.entry.result.get("charges")
        root = str(told.entry.first.get("root_holder") or shown["agent"])
        body.append(_call(asked))
        body.append(section("Chain", chain(site, asked, root, charges if isinstance(charges, dict) else {})))
    elif asked:
        body.append(section("What was asked", document(asked)))
    body += [
        _state(asked, told.entry.result),
        _result(site, shown, told.entry),
        _record(site, shown, told.entry),
    ]
    return page(site, _title(shown), body, here="decisions", session=session)


def _is_asked(shown: Mapping[str, Any]) -> bool:
    codes = [one["code"] for one in shown["rules"]]
    return shown["effect"] == "deny" and codes[:1] == ["approval_required"]


def _title(shown: Mapping[str, Any]) -> str:
    return f"{shown['effect']}: {shown['tool'] or shown['operation']}"[:120]


def _lead(site: Site, shown: Mapping[str, Any], effect: str) -> Html:
    """Return one sentence that says what an operator asks first."""
    who: list[Child] = [agent(shown["agent"]) if shown["agent"] else "An operator"]
    if shown["subject"]["id"]:
        who += [" on behalf of ", code(shown["subject"]["id"], 120)]
    if shown["delegatee"]:
        who += [", to ", agent(shown["delegatee"])]
    because: list[Child] = []
    named = [rule(one) for one in shown["rules"] if one["code"]]
    if named and effect != "intended":
        because = [" by ", code(named[0], 120)]
    verdict = _VERBS.get(effect, effect.replace("_", " ").capitalize())
    return tag(
        "p",
        "Asked by ",
        who,
        ", ",
        moment(site, shown["time"], ago=True),
        ". ",
        verdict,
        because,
        ".",
        class_="lead",
    )


def _why(told: Explained) -> Html:
    base = told.found or told.recorded
    parts: list[Child] = [*reasons(base)]
    if told.waiting:
        parts.append(
            notice("Policy is being asked which rules and conditions decided. This page reloads by itself.")
        )
    elif told.problem:
        parts.append(
            tag("p", "Policy can't be asked which conditions decided: ", told.problem, class_="muted")
        )
    elif told.found is not None:
        parts.extend(explanation(told.found))
    if not parts:
        parts.append(tag("p", "No reason is recorded."))
    return section("Why", *parts)


def _call(asked: Mapping[str, Any]) -> Html | None:
    tool = asked.get("tool")
    if not isinstance(tool, dict) or not tool.get("name"):
        request = asked.get("request")
        return section("Request", document(request)) if isinstance(request, dict) and request else None
    rows: list[tuple[str, Child]] = [
        ("tool", said(str(tool.get("name")), 300)),
        ("server", said(str(tool.get("server")), 300) if tool.get("server") else None),
    ]
    return section(
        "Call",
        tag("p", "The agent's words: not verified.", class_="muted"),
        facts(rows),
        document(tool.get("arguments")),
    )


def _stop(site: Site, shown: Mapping[str, Any]) -> Html:
    """Return what ends the authority that was used here, from the least to the most."""
    person = shown["subject"]
    rows = [
        ("credential", shown["credential_id"], "", "Revoke this credential"),
        ("task", shown["task_id"], "", "End this task"),
        ("agent", shown["agent"], "", "Revoke this agent"),
        ("subject", person["id"], person["issuer"], "Revoke this person"),
    ]
    found = [stop(site, kind, target, issuer, label) for kind, target, issuer, label in rows if target]
    if site.changes:
        return tag("div", found, class_="acts")
    return tag("details", tag("summary", "How to stop it"), found, class_="stop")


def stop(site: Site, kind: str, target: str, issuer: str, label: str) -> Html:
    """Return what revokes something: a link to the confirmation, or the command if nothing may be changed here."""
    if site.changes:
        link = site.links.to("revoke", kind=kind, target=target, issuer=issuer)
        return tag("a", label, href=link, class_="button danger")
    more = ("--issuer", issuer) if issuer else ()
    line = command_line("tabard", "revoke", kind, *more, given=target)
    return tag("div", tag("p", label, class_="muted"), line)


def _state(asked: Mapping[str, Any], result: Mapping[str, Any]) -> Html | None:
    """Return what the task had done and spent when this was decided."""
    history = asked.get("history")
    history = history if isinstance(history, dict) else {}
    budgets = asked.get("budgets")
    budgets = budgets if isinstance(budgets, dict) else {}
    labels = history.get("labels")
    calls = history.get("calls")
    rows: list[tuple[str, Child]] = [
        (f"budget {name[:60]}", said(_spent(value), 200)) for name, value in [*budgets.items()][:20]
    ]
    if isinstance(labels, list) and labels:
        rows.append(("labels", [[said(str(label), 80), " "] for label in labels[:50]]))
    if isinstance(calls, list) and calls:
        rows.append(("calls before", len(calls)))
    for name in ("charges", "labels", "facts"):
        value = result.get(name)
        if value:
            rows.append((f"{name} of this call", document(value, 4000)))
    return section("The task then", facts(rows)) if rows else None


def _spent(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    return f"{value.get('spent')} of {value.get('limit')} spent, {value.get('remaining')} left"


def _result(site: Site, shown: Mapping[str, Any], entry: Entry) -> Html | None:
    credential = entry.result.get("credential")
    credential = credential if isinstance(credential, dict) else {}
    rows: list[tuple[str, Child]] = [
        ("credential", code(shown["credential_id"]) if shown["credential_id"] else None),
        ("kind", str(credential.get("kind") or "")),
        ("audience", code(shown["audience"]) if shown["audience"] else None),
        ("scopes", _joined(credential.get("scopes"))),
        ("expires", moment(site, credential["expires_at"]) if credential.get("expires_at") else None),
        ("renews", code(shown["renews"]) if shown["renews"] else None),
        ("approved by", [[code(str(one.get("id", ""))), " "] for one in shown["approvers"]] or None),
        ("approval", _asked_for(site, entry)),
    ]
    present = [row for row in rows if row[1]]
    return section("What it gave", facts(present)) if present else None


def _joined(value: object) -> Child:
    """Return a list in one line; what is none is shown as it is."""
    parts = value if isinstance(value, list) else [value] if value else []
    return code(", ".join(map(str, parts)), 300) if parts else None


def _asked_for(site: Site, entry: Entry) -> Child:
    asked = entry.result.get("approvals_asked")
    if not isinstance(asked, list) or not asked:
        return None
    return [[tag("a", code(str(one)), href=site.links.to("approvals", str(one))), " "] for one in asked[:20]]


def _record(site: Site, shown: Mapping[str, Any], entry: Entry) -> Html:
    by: Mapping[str, Any] = shown["by"]
    task: Child = None
    if shown["task_id"]:
        task = tag("a", code(shown["task_id"]), href=site.links.to("tasks", shown["task_id"]))
    rows: list[tuple[str, Child]] = [
        ("decision", code(shown["decision_id"])),
        ("task", task),
        ("made by", _who(by)),
        ("policy", code(shown["policy"][:16]) if shown["policy"] else None),
        ("masked", ", ".join(shown["masked"]) or None),
        ("repeated answer", "yes" if shown["replayed"] else None),
    ]
    parts: list[Child] = [facts([row for row in rows if row[1]])]
    if entry.evaluated:
        parts.append(tag("details", tag("summary", "The whole policy input"), document(entry.input)))
    parts.append(command_line("tabard", "explain", given=shown["decision_id"]))
    return section("Record", *parts)


def _who(by: Mapping[str, Any]) -> Child:
    return ", ".join(_parties(by)) or None


def _parties(by: Mapping[str, Any]) -> Iterator[str]:
    approver, process = by.get("approver"), by.get("operator")
    if isinstance(approver, dict):
        yield f"{approver.get('id', '')} at {approver.get('issuer', '')}"
    if isinstance(process, dict):
        yield f"user {process.get('uid')}, process {process.get('pid')}" if "uid" in process else str(process)
