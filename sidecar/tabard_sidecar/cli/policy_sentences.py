"""Prints requests with their calls: which run whole, which ask, and what they let through that they never should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tabard_sidecar.cli.policy_lines import print_line, print_told
from tabard_sidecar.operating.terminal import echo, style
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.case_results import CaseResult

_Chosen = Sequence[tuple["CaseResult", Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One request.

    Attributes:
        name: its words, or its name.
        does: its own calls.
        never: calls that it must never let through.
    """

    name: str
    does: tuple[CaseResult, ...]
    never: tuple[CaseResult, ...]

    @property
    def whole(self) -> bool:
        return all(_made(result) for result in self.does)

    @property
    def asked(self) -> int:
        return sum(result.effect == "ask" for result in self.does)

    @property
    def let_through(self) -> int:
        return sum(result.effect == "allow" for result in self.never)

    @property
    def status(self) -> str:
        words = [style("whole", fg="green") if self.whole else style("refused", fg="red")]
        if self.asked:
            words.append(style(f"asks {self.asked}", fg="yellow"))
        if self.let_through:
            words.append(style(f"lets {self.let_through} through", fg="red"))
        return ", ".join(words)


def sentence_counts(results: Sequence[CaseResult]) -> dict[str, object]:
    """Return the sums for ``--json``; empty if the cases aren't those of requests."""
    found = _sentences(results)
    return _counts(found) if found else {}


def _counts(found: Sequence[_Sentence]) -> dict[str, object]:
    never = [result for one in found for result in one.never]
    return {
        "requests": {
            "all": len(found),
            "whole": sum(one.whole for one in found),
            "calls": sum(len(one.does) for one in found),
            "asked": sum(one.asked for one in found),
        },
        "never": {
            "all": len(never),
            "allowed": sum(result.effect == "allow" for result in never),
            "asked": sum(result.effect == "ask" for result in never),
        },
    }


def print_sentences(results: Sequence[CaseResult], chosen: _Chosen, *, every: bool) -> None:
    """Print each request that has a chosen call, its calls that aren't as wanted, and sums.

    Args:
        results: all cases that were decided.
        chosen: those of which to print something, each with what is told about it.
        every: whether to print calls that are as wanted, too.
    """
    found = _sentences(results)
    told = {id(result): one for result, one in chosen}
    for sentence in found:
        calls = [result for result in (*sentence.does, *sentence.never) if id(result) in told]
        if not calls:
            continue
        echo(f"{sentence.status}: {sentence.name}")
        for result in calls:
            if _wanted(result) and not every:
                continue
            print_line(result, result.case.name.removeprefix(f"{sentence.name}: "), 0, indent="    ")
            for reason in result.reasons if result.effect == "deny" and not result.case.never else ():
                echo(f"        {reason}")
            print_told(told[id(result)], indent="        ")
    if found:
        _print_sums(_counts(found))


def _print_sums(counts: Mapping[str, Any]) -> None:
    requests, never = counts["requests"], counts["never"]
    share = f"{100 * requests['asked'] / max(1, requests['calls']):.0f} %"
    echo(
        f"{requests['all']} request{'s' * (requests['all'] != 1)}: {requests['whole']} whole, "
        f"{requests['asked']} of {requests['calls']} calls asked ({share})"
        + (
            f"; of {never['all']} that must never run {never['allowed']} allowed, {never['asked']} asked"
            if never["all"]
            else ""
        )
    )


def _sentences(results: Sequence[CaseResult]) -> list[_Sentence]:
    """Return the requests of these cases, in their order."""
    calls: dict[tuple[str, str], list[CaseResult]] = {}
    for one in results:
        if one.case.sentence:
            calls.setdefault((one.case.file, one.case.sentence), []).append(one)
    return [
        _Sentence(
            name,
            tuple(one for one in found if not one.case.never),
            tuple(one for one in found if one.case.never),
        )
        for (_, name), found in calls.items()
    ]


def _made(result: CaseResult) -> bool:
    """Return whether the call is made in the end."""
    return result.effect == "allow" or (result.then is not None and result.then[0] == "allow")


def _wanted(result: CaseResult) -> bool:
    """Return whether there is nothing to say of a call: the request's own is allowed, the other is denied."""
    return result.effect == ("deny" if result.case.never else "allow")
