"""Tables of docs/reference/decision-log.md. tests/unit/docs/test_decision_log.py compares them with records and the code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

INPUT_SCHEMA = Path(__file__).resolve().parents[1] / "rego/schemas/input.json"

RECORD = {
    "labels.id": "Identifier of the process that wrote the record; a new one at each start.",
    "labels.zone": "Zone of the sidecar.",
    "labels.version": "Version of the sidecar.",
    "labels.pid": "Process id of the sidecar.",
    "decision_id": "Identifier of the decision or change. Agents and backends get it, too. Absent in notes of the log itself.",
    "event": "`intent`: before a credential leaves the process or authority is given. `outcome`: how it ended. `log`: what the log says of itself. `shadow`: what a candidate policy would have decided otherwise.",
    "operation": "What was decided or changed; see below.",
    "path": "Always `tabard/decision`, as OPA's logs name the queried rule.",
    "timestamp": "When, RFC 3339 in UTC with nanoseconds. The order of records is that of `chain.sequence`.",
    "bundles.policy.revision": "Revision of the policy that decided. `bundles` is empty if policy wasn't asked.",
    "input": "What was decided on; see below. Absent in the outcome if the intent has it.",
    "result": "What came of it; see below.",
    "root_holder": "Workload that started the task, if another one asks.",
    "by": "Who made a change; see below. Decisions have none: `input` says who asked.",
    "request_id": "The caller's `request_id`, if it sent one.",
    "trace_id": "Trace of the request, if it is traced.",
    "span_id": "Span of the request, if it is traced.",
    "left_out[].members": "Members of `input` that this record leaves out.",
    "left_out[].sequence": "Number of the record of the same file that holds them.",
    "left_out[].hash": "Its hash.",
    "left_out[].items": "For a list that has grown: which runs of its items are in that record.",
    "in_full": "Members of `input` that later records may leave out.",
    "erased": "Paths that policy's masks removed.",
    "masked": "Paths whose values policy's masks replaced.",
    "mask_refused": "Paths that masks named and that stay: who asked, what was decided and what it cost.",
    "mask_error": "`true`: a mask failed, so everything that a mask can erase was erased.",
    "call_digest": "Digest of the call as credentials carry it, if masks changed the record.",
    "chain.id": "Identifier of the chain of hashes.",
    "chain.sequence": "Number of the record in it, from 1 on.",
    "chain.previous": "Hash of the record before.",
    "hash": 'SHA-256 of the line\'s bytes before `,"hash"`, hex.',
}
DECISION = {
    "decision": "`allow` or `deny`; `would_deny` for a call that policy denied and that was made without a credential, because `insecure.observe` names its namespace.",
    "reasons[].code": "[Reason code](errors/README.md), or the code of the policy's rule. The first one is the one that callers get.",
    "reasons[].module": "Policy module of that rule; empty if the sidecar itself refused.",
    "reasons[].message": "Details for operators. Agents don't get those of the sidecar.",
    "credential.id": "Identifier (`jti`) of the credential that is issued.",
    "credential.kind": "Kind of the credential.",
    "credential.audience": "Backend that accepts it.",
    "credential.scopes": "Its scopes.",
    "credential.expires_at": "When it expires, seconds since the epoch.",
    "charges": "Amounts that were charged, by budget.",
    "labels": "Labels that the task got, or that a new task has from earlier ones.",
    "branch_labels": "Those of them that only the holder's branch of the task has.",
    "approvals": "Approvals that were used.",
    "facts": "Facts that the call noted, by name.",
    "branch_facts": "Names of those that only the holder's branch of the task reads.",
    "approvals_asked": "Approvals that were requested: the call waits for a person.",
    "task_id": "Task that was started, or to which the change belongs.",
    "link": "New holder of the grant: the id of its place in the chain.",
    "renews": "Credential that is renewed.",
    "tool": "Tool of the renewed credential or of the approved call.",
    "server": "Server of that tool.",
    "replayed": "`true`: the stored answer to the same `request_id` was given again.",
    "credential.role": "Role at the system that issues it; in the intent.",
    "withdrawal": "The answer wasn't given, and another system had issued its credential, or may have: `ended` or `unclear`. What was charged stays.",
    "may_have_taken": "What may have been charged, used or added although the store gave no answer.",
    "unverified.sha256": "No verified grant or token: the digest of what was asked stands for it.",
    "unverified.bytes": "Its size.",
    "unrecorded.sha256": "One of many refused requests with one person's token: the digest of what was asked.",
    "unrecorded.bytes": "Its size.",
}
CHANGE = {
    "change": "`made`, or `refused` with the `reasons`.",
    "sequence": "Number of the revocation in the zone.",
    "kind": "Kind of what was revoked.",
    "target": "What was revoked.",
    "lifted": "Whether there was something to lift.",
    "approval": "`approved` or `denied`.",
    "uses": "How often an approved call may be made.",
    "agent": "Workload whose call was decided about.",
    "path": "Folder of the policy that was replaced.",
    "previous": "Folder with what was there before.",
    "policy": "Revision of the policy that decides now.",
    "repeated": "`true`: the outcome had been reported before, so it counts once.",
}
NOTE = {
    "lost": "Records that couldn't be written while the log was broken.",
    "made": "What of them stands: ids of tasks, approvals, revocations.",
    "removed[].file": "Closed file that was removed.",
    "removed[].head": "Head of the chain at its end.",
    "removed[].reason": "Why: `kept` long enough, or `shipped`.",
    "unverified[].operation": "Operation of refused requests without a verified grant or token that got no record.",
    "unverified[].code": "Their reason code.",
    "unverified[].count": "How many there were.",
    "verified[].operation": "The same of requests with one person's token.",
    "verified[].code": "Their reason code.",
    "verified[].count": "How many there were.",
    "verified[].subject.id": "The person.",
    "verified[].subject.issuer": "Issuer of the person's identity.",
}
BY = {
    "operator.uid": "User of the process that called the operators' socket.",
    "operator.gid": "Its group.",
    "operator.pid": "Its process id.",
    "approver.id": "Person who decided about an approval.",
    "approver.issuer": "Issuer of the person's identity.",
    "agent.id": "Workload that ended, reported or revoked something of its own.",
    "agent.sub_agent": "Part of the workload; asserted.",
    "subject.id": "Person on whose behalf.",
    "subject.issuer": "Issuer of the person's identity.",
    "task.id": "Its task.",
    "link": "Its place in the chain.",
}
ABOUT = {
    "reason": "The operator's words.",
    "ttl_seconds": "How long the revocation lasts, if that was said.",
    "kind": "Kind of what is lifted.",
    "target": "What is lifted.",
    "approval_id": "Approval that is decided about.",
    "approve": "Whether the approver approves.",
    "group_id": "Group with which it is decided about.",
    "credential_id": "Credential that is revoked.",
    "only_if_issued_to_link": "The revocation counts if that holder got the credential.",
    "link": "Holder that is ended.",
    "decision_id": "Decision whose outcome is reported.",
    "candidate": "Revision of the candidate policy that is promoted.",
    "policy": "Revision of the policy whose place it takes.",
    "said.charges": "What the agent says that the call cost.",
    "said.labels": "What the agent says that the call returned.",
    "said.succeeded": "Whether the agent says that it succeeded.",
    "signed.by": "Backend that signed an outcome.",
    "signed.charges": "What it says that the call cost.",
    "signed.refunds": "What it gives back.",
    "signed.labels": "What it says that the call returned.",
    "signed.facts": "What it says that the call made or did, by name. Under names that the grant doesn't list nothing is noted.",
    "signed.failed": "`true`: the call did nothing, so the facts that it noted were taken back.",
}
OPERATIONS = {
    "start_task": "A task is started for a person.",
    "delegate": "A task is handed to another workload.",
    "authorize": "One tool call.",
    "renew": "A credential is replaced by one that lasts longer.",
    "end_task": "Change: a holder ended its part of a task.",
    "report_outcome": "Change: an agent reported what a call cost and returned.",
    "revoke_credential": "Change: a holder revoked a credential of its own.",
    "revoke": "Change: an operator revoked something.",
    "lift_revocation": "Change: an operator lifted a revocation.",
    "decide_approval": "Change: an approver decided about a call.",
    "promote_policy": "Change: an operator put the candidate policy into the place of the one that decides.",
}
SHADOW = {
    "changes": "How the decision would change, as `tabard replay` names it.",
    "by_state": "Whether only the task's state makes the difference: what the candidate decided earlier in the task.",
    "candidate": "Revision of the candidate policy.",
    "before": "What was decided: `effect`, `reasons`, `credential`, `charges`, `labels`, `limits`; of facts the names.",
    "now": "What the candidate decides.",
}
_SHADOW = """\
Records with the event `shadow` have the `decision_id` of the decision that they are about, and come
after it. A decision without one is the same under the [candidate policy](../shadow.md), or wasn't
given to it. `input` has the ids of person, agent and task, and the tool.
"""
_INTRO = """\
# Decision log

