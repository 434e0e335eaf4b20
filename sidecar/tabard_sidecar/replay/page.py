"""Writes a report as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from typing import Any

from tabard_sidecar.replay.comparing import Change
from tabard_sidecar.util.visible import one_line

_MOST_BARS = 60
_WIDTH, _HEIGHT, _GAP = 720, 180, 2
_COLOURS = {
    Change.ALLOWED: "#c62828",
    Change.DENIED: "#b26a00",
    Change.ASKED: "#1565c0",
}
_OTHER = "#6d6d6d"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: 13px; overflow-wrap: anywhere; }
summary { cursor: pointer; }
svg text { fill: currentColor; font-size: 11px; }
figure { margin: 1rem 0; }
.note { border-left: 4px solid var(--line); padding: .2rem 1rem; }
"""


def page(told: Mapping[str, Any]) -> str:
    """Return the page for a report as ``tabard replay --json`` prints it."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Replay: {told['changed']} decisions change</title><style>{_STYLE}</style></head><body>",
        f"<h1>{told['changed']:,} of {told['decided']:,} decisions change</h1>",
        *_summary(told),
        *_effects(told["effects"]),
        *_by_day(told["days"]),
        *_by_tool(told["groups"]),
        *_groups(told["groups"]),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _summary(told: Mapping[str, Any]) -> Iterator[str]:
    state = (
        "Each task was carried through the replay with the budgets, labels, history, facts and approvals that the new "
        "policy would have left it."
        if told["stateful"]
        else "Each decision was judged alone, on the state that was recorded."
    )
    yield f"<p>{state}</p>"
    yield (
        '<p class="note">A changed decision would have changed what the agent did next, which a replay can\'t know.</p>'
    )
    for title, counts in (
        ("Couldn't be decided again", told["not_replayable"]),
        ("Not decisions of a policy", told["skipped"]),
    ):
        if counts:
            rows = "".join(
                f'<tr><td><code>{_shown(why)}</code></td><td class="n">{count:,}</td></tr>'
                for why, count in counts.items()
            )
            yield f"<h2>{title}</h2><table>{rows}</table>"


def _effects(effects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not effects:
        return
    yield '<h2>Before and now</h2><table><tr><th>before</th><th>now</th><th class="n">decisions</th></tr>'
    for one in effects:
        yield (
            f"<tr><td>{_shown(one['before'])}</td><td>{_shown(one['now'])}</td>"
            f'<td class="n">{one["count"]:,}</td></tr>'
        )
    yield "</table>"


def _by_day(days: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a chart of the changes of each day; of many days, of each run of some."""
    if not days:
        return
    first, last = days[0]["day"], days[-1]["day"]
    step = (last - first) // _MOST_BARS + 1
    bars: dict[int, dict[str, int]] = {}
    for one in days:
        bar = bars.setdefault((one["day"] - first) // step, {})
        bar[one["change"]] = bar.get(one["change"], 0) + one["count"]
    most = max(sum(bar.values()) for bar in bars.values())
    width = _WIDTH / ((last - first) // step + 1)
    yield "<h2>Changes by day</h2><figure>"
    yield f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 24}" role="img" aria-label="Changes by day"><title>Changes by day</title>'
    for place, bar in sorted(bars.items()):
        top = float(_HEIGHT)
        for change in Change:
            count = bar.get(change.value, 0)
            height = count / most * _HEIGHT
            if count:
                top -= height
                yield (
                    f'<rect x="{place * width:.1f}" y="{top:.1f}" width="{max(1.0, min(width, 60) - _GAP):.1f}" '
                    f'height="{height:.1f}" fill="{_COLOURS.get(change, _OTHER)}">'
                    f"<title>{_day(first + place * step)}: {count:,} {change}</title></rect>"
                )
    yield f'<text x="0" y="{_HEIGHT + 16}">{_day(first)}</text>'
    yield f'<text x="{_WIDTH}" y="{_HEIGHT + 16}" text-anchor="end">{_day(last)}, at most {most:,}</text>'
    yield "</svg>" + _legend({change for bar in bars.values() for change in bar}) + "</figure>"


def _by_tool(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a chart of the tools with most changes."""
    tools: dict[str, dict[str, int]] = {}
    for group in groups:
        bar = tools.setdefault(group["tool"], {})
        bar[group["change"]] = bar.get(group["change"], 0) + group["count"]
    if not tools:
        return
    shown = sorted(tools.items(), key=lambda one: (-sum(one[1].values()), one[0]))[:15]
    most = sum(shown[0][1].values())
    yield "<h2>Changes by tool</h2><figure>"
    yield f'<svg viewBox="0 0 {_WIDTH} {len(shown) * 22}" role="img" aria-label="Changes by tool"><title>Changes by tool</title>'
    for place, (tool, bar) in enumerate(shown):
        y, x = place * 22, 220.0
        yield f'<text x="0" y="{y + 15}">{_shown(tool[:36])}</text>'
        for change in Change:
            count = bar.get(change.value, 0)
            if count:
                width = count / most * (_WIDTH - 290)
                yield (
                    f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="16" fill="{_COLOURS.get(change, _OTHER)}">'
                    f"<title>{_shown(tool)}: {count:,} {change}</title></rect>"
                )
                x += width
        yield f'<text x="{x + 6:.1f}" y="{y + 15}">{sum(bar.values()):,}</text>'
    yield "</svg></figure>"


def _legend(present: set[str]) -> str:
    marks = "".join(
        f'<li><span style="color:{_COLOURS.get(change, _OTHER)}">&#9632;</span> {change}: {change.meaning}</li>'
        for change in Change
        if change.value in present
    )
    return f"<figcaption><ul>{marks}</ul></figcaption>"


def _groups(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for name, found in groupby(groups, key=lambda group: group["change"]):
        yield f"<h2>{_shown(name)}</h2><p>{Change(name).meaning}</p>"
        yield '<table><tr><th class="n">decisions</th><th>tool</th><th>agent</th><th>rules now</th><th class="n">by state only</th></tr>'
        for group in found:
            rules = ", ".join(group["rules"])
            yield (
                f'<tr><td class="n">{group["count"]:,}</td><td><code>{_shown(group["tool"])}</code></td>'
                f"<td><code>{_shown(group['agent'])}</code></td><td><code>{_shown(rules)}</code>{_examples(group)}</td>"
                f'<td class="n">{group["by_state"]:,}</td></tr>'
            )
        yield "</table>"


def _examples(group: Mapping[str, Any]) -> str:
    if not group["examples"]:
        return ""
    rows = "".join(
        f"<tr><td><code>{_shown(one['timestamp'][:19])}Z<br>{_shown(one['decision_id'])}<br>{_shown(one['person'])}</code></td>"
        f"<td><code>{_json(one['before'])}</code></td><td><code>{_json(one['now'])}</code></td></tr>"
        for one in group["examples"]
    )
    return f"<details><summary>{len(group['examples'])} of them</summary><table><tr><th>decision</th><th>before</th><th>now</th></tr>{rows}</table></details>"


def _json(value: object) -> str:
    return _shown(json.dumps(value, ensure_ascii=False))


def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")


def _shown(text: str) -> str:
    """Return a text that others wrote as HTML shows it, invisible characters escaped."""
    return escape(one_line(text))
