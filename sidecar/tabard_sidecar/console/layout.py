"""Lays pages out: the frame that all have, and the parts of which they are made."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from tabard_sidecar.console.feed import ASKED
from tabard_sidecar.console.guard import FORM_TOKEN, ICON, STYLE
from tabard_sidecar.console.html import Child, Html, Link, Links, shown, shown_lines, tag
from tabard_sidecar.console.sessions import Session
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.visible import hidden

NAVIGATION: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("decisions", "Decisions", ()),
    ("tasks", "Tasks", ("tasks",)),
    ("approvals", "Approvals", ("approvals",)),
    ("revocations", "Revocations", ("revocations",)),
    ("policy", "Policy", ("policy",)),
)
_WORDS = {
    "allow": ("good", "Allowed"),
    "deny": ("bad", "Denied"),
    ASKED: ("wait", "Asked"),
    "ask": ("wait", "Asked"),
    "would_deny": ("wait", "Would deny"),
    "intended": ("wait", "Unfinished"),
    "refused": ("bad", "Refused"),
    "made": ("plain", "Made"),
    "approved": ("good", "Approved"),
    "denied": ("bad", "Denied"),
    "pending": ("wait", "Waits"),
    "expired": ("plain", "Expired"),
    "shadow": ("plain", "Differs"),
    "note": ("plain", "Note"),
    "live": ("good", "Live"),
    "ended": ("bad", "Ended"),
    "agent_revoked": ("bad", "Agent revoked"),
    "subject_revoked": ("bad", "Person revoked"),
    "rolled_back": ("bad", "State lost"),
    "running": ("good", "Running"),
    "starting": ("wait", "Starting"),
    "broken": ("bad", "Broken"),
    "failing": ("bad", "Failing"),
}
_SPIFFE_PATH = re.compile(r"spiffe://[^/]+/ns/([^/]+)/sa/([^/]+)")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
MOST_COMMAND = 2048
MOST_JSON_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages have in common.

    Attributes:
        links: makes addresses.
        zone: tells which zone answers; empty as long as none did.
        about: tells which sidecar or control service answers.
        changes: whether operators may change anything here.
        now: seconds since the epoch.
        style: what the style sheet's address ends with, so that browsers notice another version.
    """

    links: Links
    zone: Callable[[], str]
    about: Callable[[], str]
    changes: bool
    now: Callable[[], float]
    style: str


def page(
    site: Site, title: str, body: Iterable[Child], *, here: str = "", session: Session | None = None
) -> str:
    """Return a whole page.

    Args:
        site: what all pages have in common.
        title: of the page.
        body: its content, which begins with the heading.
        here: the part of the navigation that it belongs to.
        session: of the browser; without one the page has no navigation.
    """
    zone = site.zone()
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · {zone} · Tabard" if zone else f"{title} · Tabard"),
        tag("link", rel="icon", href=site.links.to(ICON), type="image/svg+xml"),
        tag("link", rel="stylesheet", href=site.links.to(STYLE, v=site.style)),
    )
    inner = (
        tag("a", "Skip to the content", href=Link("#content"), class_="skip"),
        _banner(site, here, session),
        tag("main", *body, id="content", tabindex="-1"),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *inner), lang='en')}\n"


def _banner(site: Site, here: str, session: Session | None) -> Html:
    mark = tag("a", "Tabard", href=site.links.to(), class_="mark")
    if session is None:
        return tag("header", tag("div", mark, class_="bar"), class_="banner")
    items = [
        tag(
            "li",
            tag("a", label, href=site.links.to(*steps), aria_current="page" if name == here else None),
        )
        for name, label, steps in NAVIGATION
    ]
    mode = "changes allowed" if site.changes else "read-only"
    leave = form(site, session, ("sign-out",), tag("button", "Sign out", class_="quiet"))
    who = tag(
        "p",
        tag("span", site.zone() or "no zone answers", class_="zone"),
        tag("span", mode, class_="mode on" if site.changes else "mode"),
        title=site.about(),
        class_="answers",
    )
    return tag(
        "header",
        tag("div", mark, who, leave, class_="bar"),
        tag("nav", tag("ul", items), aria_label="Console"),
        class_="banner",
    )


