"""Completes ids in shells by asking the sidecar that the command is about, or from its files; without an answer nothing is offered.

Only what is plain text for every shell and no option of the command is offered, because people, workloads and tools have
names that others chose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem
from tabard.address import OPERATOR

if TYPE_CHECKING:
    from pathlib import Path

    from tabard.authz.v1 import task_operator_service_pb2 as pb

    from tabard_sidecar.operating.operator import Operator

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_Found = Iterable[tuple[str, str]]
_PLAIN = re.compile(r"(?!-)[\w.:/@-]{1,256}", re.ASCII)
_MOST = 200
_MOST_TREES = 20
_NEWEST_BYTES = 256 * 1024
_DECISION = re.compile(rb'"decision_id": ?"([0-9A-Za-z-]{1,64})"')
_TIMEOUT_SECONDS = 1.0


def _asking(ask: Callable[[Operator], _Found]) -> Complete:
    """Return what completes a parameter from an answer of the operator socket, given as values with their help."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        try:
            found = dict(_answer(ctx, ask))
        except Exception:  # noqa: BLE001 - a shell that completes shows no errors
            return []
        return _items(found, incomplete)

    return complete


def _items(found: dict[str, str], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(value, help=text if _PLAIN.fullmatch(text) else None)
        for value, text in found.items()
        if value.startswith(incomplete) and _PLAIN.fullmatch(value)
    ]


def _answer(ctx: click.Context, ask: Callable[[Operator], _Found]) -> _Found:
    from tabard_sidecar.operating.operator import operator  # noqa: PLC0415 - only completion of ids needs it
    from tabard_sidecar.operating.options import find_target  # noqa: PLC0415

    target = ctx.params.get("sidecar") or find_target(
        OPERATOR, "", zone=ctx.params.get("zone") or "", config_file=ctx.params.get("config_file")
    )
    with operator(target, quiet=True, timeout_seconds=_TIMEOUT_SECONDS) as asked:
        return list(ask(asked))


def _of_tasks(read: Callable[[pb.TaskOverview], tuple[str, str]]) -> Complete:
    def ask(asked: Operator) -> Iterator[tuple[str, str]]:
        from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415
        from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

        stub = pb_grpc.TaskOperatorServiceStub(asked.channel)
        found = asked.call(stub.ListTasks, pb.ListTasksRequest(limit=_MOST))
        return map(read, found.tasks)

    return _asking(ask)


def _waiting(asked: Operator) -> Iterator[tuple[str, str]]:
    from tabard.authz.v1 import approval_service_pb2 as approval_pb  # noqa: PLC0415
    from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc  # noqa: PLC0415

    stub = approval_grpc.ApprovalServiceStub(asked.channel)
    found = asked.call(stub.ListApprovals, approval_pb.ListApprovalsRequest()).approvals
    for approval in found:
        yield approval.approval_id, approval.code
    calls = Counter(approval.group_id for approval in found if approval.group_id)
    yield from ((group_id, f"group of {count}") for group_id, count in calls.items())


def _leases(asked: Operator) -> Iterator[tuple[str, str]]:
    from tabard.authz.v1 import lease_operator_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import lease_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    stub = pb_grpc.LeaseOperatorServiceStub(asked.channel)
    for lease in asked.call(stub.ListLeases, pb.ListLeasesRequest(limit=_MOST)).leases:
        yield lease.credential_id, lease.role


def _links(asked: Operator) -> Iterator[tuple[str, str]]:
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    stub = pb_grpc.TaskOperatorServiceStub(asked.channel)
    for task in asked.call(stub.ListTasks, pb.ListTasksRequest(limit=_MOST_TREES)).tasks:
        tree = asked.call(stub.GetTaskTree, pb.GetTaskTreeRequest(task_id=task.task_id))
        yield from ((node.link_id, node.holder) for node in tree.nodes)


def _from_file(read: Callable[[Path | None], _Found]) -> Complete:
    """Return what completes a parameter from a file that the configuration names."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        try:
            found = dict(read(ctx.params.get("config_file")))
        except Exception:  # noqa: BLE001 - a shell that completes shows no errors
            return []
        return _items(found, incomplete)

    return complete


def _tools(config_file: Path | None) -> _Found:
    from tabard_sidecar.operating.policy_target import find_target as find_policy  # noqa: PLC0415

    return [(tool.name, tool.server) for tool in find_policy(None, None, config_file, ()).catalogue]


def _decisions(config_file: Path | None) -> _Found:
    """Return the newest decisions of the configured log, newest first."""
    from tabard_sidecar.operating.log_source import configured_log  # noqa: PLC0415
    from tabard_sidecar.records.file_sink import open_log  # noqa: PLC0415

    [file] = configured_log(config_file, quiet=True)
    with open_log(file) as stream:
        stream.seek(max(0, file.stat().st_size - _NEWEST_BYTES))
        lines = stream.read(_NEWEST_BYTES).splitlines()[-_MOST * 2 :]
    found = [_DECISION.search(line) for line in reversed(lines)]
    return [(match[1].decode(), "") for match in found if match is not None][:_MOST]


def _vault_roles(config_file: Path | None) -> _Found:
    from tabard_sidecar.operating.options import load_settings  # noqa: PLC0415

    vaults = load_settings(config_file).settings.vault
    return [(name, role.engine) for vault in vaults.values() for name, role in vault.roles.items()]


complete_link = _asking(_links)
complete_lease = _asking(_leases)
complete_tool = _from_file(_tools)
complete_vault_role = _from_file(_vault_roles)
complete_decision = _from_file(_decisions)
complete_task = _of_tasks(lambda task: (task.task_id, task.workload))
complete_agent = _of_tasks(lambda task: (task.workload, ""))
complete_person = _of_tasks(lambda task: (task.subject.id, ""))
complete_approval = _asking(_waiting)


def complete_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete a reason code of the sidecar."""
    from tabard_sidecar.reasons import reason_texts  # noqa: PLC0415

    return [
        CompletionItem(code, help=text.title)
        for code, text in reason_texts().items()
        if code.startswith(incomplete)
    ]
