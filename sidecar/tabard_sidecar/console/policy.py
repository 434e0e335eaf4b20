"""Shows what a candidate policy would change, on live requests and on recorded ones, and what narrower permissions are proposed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tabard_sidecar.console.html import Child, Html, shown_lines, tag
from tabard_sidecar.console.jobs import Jobs, Kind, State
from tabard_sidecar.console.layout import (
    Site,
    agent,
    badge,
    code,
    command,
    facts,
    form,
    moment,
    notice,
    page,
    prose,
    said,
    section,
    table,
    word,
)
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.replay.comparing import CAVEAT, Change
from tabard_sidecar.replay.not_replayable import Why
from tabard_sidecar.suggest.refusals import NEXT_STEPS

PATCH = "suggestion.patch"
STOP = "stop"
"""Last step of the address that stops a job."""
_MOST_GROUPS = 100
_MOST_RESTRICTIONS = 300
_MOST_PATCH = 256 * 1024
_CHANGES = (
    ("Change", ""),
    ("Decisions", "number"),
    ("Tool", "what"),
    ("Agent", "who"),
    ("Rules now", "why"),
    ("Examples", ""),
)
_EFFECTS = (("Before", ""), ("Now", ""), ("Decisions", "number"))
_RESTRICTIONS = (("Agent", "who"), ("Purpose", ""), ("Restriction", ""), ("Value", ""), ("Evidence", ""))
_KINDS = {
    Change.ALLOWED: "bad",
    Change.DENIED: "wait",
    Change.ASKED: "wait",
}
_NO_REPLAY = "Start the console with --candidate POLICY to replay the recorded decisions by another policy."
_NOTHING = (
    "Nothing is proposed. {:,} purposes have too little evidence; `tabard suggest --help` names the bounds."
)
_NO_LOG = "No decision log is read here, so nothing can be replayed or proposed."


def policy_page(
    site: Site, session: Session, shadow: Mapping[str, Any] | str, jobs: Jobs, *, logs: bool
) -> str:
    """Return the page.

    Args:
        site: what all pages have in common.
        session: of the browser.
        shadow: how the candidate of the sidecar fares; a text says why that isn't known.
        jobs: replays and proposals.
        logs: whether a decision log is read.
    """
    body: list[Child] = [
        tag("h1", "Policy"),
        section("Shadow", *_shadow(site, shadow)),
        section("Replay", *(_replay(site, session, jobs) if logs else [notice(_NO_LOG)])),
        section("Suggestions", *(_suggestions(site, session, jobs) if logs else [notice(_NO_LOG)])),
    ]
    return page(site, "Policy", body, here="policy", session=session)


def _shadow(site: Site, shadow: Mapping[str, Any] | str) -> Iterator[Html]:
    yield tag(
        "p",
        "What the candidate policy (policy.shadow) would have decided otherwise on live requests.",
        class_="muted",
    )
    if isinstance(shadow, str):
        yield notice(shadow)
        return
    yield facts(
        [
            (
                "candidate",
                [
                    badge(shadow["state"]),
                    " ",
                    code(shadow["revision"][:16] or "-"),
                    " ",
                    code(shadow["path"], 300),
                ],
            ),
            ("modules", ", ".join(shadow["modules"]) or None),
            ("policy", code(shadow["live_revision"][:16] or "-")),
            ("since", moment(site, shadow["loaded_at"], ago=True) if shadow["loaded_at"] else None),
            ("decisions", f"{shadow['decided']:,}, {shadow['changed']:,} of them otherwise"),
        ]
    )
    for problem in shadow["problems"][:20]:
        yield notice(("Problem: ", problem), "bad")
    for why, count in {**shadow["not_decided"], **shadow["dropped"]}.items():
        yield tag("p", f"{count:,} not decided: {why}", class_="muted")
    if shadow["differences"]:
        yield from _difference(site, shadow["differences"], "What the candidate would have decided otherwise")
        yield command("tabard shadow promote")


def _replay(site: Site, session: Session, jobs: Jobs) -> Iterator[Html]:
    yield tag(
        "p",
        "Recorded decisions, decided again by the candidate, with the state that each task would have.",
        class_="muted",
    )
    if not jobs.offers(Kind.REPLAY):
        yield notice(_NO_REPLAY)
        return
    state = jobs.state(Kind.REPLAY)
    yield _start(site, session, jobs, Kind.REPLAY, "Replay the logs", state)
    if state is not None and state.told is not None:
        told = state.told
        yield tag(
            "p", tag("b", f"{told['changed']:,} of {told['decided']:,}"), " decisions change.", class_="lead"
        )
        for why, count in told["not_replayable"].items():
            meaning = Why(why).meaning if why in set(Why) else why
            yield tag("p", f"{count:,} couldn't be decided again: {meaning}", class_="muted")
        yield from _difference(site, told, "What a replay changes")


def _difference(site: Site, told: Mapping[str, Any], caption: str) -> Iterator[Html]:
    """Yield what two policies decide differently; shadow and replay tell it in one form."""
    if not told["changed"]:
        yield notice("Nothing changes.", "good")
        return
    yield tag("p", CAVEAT, class_="muted")
    rows = [
        (word(one["before"]), word(one["now"]), one["count"])
        for one in told["effects"]
        if one["before"] != one["now"]
    ]
    if rows:
        yield table(f"{caption}: effects", _EFFECTS, rows, class_="small")
    yield table(
        caption, _CHANGES, [_group(site, one) for one in told["groups"][:_MOST_GROUPS]], class_="changes"
    )
    if len(told["groups"]) > _MOST_GROUPS:
        yield tag(
            "p",
            f"{len(told['groups']) - _MOST_GROUPS:,} more groups; the command shows them.",
            class_="pager",
        )


def _group(site: Site, group: Mapping[str, Any]) -> tuple[Child, ...]:
    change = group["change"]
    kind = _KINDS.get(Change(change), "plain") if change in set(Change) else "plain"
    examples = [
        [
            tag(
                "a",
                code(one["decision_id"][:8]),
                href=site.links.to("decisions", one["decision_id"]),
                aria_label=f"Decision {one['decision_id'][:8]}",
            ),
            " ",
        ]
        for one in group["examples"][:3]
    ]
    by_state = (
        tag("span", f" ({group['by_state']:,} by state)", class_="muted") if group["by_state"] else None
    )
    return (
        tag("span", change.replace("_", " "), class_=f"badge {kind}"),
        [f"{group['count']:,}", by_state],
        said(group["tool"], 100),
        agent(group["agent"]),
        code(", ".join(group["rules"]), 200) if group["rules"] else None,
        examples or None,
    )


def _suggestions(site: Site, session: Session, jobs: Jobs) -> Iterator[Html]:
    yield tag(
        "p",
        "Narrower permissions from what allowed decisions used. Nothing is changed: you get a patch.",
        class_="muted",
    )
    state = jobs.state(Kind.SUGGEST)
    yield _start(site, session, jobs, Kind.SUGGEST, "Propose from the logs", state)
    if state is None or state.told is None:
        return
    told = state.told
    found = told["restrictions"]
    yield tag(
        "p",
        tag("b", f"{len(found):,} restrictions"),
        f" from {told['learned']:,} allowed decisions.",
        class_="lead",
    )
    if told["refused"]:
        yield notice(("The proposal is refused. ", NEXT_STEPS.get(told["refused"], told["refused"])), "bad")
    if told["held_out"] is not None:
        denied = told["held_out"]["changed"]
        kind = "bad" if denied else "good"
        yield notice(
            f"Tried on {told['held_out']['decided']:,} later decisions: {denied:,} of them change.", kind
        )
        if denied:
            yield from _difference(site, told["held_out"], "Later decisions that would change")
    if not found:
        lacks = len(told["too_little_evidence"])
        yield notice(prose(_NOTHING.format(lacks)))
        return
    yield table(
        "What is proposed",
        _RESTRICTIONS,
        [_restriction(one) for one in found[:_MOST_RESTRICTIONS]],
        class_="changes",
    )
    if state.patch:
        link = tag(
            "a", "Download the patch", href=site.links.to("policy", PATCH), download=PATCH, class_="button"
        )
        yield tag(
            "div", link, tag("span", "then: git apply --directory POLICY FILE", class_="muted"), class_="acts"
        )
        text = tag(
            "pre", tag("code", tag("bdi", shown_lines(state.patch, _MOST_PATCH))), tabindex="0", class_="json"
        )
        yield tag("details", tag("summary", "The patch"), text)


def _restriction(one: Mapping[str, Any]) -> tuple[Child, ...]:
    about = " ".join(filter(None, (one["tool"], one["name"])))
    seen = f", seen {one['seen']}" if one["seen"] is not None else ""
    return (
        agent(one["agent"]),
        tag("span", "asserted", class_="muted") if one["asserted"] else said(str(one["purpose"] or ""), 80),
        [said(about, 120), " " if about else "", code(one["kind"])],
        said(json.dumps(one["value"], ensure_ascii=False), 160),
        f"{one['calls']:,} in {one['tasks']:,} tasks on {one['days']:,} days{seen}"[:200],
    )


def _start(  # noqa: PLR0913, PLR0917 - one argument per part
    site: Site, session: Session, jobs: Jobs, kind: Kind, label: str, state: State | None
) -> Html:
    """Return the button that starts a job, or stops it, and how the one before stands."""
    parts: list[Child] = []
    if state is not None and state.running:
        parts.append(notice("It is running. This page reloads by itself."))
        stop = tag("button", "Stop")
        parts.append(form(site, session, ("policy", kind.value, STOP), stop))
    elif jobs.busy:
        parts.append(notice("Another one is running; one runs at a time."))
    else:
        button = tag("button", label if state is None else f"{label} again")
        parts.append(form(site, session, ("policy", kind.value), button))
    if state is not None and state.stopped:
        parts.append(notice("It was stopped."))
    if state is not None and state.problem:
        parts.append(notice(("It failed: ", state.problem), "bad"))
    return tag("div", parts)