def form(
    site: Site,
    session: Session,
    steps: Sequence[str],
    *children: Child,
    class_: str | None = None,
    query: Mapping[str, str] | None = None,
) -> Html:
    """Return a form that changes something; it holds the session's token. ``query`` is of its address."""
    token = tag("input", type="hidden", name=FORM_TOKEN, value=session.form_token)
    return tag(
        "form", token, *children, method="post", action=site.links.to(*steps, **query or {}), class_=class_
    )


def badge(effect: str) -> Html:
    """Return a state in a word and a colour."""
    kind, word = _WORDS.get(effect, ("plain", effect.replace("_", " ")))
    return tag("span", word, class_=f"badge {kind}")


def word(effect: str) -> str:
    """Return a state in a word."""
    return _WORDS.get(effect, ("", effect.replace("_", " ")))[1]


def prose(text: str) -> list[Html]:
    """Return a text of the console's own, in which backticks mark code."""
    return [tag("code", part) if place % 2 else shown(part) for place, part in enumerate(text.split("`"))]


def said(text: str, most: int = 500) -> Html:
    """Return words of an agent, or words that may quote one: apart from all others, whichever direction they are written in."""
    return tag("bdi", shown(text, most), class_="said")


def code(text: str, most: int = 500) -> Html:
    """Return an identifier."""
    return tag("code", tag("bdi", shown(text, most)))


def agent(spiffe_id: str) -> Html:
    """Return a workload in short; its whole identifier is the title."""
    found = _SPIFFE_PATH.fullmatch(spiffe_id)
    short = f"{found[1]}/{found[2]}" if found else spiffe_id.removeprefix("spiffe://")
    return tag("span", tag("bdi", shown(short, 80)), title=shown_title(spiffe_id), class_="agent")


def shown_title(text: str) -> str:
    """Return a text for an attribute."""
    return text[:500]


def rule(one: Mapping[str, str]) -> str:
    """Return a rule's name: the code of the sidecar, or module and code of a policy."""
    return f"{one['module']}.{one['code']}" if one["module"] else one["code"]


def moment(site: Site, time: object, *, ago: bool = False) -> Html:
    """Return a time in UTC, given as a record has it or in seconds; with ``ago`` also how long ago that is.

    What is no time is shown as it is.
    """
    if time is None or time == "":
        return tag("span", "never")
    try:
        seconds = isinstance(time, int | float)
        found = datetime.fromtimestamp(float(str(time)), UTC) if seconds else _read(str(time))
    except (ValueError, OverflowError, OSError):
        return said(str(time), 40)
    text = found.strftime("%Y-%m-%d %H:%M:%S")
    day, clock = text.split()
    if ago:
        distance = duration(abs(site.now() - found.timestamp()))
        words = f"{distance} ago" if found.timestamp() <= site.now() else f"in {distance}"
        return tag("time", f"{text} UTC, {words}", datetime=f"{text}Z".replace(" ", "T"))
    day_part = tag("span", f"{day} ", class_="day")
    return tag("time", day_part, clock, datetime=f"{text}Z".replace(" ", "T"))


