"""Completes ids in shells by asking the sidecar that the command is about; without an answer nothing is offered.

Only what is plain text for every shell is offered, because people and workloads have names that others chose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem
from tabard.address import CHANNEL_OPTIONS, OPERATOR, OPERATOR_VARIABLE, check_client

if TYPE_CHECKING:
    from tabard_sidecar.cli.operator import Operator

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_Found = Iterable[tuple[str, str]]
_PLAIN = re.compile(r"[\w.:/@-]{1,256}", re.ASCII)
_MOST = 200
_TIMEOUT_SECONDS = 1.0


def _asking(ask: Callable[[Operator], _Found]) -> Complete:
    """Return what completes a parameter from an answer of the operator socket, given as values with their help."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        try:
            found = dict(_answer(ctx, ask))
        except Exception:  # noqa: BLE001 - a shell that completes shows no errors
            return []
        return [
            CompletionItem(value, help=text if _PLAIN.fullmatch(text) else None)
            for value, text in found.items()
            if value.startswith(incomplete) and _PLAIN.fullmatch(value)
        ]

    return complete


def _answer(ctx: click.Context, ask: Callable[[Operator], _Found]) -> _Found:
    import grpc  # noqa: PLC0415 - only completion of ids needs the following

    from tabard_sidecar.cli.operator import Operator  # noqa: PLC0415
    from tabard_sidecar.cli.options import find_target  # noqa: PLC0415

    target = ctx.params.get("sidecar") or find_target(
        OPERATOR, "", zone=ctx.params.get("zone") or "", config_file=ctx.params.get("config_file")
    )
    check_client(target.address, variable=OPERATOR_VARIABLE)
    with grpc.insecure_channel(target.address, options=CHANNEL_OPTIONS) as channel:
        return list(ask(Operator(channel, target, quiet=True, timeout_seconds=_TIMEOUT_SECONDS)))


def _of_tasks(field: str, text: str) -> Complete:
    def ask(asked: Operator) -> Iterator[tuple[str, str]]:
        from tabard_sidecar.cli.task_view import fetch  # noqa: PLC0415

        for row in fetch(asked, _MOST):
            values = {"person": row["subject"]["id"], **row}
            yield str(values[field]), str(values[text])

    return _asking(ask)


def _waiting(asked: Operator) -> Iterator[tuple[str, str]]:
    from tabard_sidecar.cli.approvals import fetch  # noqa: PLC0415

    for approval in fetch(asked, decided=False).approvals:
        yield approval.approval_id, approval.code


complete_task = _of_tasks("task_id", "workload")
complete_agent = _of_tasks("workload", "state")
complete_person = _of_tasks("person", "state")
complete_approval = _asking(_waiting)


def complete_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete a reason code of the sidecar."""
    from tabard_sidecar.reasons import reason_texts  # noqa: PLC0415

    return [
        CompletionItem(code, help=text.title)
        for code, text in reason_texts().items()
        if code.startswith(incomplete)
    ]