`audit.sink` and `audit.path` say where the log is kept ([configuration](config.md#audit)). It has
one JSON object a line, in the format of [OPA's decision
log](https://www.openpolicyagent.org/docs/management-decision-logs) with fields of Tabard's own.
Values of credentials, grants and tokens never stand in it.

A decision that issues a credential has two records with one `decision_id`: the `intent`, which
has the input and is written before the credential exists, and the `outcome`, which has the
result. If the outcome is missing, the credential may have been issued. All other decisions have
an outcome only, with both. `tabard log` joins them, completes what is left out, and filters by
person, agent, tool, task, code and time. `tabard audit verify` checks the chain.

A revocation is made first and recorded after; what gives authority (an approval, a lifted
revocation, a refund) has an intent before.
"""
_ABOUT = """\
What it is about. A revocation has what it names (`task_id`, `link_id`, `agent_id`,
`credential_id` or `subject`).
"""
_POLICY_INPUT = """\
The policy input, as policy saw it. A request that was refused before policy was asked has what
was verified of it, and of arguments that weren't read `arguments_bytes` and `arguments_sha256`.
Fields are absent where they don't apply.
"""
_EXAMPLES = """\
## Examples

Who sent mail in the last day, and by which rule:

```sh
tabard log search --tool mail.send --effect allow --since 24h
```

The same as JSON, one object for each decision:

```sh
tabard log search --tool mail.send --since 24h --json | jq '{time, person: .subject.id, rules, credential_id}'
```

Why a decision was made: by which rule, at which line, and what an allow lacked:

```sh
tabard explain ID
```

How many calls each person's agents made with each tool, and what is denied most:

```sh
tabard log stats --by person --by tool --since 7d
tabard log stats --by rule --effect deny
```

Decisions as they are recorded:

```sh
tabard log tail --agent spiffe://shop.example/ns/support/sa/refunds
```

Denials by code, from the records themselves:

```sh
jq -r 'select(.result.decision == "deny") | .result.reasons[0].code' decisions.jsonl | sort | uniq -c
```

What a candidate policy would have decided otherwise since yesterday:

```sh
tabard log search --effect shadow --since 24h
```

Decide again, with the policy that is here now, what was decided then:

```sh
tabard log show ID --input | tabard policy eval --input -
```
"""


def page(generated: str) -> str:
    """Return the page, after the line that says from what it is generated."""
    parts = [
        generated,
        _INTRO,
        "## Fields of a record\n",
        *_table(RECORD),
        "## Operations\n",
        *_table(OPERATIONS, what="operation"),
        "`filter_tools` has no records: it gives nothing, and each call is decided on its own.\n",
        "## `result` of a decision\n",
        *_table(DECISION, "result."),
        "## `result` of a change\n",
        "It has `reasons`, `task_id`, `tool` and `server`, too, where they apply.\n",
        *_table(CHANGE, "result."),
        "## `result` of a note\n",
        "Records with the event `log` are about the log itself.\n",
        *_table(NOTE, "result."),
        "## `result` of a difference\n",
        _SHADOW,
        *_table(SHADOW, "result."),
        "## `by`\n",
        *_table(BY, "by."),
        "## `input` of a change\n",
        _ABOUT,
        *_table(ABOUT, "input."),
        "## `input` of a decision\n",
        _POLICY_INPUT,
        *_table(dict(_input(json.loads(INPUT_SCHEMA.read_text(encoding="utf-8")))), "input."),
        _EXAMPLES,
    ]
    return "\n".join(parts)


def _input(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields of a policy input; what callers ask for, and caveats, have pages of their own."""
    for name, field in schema.get("properties", {}).items():
        key = f"{prefix}{name}"
        inner = field.get("items", {}) if field.get("type") == "array" else field
        whole = prefix.startswith("request.") or name in {"caveats", "constraints"}
        below = f"{key}[]." if inner is not field else f"{key}."
        deeper = [] if whole else list(_input(inner, below))
        if not deeper:
            yield key, field.get("description", "")
        yield from deeper


def _table(rows: Mapping[str, str], prefix: str = "", what: str = "field") -> Iterator[str]:
    yield f"| {what} | meaning |"
    yield "|---|---|"
    for key, meaning in rows.items():
        text = " ".join(meaning.split()).replace("|", "\\|")
        yield f"| `{prefix}{key}` | {text} |"
    yield ""
