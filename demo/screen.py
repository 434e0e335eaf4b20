"""Prints the demo's summary: at most 24 lines of 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from demo.scenario import CALLS, REPAIRED, Story
from demo.steps import Step

_WIDTH = 80
_NAME = 40
_OUTCOMES = frozenset(
    {"old policy stays", "serving again", "accepted", "refused", "approved", "leased", "revoked"}
)


def show(story: Story, console: Console) -> None:
    """Print the story; colours only where the console is a terminal."""
    console.print(Text("Tabard: refunds worked off for one person, by a chain of agents", style="bold"))
    console.print(
        f"{story.workloads} workloads, {story.holders} holders, {story.depth} steps deep; "
        f"{story.allowed:,} of {CALLS:,} calls allowed in {story.call_seconds:.1f} s"
    )
    console.print(Text("What must not work, and why it didn't:", style="bold"))
    for step in story.steps:
        if step.expected not in _OUTCOMES:
            _line(console, step, denied=True)
    for step in story.steps:
        if step.expected in _OUTCOMES and not (step.met and step.name == REPAIRED):
            _line(console, step, denied=False)
    if story.hint:
        console.print(Text(story.hint, style="dim"))
    summary = (
        "Everything happened as it must." if story.met else "NOT as it must: see the lines marked with !!"
    )
    console.print(Text(summary, style="bold green" if story.met else "bold red"))


def _line(console: Console, step: Step, *, denied: bool) -> None:
    mark = "ok" if step.met else "!!"
    text = Text(f" {mark} ", style="green" if step.met else "bold red")
    text.append(f"{step.name:<{_NAME}}", style="")
    what = f"denied: {step.actual}" if denied and step.met else step.actual
    if not step.met:
        what = f"{step.actual}, not {step.expected}"
    text.append(what, style="yellow" if denied else "cyan")
    text.truncate(_WIDTH)
    console.print(text)