def duration(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def search(
    site: Site,
    steps: Sequence[str],
    fields: Sequence[tuple[str, str, str]],
    wanted: Mapping[str, str],
    label: str,
) -> Html:
    """Return a form that filters a list.

    Args:
        site: what all pages have in common.
        steps: of the list's address.
        fields: name, label and an example of each.
        wanted: the filter; what isn't a field of the form is kept.
        label: what the form does.
    """
    names = [name for name, *_ in fields]
    shown_fields = [_filter_field(*field, wanted.get(field[0], "")) for field in fields]
    kept = {name: text for name, text in wanted.items() if text and name not in names}
    keep = [tag("input", type="hidden", name=name, value=text) for name, text in kept.items()]
    clear = None
    if any(wanted.get(name) for name in names):
        clear = tag("a", "Clear", href=site.links.to(*steps, **kept))
    act = tag("div", tag("button", "Filter"), clear, class_="field act")
    return tag(
        "form",
        shown_fields,
        keep,
        act,
        method="get",
        action=site.links.to(*steps),
        role="search",
        aria_label=label,
        class_=f"filter of-{len(fields)}",
    )


def _filter_field(name: str, label: str, hint: str, value: str) -> Html:
    return tag(
        "div",
        tag("label", label, for_=f"filter-{name}"),
        tag(
            "input",
            id=f"filter-{name}",
            name=name,
            value=value,
            placeholder=hint or None,
            maxlength="256",
            autocomplete="off",
            spellcheck="false",
        ),
        class_="field",
    )


def facts(rows: Iterable[tuple[str, Child]]) -> Html:
    """Return names with their values; a value that is empty is left out."""
    found = [
        tag("div", tag("dt", name), tag("dd", value)) for name, value in rows if value not in ("", None, ())
    ]
    return tag("dl", found, class_="facts")


def table(
    caption: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Child]], *, class_: str = ""
) -> Html:
    """Return a table; on a narrow screen each row becomes a block, in which each cell has its column's name.

    Args:
        caption: what is listed, for readers who don't see the heading above.
        columns: their names, with a class for their cells.
        rows: the cells.
        class_: of the table.
    """
    head = tag(
        "tr",
        [tag("th", name, scope="col", role="columnheader", class_=kind or None) for name, kind in columns],
        role="row",
    )
    body = [
        tag(
            "tr",
            [
                tag("td", cell, role="cell", data_label=name, class_=kind or None)
                for (name, kind), cell in zip(columns, cells, strict=True)
            ],
            role="row",
        )
        for cells in rows
    ]
    return tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head, role="rowgroup"),
        tag("tbody", body, role="rowgroup"),
        role="table",
        class_=class_ or None,
    )


def notice(text: Child, kind: str = "") -> Html:
    """Return a message about the page itself; of the kind ``bad`` it is read out at once."""
    return tag(
        "div", tag("p", text), role="alert" if kind == "bad" else "status", class_=f"notice {kind}".strip()
    )


def section(title: str, *children: Child, id_: str = "") -> Html:
    """Return a part of a page with its heading."""
    name = id_ or re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return tag(
        "section", tag("h2", title, id=f"{name}-title"), *children, aria_labelledby=f"{name}-title", id=name
    )


def document(value: object, most: int = MOST_JSON_CHARACTERS) -> Html:
    """Return a JSON value, indented."""
    text, cut = _indented(value, most)
    if cut:
        text += "… (more characters)"
    return _json(shown_lines(text, len(text)))


def whole(value: object, most: int) -> Html:
    """Return a JSON value to its end, for a reader who decides about it.

    It is indented, or in one line if that would be longer than ``most`` characters.
    """
    text, cut = _indented(value, most)
    if cut:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return _json(shown_lines(text, len(text)))


def _indented(value: object, most: int) -> tuple[str, bool]:
    """Return at most ``most`` characters of a JSON value, indented, and whether it has more; no more of it is written."""
    parts: list[str] = []
    written = 0
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        parts.append(part)
        written += len(part)
        if written > most:
            break
    return "".join(parts)[:most], written > most


def command_line(*words: str, given: str) -> Html:
    """Return a command to copy, which ends with what others named: no option, whatever it is."""
    parts = [*words, *(["--"] if given.startswith("-") else []), given]
    text = " ".join(map(_quoted, parts))
    return command(text)


def command(text: str) -> Html:
    """Return a command to copy."""
    return tag("pre", tag("code", shown(text, len(text))), tabindex="0", class_="command")


def _quoted(text: str) -> str:
    """Return a word for a shell; what isn't visible is an escape that bash and zsh read back."""
    if len(text) > MOST_COMMAND:
        return "…"
    if not any(map(hidden, text)):
        return shlex.quote(text)
    escaped = "".join(
        f"\\U{ord(one):08x}" if hidden(one) else f"\\{one}" if one in "\\'" else one for one in text
    )
    return f"$'{escaped}'"


def _json(text: Html) -> Html:
    return tag("pre", tag("code", tag("bdi", text)), tabindex="0", class_="json")


def _read(time: str) -> datetime:
    return datetime.fromisoformat(f"{time[:19]}+00:00")
