"""Shows why a decision was made: the rules, the conditions that failed, and what an allow lacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabard_sidecar.console.html import Child, Html, tag
from tabard_sidecar.console.layout import code, notice, rule, said, word
from tabard_sidecar.operating.explained import NOT_EXPLAINED, helper_line

_MARKS = {True: ("good", "holds"), False: ("bad", "fails"), None: ("wait", "unknown")}
_AGAINST = {True: ("bad", "holds"), False: ("good", "fails"), None: ("wait", "unknown")}
"""How the conditions of a rule stand that denies or asks."""
_MOST_CLAUSES = 20
_MOST_CONDITIONS = 60


def reasons(found: Mapping[str, Any]) -> Iterator[Html]:
    """Yield the reasons that were recorded, with what they mean."""
    for reason in found["reasons"]:
        places = [
            one["place"]
            for one in found["rules"]
            if (one["module"], one["code"]) == (reason["module"], reason["code"])
        ]
        head: list[Child] = [tag("b", code(rule(reason)))]
        if places and places[0]:
            head += [" at ", code(places[0])]
        parts = [tag("p", head)]
        if reason["message"]:
            parts.append(tag("p", said(reason["message"], 1000), class_="message"))
        if reason["what_happened"]:
            parts.append(tag("p", reason["what_happened"]))
            parts.append(tag("p", tag("b", "Next: "), reason["next_step"]))
        yield tag("div", parts, class_="reason")


def explanation(found: Mapping[str, Any]) -> Iterator[Html]:
    """Yield what the policy at hand says of a decision."""
    if found["not_explained"]:
        why = NOT_EXPLAINED.get(found["not_explained"], found["not_explained"])
        yield tag("p", f"Policy isn't asked again: {why}.")
        return
    yield from _standing(found["policy"])
    for clause in found["granted"][:_MOST_CLAUSES]:
        yield _clause("Granted by", clause)
    missing = found["missing"]
    if missing is not None:
        yield from _missing(missing)


def _standing(policy: Mapping[str, Any]) -> Iterator[Html]:
    if not policy["same"]:
        yield notice(
            f"Another policy is loaded now ({policy['revision'][:16]}). What follows is what it says."
        )
    if not policy["agrees"]:
        rest = ", as far as data that isn't in the record plays no part" if policy["same"] else ""
        yield notice(f"It decides otherwise now{rest}: {word(policy['effect']).lower()}.")
    if policy["sidecar_refused"]:
        yield tag("p", "The sidecar itself refused this. Policy doesn't deny it.")


def _missing(missing: Mapping[str, Any]) -> Iterator[Html]:
    for name, title in (("deny", "Denied by"), ("ask", "Asked by")):
        for clause in missing[name][:_MOST_CLAUSES]:
            yield _clause(title, clause, _AGAINST)
    nearest = missing["grant"]
    if nearest is not None:
        others = missing["other_grants"]
        of = f", the nearest of {others + 1} for this request" if others else ""
        yield _clause(f"No rule grants. Missing for{of}", nearest)
    elif not missing["granted"]:
        yield tag("p", "No rule that could grant is for this request.")
    if missing["for_other_tools"] and not missing["granted"]:
        count = missing["for_other_tools"]
        yield tag(
            "p", f"{count} other rule{'s are' if count != 1 else ' is'} for other tools.", class_="muted"
        )
    for error in missing["errors"][:_MOST_CLAUSES]:
        yield notice(("Error: ", error), "bad")


def _clause(
    title: str, clause: Mapping[str, Any], marks: Mapping[bool | None, tuple[str, str]] = _MARKS
) -> Html:
    """Return a rule with its conditions."""
    name = f"{clause['rule']} {clause['code']}".strip()
    rows = [_condition(one, marks) for one in clause["conditions"][:_MOST_CONDITIONS]]
    if not rows and clause["stops_at"]:
        stop = clause["stops_at"]
        line = str(stop["at"]).rpartition(":")[2]
        rows = [_row(_MARKS[False], line, str(stop["condition"]), stop["values"], [])]
    return tag(
        "div",
        tag("h3", f"{title} ", code(name)),
        tag("p", code(clause["place"]), class_="detail"),
        tag("ul", rows, class_="conditions"),
        class_="clause",
    )


def _condition(one: Mapping[str, Any], marks: Mapping[bool | None, tuple[str, str]]) -> Html:
    line = str(one["at"]).rpartition(":")[2]
    return _row(marks[one["holds"]], line, one["text"], one["values"], one["helper"])


def _row(
    mark: tuple[str, str], line: str, text: str, values: Mapping[str, Any], helpers: list[Mapping[str, Any]]
) -> Html:
    kind, name = mark
    parts: list[Child] = [
        tag("span", name, class_=f"badge {kind}"),
        tag(
            "span",
            tag("span", f"line {line} ", class_="muted"),
            code(text, 600),
            _values(values),
            class_="condition",
        ),
    ]
    parts += [
        tag("span", code(helper_line(helper), 600), _values(helper["values"]), class_="helper")
        for helper in helpers
    ]
    return tag("li", parts, class_=kind)


def _values(values: Mapping[str, Any]) -> Html | None:
    """Return what names stand for in a condition; values may be an agent's."""
    if not values:
        return None
    return tag(
        "span",
        [[code(name), " is ", said(str(value), 300), " "] for name, value in values.items()],
        class_="values",
    )
