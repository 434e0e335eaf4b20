"""Shows through whom a task came to the one that asked, and what narrowed it at each step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tabard_sidecar.console.html import Child, Html, tag
from tabard_sidecar.console.layout import Site, agent, code, moment, said
from tabard_sidecar.explaining.caveats import by_link

_MOST_STEPS = 40
_MOST_CAVEATS = 40


def chain(site: Site, asked: Mapping[str, Any], root: str, charges: Mapping[str, Any]) -> Html:
    """Return the chain of a decision as a tree, the person first.

    Args:
        site: what all pages have in common.
        asked: the policy input.
        root: the workload that started the task.
        charges: what the call costs, by budget.
    """
    subject, task = _object(asked, "subject"), _object(asked, "task")
    steps = [*by_link(asked, charges)]
    begin = tag(
        "li",
        tag("p", tag("span", "person", class_="role"), code(str(subject.get("id", "")), 200), class_="node"),
        tag("p", "at ", code(str(subject.get("issuer", "")), 300), class_="detail"),
        *_intent(task),
        class_="person",
    )
    items = [begin]
    for number, (link, caveats) in enumerate(steps[:_MOST_STEPS]):
        last = number == len(steps) - 1
        items.append(_step(site, link, caveats, root, last=last, task=task))
    if len(steps) > _MOST_STEPS:
        items.append(tag("li", f"{len(steps) - _MOST_STEPS} more steps"))
    return tag("ol", items, class_="chain")


def _intent(task: Mapping[str, Any]) -> list[Html]:
    """Return purpose and statement, and who signed or asserted them."""
    source = (
        "signed by the front end"
        if task.get("intent_source") == "signed"
        else "the agent's words, not signed"
    )
    words = (
        [tag("p", "asked: ", said(str(task["statement"]), 600), class_="detail")]
        if task.get("statement")
        else []
    )
    purpose = tag("p", "purpose ", said(str(task.get("purpose", "")), 100), f" ({source})", class_="detail")
    return [purpose, *words]


def _step(  # noqa: PLR0913 - one argument per part
    site: Site,
    link: Mapping[str, Any] | None,
    caveats: Sequence[tuple[Mapping[str, Any], str]],
    root: str,
    *,
    last: bool,
    task: Mapping[str, Any],
) -> Html:
    holder = root if link is None else str(link.get("holder", ""))
    part = "" if link is None else str(link.get("sub_agent") or "")
    role = "started" if link is None else "branch" if part else "handed to"
    node: list[Child] = [tag("span", role, class_="role"), agent(holder)]
    if part:
        node += [" part ", said(part, 100)]
    if last:
        node.append(tag("span", "asks", class_="badge plain"))
    detail: list[Child] = [code(holder, 300)]
    if link is None and task.get("started_at"):
        detail += [" at ", moment(site, task["started_at"])]
    return tag(
        "li",
        tag("p", node, class_="node"),
        tag("p", detail, class_="detail"),
        _narrowed(caveats),
        class_="asks" if last else None,
    )


def _narrowed(caveats: Sequence[tuple[Mapping[str, Any], str]]) -> Html:
    """Return what a step took away; the words of caveats may be an agent's."""
    if not caveats:
        return tag("p", "narrowed nothing", class_="detail muted")
    items = [tag("li", _caveat(caveat, stops)) for caveat, stops in caveats[:_MOST_CAVEATS]]
    if len(caveats) > _MOST_CAVEATS:
        items.append(tag("li", f"{len(caveats) - _MOST_CAVEATS} more limits"))
    return tag("ul", items, class_="narrowed")


def _caveat(caveat: Mapping[str, Any], stops: str) -> list[Child]:
    if stops:
        return ["stops ", said(stops, 400)]
    rest = {name: value for name, value in caveat.items() if name != "type"}
    text = json.dumps(rest, ensure_ascii=False) if rest else ""
    return [code(str(caveat.get("type", ""))), " ", said(text, 300)]


def _object(asked: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = asked.get(name)
    return found if isinstance(found, dict) else {}
