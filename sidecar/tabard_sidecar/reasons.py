"""Every reason code the sidecar itself can give, with a text for the operator and one for the model.

Codes are stable: clients and dashboards depend on them, so one is never renamed or reused. Policies add codes of their
own in their elements. docs/reference/errors/ is generated from this module.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """One documented reason.

    Attributes:
        code: lower_snake_case identifier.
        title: what happened, in a few words.
        operator: cause and remedy for the person who runs or configures Tabard.
        model: what a language model may be told: one or two sentences, no internals.
        next_step: one imperative sentence for the caller.
    """

    code: str
    title: str
    operator: str
    model: str
    next_step: str


_NO_AUTHORITY = (
    "You are not authorized to do this. Do not retry the same call; continue without it or ask the person."
)
_NARROWER = "This call is outside what this task may do. Choose a call within your limits or ask the person."
_NEW_TASK = "The authority for this task is not valid any more. Ask the person to start the task again."
_OPERATOR = "The authorization system is misconfigured or broken. Do not retry; tell the person."
_LATER = "No decision could be made right now. You may retry once after a short wait."

_TABLE: tuple[tuple[str, str, str, str, str], ...] = (
    # Subject tokens
    (
        "subject_token_missing",
        "No subject token",
        "StartTask was called without a subject token.",
        _NEW_TASK,
        "Send the person's access token as subject_token.",
    ),
    (
        "subject_token_malformed",
        "Subject token is not a JWT",
        "The subject token can't be parsed, is larger than 16 KiB, or repeats header or claim names.",
        _NEW_TASK,
        "Send a compact JWT access token.",
    ),
    (
        "subject_token_header",
        "Header not acceptable",
        "The token's header carries crit, b64, zip, enc, or a key of its own (jwk, jku, x5u); none of these is ever accepted.",
        _NEW_TASK,
        "Have the issuer sign plain JWTs whose kid names a key of its JWKS.",
    ),
    (
        "subject_token_unknown_issuer",
        "Unknown issuer",
        "The token's iss is not one of identity.issuers.",
        _NEW_TASK,
        "Add the issuer to identity.issuers, or use a token of a configured issuer.",
    ),
    (
        "subject_token_algorithm",
        "Algorithm not accepted",
        "The token's alg is not among the algorithms configured for its issuer; 'none' and HMAC are never accepted for a public key.",
        _NEW_TASK,
        "Have the issuer sign with a configured algorithm.",
    ),
    (
        "subject_token_unknown_key",
        "Unknown signing key",
        "No key of the issuer's JWKS matches the token's kid, after at most one limited refetch.",
        _NEW_TASK,
        "Check the issuer's JWKS and the token's kid.",
    ),
    (
        "subject_token_signature",
        "Signature does not verify",
        "The token's signature doesn't match the issuer's key.",
        _NEW_TASK,
        "Get a new token from the issuer.",
    ),
    (
        "subject_token_type",
        "Wrong token type",
        "The token's typ is not one an access token has for this issuer.",
        _NEW_TASK,
        "Send an access token.",
    ),
    (
        "subject_token_id_token",
        "ID token refused",
        "The token is an ID token (nonce, at_hash or c_hash present, or typ says so); only access tokens are accepted.",
        _NEW_TASK,
        "Send the access token, not the ID token.",
    ),
    (
        "subject_token_audience",
        "Wrong audience",
        "The token's aud must be exactly one value, one of the issuer's configured audiences.",
        _NEW_TASK,
        "Ask the issuer for a token whose only audience is Tabard's.",
    ),
    (
        "subject_token_expired",
        "Token expired",
        "The token's exp has passed.",
        _NEW_TASK,
        "Get a new token from the issuer.",
    ),
    (
        "subject_token_not_yet_valid",
        "Token not yet valid",
        "The token's nbf or iat lies in the future beyond the allowed skew.",
        _NEW_TASK,
        "Check the clocks of issuer and sidecar.",
    ),
    (
        "subject_token_too_old",
        "Authentication too old",
        "The person authenticated, or the token was issued, longer ago than max_auth_age or max_token_age allow.",
        _NEW_TASK,
        "Have the person sign in again.",
    ),
    (
        "subject_token_confirmation",
        "Token bound to a key",
        "The token carries cnf, whose proof of possession isn't checked here.",
        _NEW_TASK,
        "Use a bearer access token for Tabard's audience.",
    ),
    (
        "subject_token_may_act",
        "Agent not named in may_act",
        "The token's may_act names another actor than this agent.",
        _NEW_TASK,
        "Have the issuer name this agent's id in may_act.",
    ),
    (
        "subject_token_claims",
        "Required claim missing",
        "The token lacks a claim that its issuer's configuration requires, or a claim has the wrong type.",
        _NEW_TASK,
        "Check the issuer's configuration.",
    ),
    (
        "subject_token_used",
        "Subject token used before",
        "The token has started as many tasks as identity.tasks_per_token allows. Remedies: have an initiator sign the intent, or raise identity.tasks_per_token (insecure.tasks_per_token).",
        _NEW_TASK,
        "Send a signed intent, or use a new subject token.",
    ),
    # Intent
    (
        "intent_malformed",
        "Intent is not a JWT",
        "The intent token can't be parsed or is larger than 16 KiB.",
        _NEW_TASK,
        "Send a tabard-intent+jwt.",
    ),
    (
        "intent_untrusted",
        "Intent by an unknown initiator",
        "The intent's iss, kid or alg isn't one of identity.initiators.",
        _NEW_TASK,
        "Add the initiator's key to identity.initiators.",
    ),
    (
        "intent_signature",
        "Intent signature does not verify",
        "The intent's signature doesn't match the initiator's key.",
        _NEW_TASK,
        "Check the initiator's key.",
    ),
    (
        "intent_invalid",
        "Intent not acceptable",
        "The intent has a wrong typ, audience, lifetime (over 300 s) or a missing claim.",
        _NEW_TASK,
        "Compare the intent with docs/reference/intent.md.",
    ),
    ("intent_expired", "Intent expired", "The intent's exp has passed.", _NEW_TASK, "Sign a fresh intent."),
    (
        "intent_subject_mismatch",
        "Intent of another person",
        "The intent's sub and sub_iss don't name the subject of the subject token.",
        _NEW_TASK,
        "Sign the intent for the person who is signed in.",
    ),
    (
        "intent_replayed",
        "Intent used before",
        "The intent's jti has already started a task.",
        _NEW_TASK,
        "Sign a new intent for each task.",
    ),
    (
        "intent_required",
        "Signed intent required",
        "Policy or configuration demands a signed intent and none was sent.",
        _NEW_TASK,
        "Send a signed intent.",
    ),
    # Agent
    (
        "agent_identity_unavailable",
        "Agent identity unavailable",
        "The sidecar has no valid workload identity: the service-account token is missing, expired or doesn't verify.",
        _OPERATOR,
        "Check identity.agent and the projected token.",
    ),
    # Grants
    (
        "grant_missing",
        "No grant",
        "The request carries no grant.",
        _NEW_TASK,
        "Send the grant that StartTask or DelegateTask returned.",
    ),
    (
        "grant_malformed",
        "Grant can't be read",
        "The grant isn't a macaroon of this format, is too large or holds too many caveats.",
        _NEW_TASK,
        "Send the grant exactly as it was returned.",
    ),
    (
        "grant_signature",
        "Grant signature does not verify",
        "The grant was altered, truncated, reordered or made with another key.",
        _NEW_TASK,
        "Use the grant exactly as it was returned.",
    ),
    (
        "grant_expired",
        "Grant expired",
        "An expiry caveat of the grant, or the grant itself, has passed.",
        _NEW_TASK,
        "Start a new task.",
    ),
    (
        "grant_not_yet_valid",
        "Grant from the future",
        "The grant was issued later than now: the clocks of the zone's sidecars differ.",
        _LATER,
        "Check the clocks of the zone's machines.",
    ),
    (
        "foreign_key",
        "Grant of a foreign key",
        "The grant names a key id that isn't in this zone's keyring.",
        _NEW_TASK,
        "Use a grant of this zone, or check keys.directory.",
    ),
    (
        "foreign_state",
        "Grant of another zone",
        "The grant names another zone, whose state this sidecar doesn't see.",
        _NEW_TASK,
        "Use a sidecar of the grant's zone.",
    ),
    (
        "credential_as_grant",
        "Credential presented as a grant",
        "A credential macaroon was presented where a grant is needed.",
        _NEW_TASK,
        "Send the grant, not the credential.",
    ),
    (
        "holder_mismatch",
        "Grant held by another workload",
        "The last hop of the grant names another workload than this sidecar's.",
        _NO_AUTHORITY,
        "Have the holder delegate the task to this workload.",
    ),
    (
        "hop_unsealed",
        "Hop without a valid seal",
        "A hop was appended by someone other than a sidecar of the zone.",
        _NO_AUTHORITY,
        "Delegate to another workload with DelegateTask.",
    ),
    (
        "delegatee_invalid",
        "Workload can't be handed the grant",
        "DelegateTask names a holder that is no SPIFFE ID, or that holds the grant already.",
        _NO_AUTHORITY,
        "Name another workload by its SPIFFE ID; a sub-agent of the same workload gets a branch.",
    ),
    (
        "grant_too_large",
        "Grant too large",
        "The new grant would be longer than 64 KiB or hold more than 512 caveats.",
        _NO_AUTHORITY,
        "Narrow with fewer or shorter limits, or start a new task.",
    ),
    (
        "discharge_invalid",
        "Discharge not acceptable",
        "A discharge is malformed, comes twice, or there are too many of them.",
        _NO_AUTHORITY,
        "Send each discharge that GetApproval returned once, together with the call grant.",
    ),
    (
        "discharge_missing",
        "Nobody's word for it",
        "The grant demands a person's approval and came without its discharge. Call grants are good for Authorize only.",
        "A person has to approve this call first. Tell them what you want to do and why.",
        "Poll GetApproval, and send the discharges that it returns.",
    ),
    (
        "discharge_swapped",
        "Discharge of another grant",
        "A discharge answers no caveat of the grant that it came with.",
        _NO_AUTHORITY,
        "Send the call grant together with its own discharges.",
    ),
    (
        "discharge_forged",
        "Discharge does not verify",
        "A discharge isn't bound to exactly this grant or was made with another key, or its caveat was appended by somebody who isn't a sidecar of the zone. Narrowing a call grant makes its discharges worthless, too.",
        _NO_AUTHORITY,
        "Get the discharge from GetApproval, with the very call grant that it is sent with.",
    ),
    (
        "discharge_caveat",
        "Discharge holds a foreign caveat",
        "A discharge holds a caveat other than expiry, call and uses, for example a hop.",
        _NO_AUTHORITY,
        "Get the discharge from GetApproval.",
    ),
    (
        "discharge_expired",
        "Approval expired",
        "The time for which a person approved the call is over.",
        "The approval for this call is too old. Ask the person again.",
        "Authorize the call with the original grant, and have it approved again.",
    ),
    (
        "caveat_unknown",
        "Unknown caveat",
        "The grant holds a caveat that this version doesn't know.",
        _NO_AUTHORITY,
        "Upgrade the sidecar, or use a grant without that caveat.",
    ),
    (
        "caveat_not_enforced",
        "Caveat not enforced yet",
        "The grant holds a budget or third-party caveat, which this version can't enforce and so refuses.",
        _NO_AUTHORITY,
        "Use a grant without that caveat.",
    ),
    (
        "tool_not_granted",
        "Tool outside the grant",
        "A tools caveat of the grant doesn't match the tool.",
        _NARROWER,
        "Call a tool that the grant names, or ask for a wider task.",
    ),
    (
        "argument_not_granted",
        "Argument outside the grant",
        "An argument breaks a constraint of the grant.",
        _NARROWER,
        "Change the argument that the message names.",
    ),
    (
        "argument_unknown",
        "Argument not named by the grant",
        "A closed argument caveat doesn't name the argument.",
        _NARROWER,
        "Leave the argument out.",
    ),
    (
        "argument_missing",
        "Constrained argument missing",
        "A constraint of the grant is about an argument that the call lacks.",
        _NARROWER,
        "Send the argument that the message names.",
    ),
    (
        "purpose_not_granted",
        "Purpose does not match",
        "A purposes caveat of the grant doesn't name the task's purpose.",
        _NARROWER,
        "Start a task for this purpose.",
    ),
    (
        "audience_not_granted",
        "Audience outside the grant",
        "Policy asked for a credential whose audience the grant doesn't allow.",
        _NARROWER,
        "Ask for a task whose grant names the audience.",
    ),
    (
        "scope_not_granted",
        "Scope outside the grant",
        "A requested scope isn't granted, or none of policy's scopes are within the grant.",
        _NARROWER,
        "Ask for fewer scopes.",
    ),
    (
        "depth_exceeded",
        "Chain too deep",
        "The chain holds more hops and branches than a max_depth caveat allows.",
        _NO_AUTHORITY,
        "Do the work with the agent that holds the grant now.",
    ),
    (
        "children_exceeded",
        "Too many children",
        "A holder has more hops and branches than a max_children caveat allows.",
        _NO_AUTHORITY,
        "Do the work with the agents that already hold the task.",
    ),
    (
        "read_only",
        "Grant is read-only",
        "A read_only caveat allows only tools that the catalogue marks as read-only.",
        _NARROWER,
        "Use a read-only tool.",
    ),
    (
        "call_mismatch",
        "Grant for another call",
        "A call caveat pins the grant to exactly one call, which this isn't.",
        _NARROWER,
        "Make exactly the call that was approved.",
    ),
    (
        "task_ended",
        "Task ended",
        "The task, or the holder's part of it, was ended with EndTask or revoked by an operator.",
        _NEW_TASK,
        "Start a new task.",
    ),
    # Revocation
    (
        "agent_revoked",
        "Workload revoked",
        "An operator revoked this workload or one that handed the task on; `tabard revoke list` shows why.",
        _NO_AUTHORITY,
        "Have an operator lift the revocation, or do the work without that workload.",
    ),
    (
        "subject_revoked",
        "Person revoked",
        "An operator revoked the person's tasks and tokens, and this one is from before that moment.",
        _NEW_TASK,
        "Have the person sign in again and start a new task.",
    ),
    (
        "credential_revoked",
        "Credential revoked",
        "The credential was revoked by an operator or by the agent that holds it.",
        _NO_AUTHORITY,
        "Authorize the call again.",
    ),
    (
        "revocation_state_stale",
        "Revocations not known",
        "This sidecar has had no word of the zone's revocations for longer than revocation.max_stale_seconds.",
        _LATER,
        "Check the state store and the network to it; `tabard health` shows since when.",
    ),
    (
        "task_unknown",
        "Task unknown",
        "The zone's state store doesn't know the grant's task: the store was emptied or replaced, or another store is configured. What the task has spent and read can't be known, so it can't go on.",
        _NEW_TASK,
        "Start a new task; check state.url.",
    ),
    (
        "state_rolled_back",
        "State went back in time",
        "The state store has lost what it once acknowledged, for example by a failover to a replica that lagged or a restored backup. Tasks started before that are refused; new ones work.",
        _NEW_TASK,
        "Start a new task; find out why the store lost data (docs/guarantees.md).",
    ),
    # Budgets
    (
        "budget_not_granted",
        "No such budget",
        "Policy charges the call to a budget that the grant doesn't have. A start rule states budgets under limits.budgets.",
        _NARROWER,
        "Have the start rule grant the budget, or the grant rule charge another.",
    ),
    (
        "budget_exhausted",
        "Budget exhausted",
        "A budget of the task, or of a hop or branch of its chain, doesn't have left what the call costs.",
        "The budget of this task doesn't allow this call. Continue without it or ask the person.",
        "Do less, or ask the person for a task with a larger budget.",
    ),
    (
        "labels_exceeded",
        "Too many labels",
        "The task has as many labels as it may have (256). Labels are for kinds of content; policies that put identifiers into them run into this.",
        _NARROWER,
        "Have policy use fewer, more general labels.",
    ),
    # Tools and arguments
    (
        "tool_unknown",
        "Tool not in the catalogue",
        "catalogue.required is on and the catalogue doesn't know the tool.",
        _NARROWER,
        "Add the tool to the catalogue.",
    ),
    (
        "arguments_invalid",
        "Arguments break the tool's schema",
        "The arguments don't match the JSON Schema that the catalogue holds for the tool.",
        "The arguments do not match the tool's schema. Correct them and try again.",
        "Correct the argument that the message names.",
    ),
    # Policy
    (
        "no_grant",
        "No rule grants this",
        "No policy module granted the operation.",
        _NO_AUTHORITY,
        "Check the rules with `tabard policy eval`.",
    ),
    (
        "policy_error",
        "Policy failed",
        "A rule raised an error or returned an element that breaks its schema; the message names module and line.",
        _OPERATOR,
        "Mend the module that the message names; `tabard policy check` finds most of these.",
    ),
    (
        "policy_conflict",
        "Rules disagree",
        "Granting rules ask for credentials of different kinds, roles or audiences.",
        _OPERATOR,
        "Make the granting rules agree.",
    ),
    (
        "policy_timeout",
        "Policy took too long",
        "The evaluation was cut at its deadline (policy.deadline_seconds).",
        _LATER,
        "Find the slow rule with `tabard policy check --measure`.",
    ),
    (
        "policy_broken_too_long",
        "Policy broken for too long",
        "The policy source has been broken for longer than policy.max_broken_seconds.",
        _OPERATOR,
        "Mend the policy; `tabard health` shows its errors.",
    ),
    (
        "approval_required",
        "A person has to approve",
        "Policy asks for an approval that isn't there.",
        "A person has to approve this call first. Tell them what you want to do and why.",
        "Have a person approve the call.",
    ),
    (
        "approvals_exceeded",
        "Too much waits for people",
        "As many calls of the task wait for people as may (approvals.max_pending_per_task).",
        "Too many of your calls wait for a person already. Wait for the answers, or ask for less.",
        "Decide about what waits: `tabard approvals list`.",
    ),
    (
        "approver_unknown",
        "Nobody could approve",
        "None of the roles that policy's ask names is in approvals.roles.",
        _OPERATOR,
        "Add one of the roles to approvals.roles, or correct the ask.",
    ),
    (
        "approval_too_large",
        "Too much to look at",
        "Policy asks for a person's word about a call whose arguments are longer than 64 KiB.",
        "This call is too large for a person to look at. Split it into smaller ones.",
        "Make smaller calls, or have policy decide about them without asking.",
    ),
    (
        "approval_invalid",
        "Approval does not count",
        "The approval that the grant demands doesn't exist any more, isn't decided, or speaks of another call or task.",
        _NO_AUTHORITY,
        "Authorize the call with the original grant, and have it approved again.",
    ),
    (
        "approval_denied",
        "A person refused",
        "A person looked at the call and refused it.",
        "A person refused this call. Do not try it again; tell them what you could do instead.",
        "Ask the person who refused.",
    ),
    (
        "approval_used",
        "Approval used up",
        "The call was made as often as the person approved it.",
        "The approval for this call has been used. Ask the person again if the call is needed once more.",
        "Authorize the call with the original grant, and have it approved again.",
    ),
    # Deciding about approvals, on the operator's socket
    (
        "approval_unknown",
        "No such approval",
        "No approval has this id, or its time is over.",
        _NO_AUTHORITY,
        "List what waits: `tabard approvals list`.",
    ),
    (
        "approval_decided",
        "Decided already",
        "Somebody decided about the call already, or its time is over.",
        _NO_AUTHORITY,
        "Look at it with `tabard approvals show`.",
    ),
    (
        "approval_unreadable",
        "Call can't be shown",
        "What the call is about was encrypted with a key that is retired, or was changed in the store.",
        _OPERATOR,
        "Let it expire; the agent can ask again.",
    ),
    (
        "approver_token_missing",
        "No approver's token",
        "DecideApproval was called without a token of the approver.",
        _NO_AUTHORITY,
        "Get a token for the audience approvals.audience after a fresh sign-in.",
    ),
    (
        "approver_token_used",
        "Approver's token used",
        "Every token of an approver decides about one call.",
        _NO_AUTHORITY,
        "Sign in again and use the new token.",
    ),
    (
        "approver_is_agent",
        "Approver is an agent",
        "The approver's token names an actor (act, may_act), or belongs to a workload that asks.",
        _NO_AUTHORITY,
        "Have a person decide, with a token that they got themselves.",
    ),
    (
        "approver_client",
        "Token of another client",
        "The approver's token was issued to an OAuth client that isn't in approvals.clients.",
        _NO_AUTHORITY,
        "Get the token with one of the configured clients.",
    ),
    (
        "approver_revoked",
        "Approver revoked",
        "The person was revoked after their token was issued, or after they decided.",
        _NO_AUTHORITY,
        "Have somebody else decide.",
    ),
    (
        "approver_is_subject",
        "Approver is the task's own person",
        "The call belongs to a task of the approver's own, and no role that policy's ask names says subject: true.",
        _NO_AUTHORITY,
        "Have somebody else decide.",
    ),
    (
        "approver_not_entitled",
        "No role to approve",
        "The approver has none of the roles that policy's ask names, as approvals.roles defines them.",
        _NO_AUTHORITY,
        "Have somebody with one of the roles decide.",
    ),
    # Credentials
    (
        "credential_kind_unavailable",
        "Credential kind not configured",
        "Policy asked for a kind of credential that this sidecar has no issuer for.",
        _OPERATOR,
        "Configure the issuer, or change the policy.",
    ),
    (
        "credential_invalid",
        "Credential not acceptable",
        "The credential is malformed, forged, expired or of another task.",
        _NO_AUTHORITY,
        "Authorize the call again.",
    ),
    # Errors: no decision was made
    (
        "task_not_found",
        "No such task",
        "An operator named a task that the zone doesn't know: it has expired, or belongs to another zone.",
        _OPERATOR,
        "Look for it with `tabard tasks list`.",
    ),
    (
        "request_invalid",
        "Malformed request",
        "A field is missing, too large or malformed; the message names it.",
        "The request was malformed. Correct it and try again.",
        "Correct the field that the message names.",
    ),
    (
        "request_id_conflict",
        "request_id used with another body",
        "The same request_id came with a different body.",
        "The request was malformed. Correct it and try again.",
        "Use a new request_id for a new call.",
    ),
    (
        "state_contended",
        "Task changes too fast",
        "While policy was asked, the task got new labels again and again, so no decision could be made on what it has read.",
        _LATER,
        "Send fewer calls of one task at once, and retry.",
    ),
    (
        "decision_unknown",
        "Decision unknown",
        "ReportOutcome names a decision that the presented holder didn't get, that was a deny, that wasn't written down because it took nothing, or that is too long ago.",
        _LATER,
        "Report with the grant and the decision_id of the call itself.",
    ),
    (
        "outcome_invalid",
        "Outcome not acceptable",
        "What the backend is said to have signed doesn't verify, has expired, speaks of another decision, gives back more than was charged, or was counted already.",
        _LATER,
        "Pass on what the backend returned, once, and unchanged.",
    ),
    (
        "request_in_progress",
        "Same request in progress",
        "A request with the same request_id is being decided right now.",
        _LATER,
        "Retry with the same request_id.",
    ),
    (
        "overloaded",
        "Too many requests",
        "The sidecar has reached its limit of requests in flight.",
        _LATER,
        "Retry with backoff; raise limits.max_in_flight if it lasts.",
    ),
    (
        "policy_unavailable",
        "No policy loaded",
        "No valid policy has been loaded, or the policy engine can't be reached.",
        _OPERATOR,
        "Check policy.path and `tabard health`.",
    ),
    (
        "issuer_unavailable",
        "Issuer's keys unavailable",
        "The keys of the token's issuer can't be fetched.",
        _LATER,
        "Check the network to the issuer.",
    ),
    (
        "state_unavailable",
        "State store unavailable",
        "The state store can't be read or written.",
        _LATER,
        "Check state.url and the disk.",
    ),
    (
        "audit_unavailable",
        "Decision log unavailable",
        "audit.required is on and the decision log can't be written.",
        _OPERATOR,
        "Check the sink's disk or pipe.",
    ),
    (
        "keys_unavailable",
        "No usable key",
        "The keyring holds no key that is active for this use.",
        _OPERATOR,
        "Run `tabard keys new`.",
    ),
    (
        "not_implemented",
        "Not available yet",
        "This version doesn't offer the method.",
        _OPERATOR,
        "Use a version that does.",
    ),
    (
        "internal",
        "Internal error",
        "A defect of Tabard; the log holds the stack trace under the decision id.",
        _OPERATOR,
        "Report it with the decision id.",
    ),
)

REASONS: dict[str, ReasonCode] = {row[0]: ReasonCode(*row) for row in _TABLE}
if len(REASONS) != len(_TABLE):
    raise RuntimeError("a reason code is listed twice")


def describe(code: str) -> ReasonCode | None:
    """Return what is documented about ``code``; ``None`` for a policy's own codes."""
    return REASONS.get(code)
