"""One real sidecar process of a zone of its own, with an issuer of persons' tokens and a front end that signs intents."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import grpc
import jwt
import tabard
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1.approval_service_pb2_grpc import ApprovalServiceStub
from tabard_sidecar.identity import sign_intent
from tabard_sidecar.keys import ROOT, SIGNING, Keyring

ISSUER = "https://login.example.org"
FRONT_END = "https://chat.example.org"
_READY_SECONDS = 120.0
_TIMEOUT_SECONDS = 20.0
_APPROVALS_APP = "approvals-app"


class NotStartedError(Exception):
    """The sidecar didn't start; the text is what it said."""


Call = tuple[str, str, Mapping[str, Any]]
"""The task's id, the tool and the arguments of a call."""
Decide = Callable[[str, str, Mapping[str, Any]], bool]
"""Tells whether the person approves a call, from the task's id, the tool and the arguments."""


class Zone:
    """A sidecar with one policy. A context manager.

    Args:
        name: the zone's name.
        folder: an empty folder for the sidecar's files.
        policy: path of the policy.
        catalogue: path of the tool catalogue, which is required.
        roles: names of roles that stand for the person on whose behalf a task runs.
        kept_claims: claims of the person's token that policies see.
    """

    def __init__(  # noqa: PLR0913 - what differs between trials
        self,
        name: str,
        folder: Path,
        *,
        policy: Path,
        catalogue: Path,
        roles: Iterable[str],
        kept_claims: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.folder = folder
        self.client = tabard.connect(f"unix:{folder}/agent/s", timeout_seconds=30)
        self._policy = policy
        self._catalogue = catalogue
        self._roles = {role: {"subject": True} for role in roles}
        self._kept_claims = list(kept_claims)
        self._issuer = _signer(folder / "issuer.json")
        self._front_end = _signer(folder / "front-end.json")
        self._operator = grpc.insecure_channel(f"unix:{folder}/operator/s")
        self._approvals = ApprovalServiceStub(self._operator)
        self._process: subprocess.Popen[bytes] | None = None
        self.keys = Keyring.create_directory(folder / "keys")

    def __enter__(self) -> Self:
        """Start the sidecar.

        Raises:
            NotStartedError: it ended, or wasn't ready in two minutes.
        """
        self.keys.create(ROOT)
        self.keys.create(SIGNING)
        config = self.folder / "tabard.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        log = self.folder / "sidecar.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tabard_sidecar.cli", "serve", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "NO_COLOR": "1"},
            )
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self.client.wait_ready(0.5)
            except tabard.Unavailable:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    said = log.read_text()[-6000:]
                    # Last comes what is meant for people, after the log's lines.
                    raise NotStartedError(said[max(0, said.rfind("\nerror: ") + 1) :]) from None
            else:
                return self

    def __exit__(self, *_exc_info: object) -> None:
        self._operator.close()
        self.client.close()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def start_task(
        self, purpose: str, statement: str, claims: Mapping[str, object] | None = None
    ) -> tabard.Task:
        """Start a task whose statement is the person's request, signed.

        Every task has a different person, so that none inherits labels of an earlier one. What policies should know of
        a person is in the claims.
        """
        person = f"person-{secrets.token_hex(8)}"
        token = self._token(person, {"aud": "tabard", "client_id": "assistant", **(claims or {})})
        intent = sign_intent(
            self._front_end,
            issuer=FRONT_END,
            zone=self.name,
            subject_id=person,
            subject_issuer=ISSUER,
            purpose=purpose,
            statement=statement,
            key_id="k1",
        )
        return self.client.start_task(token, intent_token=intent)

    def decide_approvals(self, decide: Decide) -> list[list[Call]]:
        """Decide about every pending approval on the operator socket, with a fresh token of the person for each question.

        Returns the questions in order: single calls, and groups of calls that are decided at once.
        """
        waiting = self._approvals.ListApprovals(approval_pb.ListApprovalsRequest(), timeout=_TIMEOUT_SECONDS)
        groups = dict.fromkeys(listed.group_id for listed in waiting.approvals if listed.group_id)
        alone = [listed.approval_id for listed in waiting.approvals if not listed.group_id]
        return [self._decide_one(one, decide) for one in alone] + [
            self._decide_group(group, decide) for group in groups
        ]

    def _decide_one(self, approval_id: str, decide: Decide) -> list[Call]:
        shown = self._approvals.GetApprovalDetails(
            approval_pb.GetApprovalDetailsRequest(approval_id=approval_id), timeout=_TIMEOUT_SECONDS
        ).approval
        call = _call(shown)
        self._approvals.DecideApproval(
            approval_pb.DecideApprovalRequest(
                approval_id=shown.approval_id,
                approver_token=self._approver(shown.subject.id),
                approve=decide(*call),
            ),
            timeout=_TIMEOUT_SECONDS,
        )
        return [call]

    def _decide_group(self, group_id: str, decide: Decide) -> list[Call]:
        shown = self._approvals.GetApprovalGroup(
            approval_pb.GetApprovalGroupRequest(group_id=group_id), timeout=_TIMEOUT_SECONDS
        ).approvals
        calls = [_call(one) for one in shown]
        approved = [decide(*call) for call in calls]
        self._approvals.DecideApprovalGroup(
            approval_pb.DecideApprovalGroupRequest(
                group_id=group_id,
                approver_token=self._approver(shown[0].subject.id),
                approve_ids=[one.approval_id for one, yes in zip(shown, approved, strict=True) if yes],
                deny_ids=[one.approval_id for one, yes in zip(shown, approved, strict=True) if not yes],
            ),
            timeout=_TIMEOUT_SECONDS,
        )
        return calls

    def _approver(self, person: str) -> str:
        """Return a fresh token with which a person decides once."""
        claims = {"aud": "tabard-approval", "client_id": _APPROVALS_APP, "auth_time": int(time.time())}
        return self._token(person, claims)

    def _token(self, person: str, claims: Mapping[str, object]) -> str:
        now = int(time.time())
        return jwt.encode(
            {
                "iss": ISSUER,
                "sub": person,
                "iat": now,
                "exp": now + 300,
                "jti": secrets.token_hex(8),
                **claims,
            },
            self._issuer,
            algorithm="ES256",
            headers={"typ": "at+jwt", "kid": "k1"},
        )

    def _config(self) -> dict[str, Any]:
        return {
            "zone": self.name,
            "listen": {
                "agent": f"unix:{self.folder}/agent/s",
                "operator": f"unix:{self.folder}/operator/s",
            },
            "http": {"listen": f"unix:{self.folder}/http"},
            "identity": {
                "issuers": [
                    {
                        "issuer": ISSUER,
                        "audiences": ["tabard"],
                        "keys_file": str(self.folder / "issuer.json"),
                        "kept_claims": self._kept_claims,
                    }
                ],
                "initiators": [{"issuer": FRONT_END, "keys_file": str(self.folder / "front-end.json")}],
            },
            "keys": {"directory": str(self.folder / "keys")},
            "state": {"url": f"sqlite://{self.folder}/state.db"},
            "policy": {"load_seconds": 100, "deadline_seconds": 5, "path": str(self._policy)},
            "catalogue": {"path": str(self._catalogue), "required": True},
            "approvals": {"roles": self._roles, "clients": [_APPROVALS_APP]},
            "audit": {"sink": "file", "path": str(self.folder / "decisions.log"), "required": True},
            "insecure": {"agent_id": "spiffe://example.org/assistant"},
        }


def task_id(task: tabard.Task) -> str:
    """Return the id of a task that was just started."""
    if task.info is None:
        raise RuntimeError("a task that was just started tells nothing about itself")
    return task.info.task_id


def _call(shown: approval_pb.Approval) -> Call:
    return shown.task_id, shown.tool, json.loads(shown.arguments_json)


def _signer(keys_file: Path) -> ec.EllipticCurvePrivateKey:
    """Make a key and publish its public part."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys_file.write_text(json.dumps({"keys": [public | {"kid": "k1", "use": "sig", "alg": "ES256"}]}))
    return key
