"""Implements the gate with a real sidecar process, called through the SDK; every intent is signed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import jwt
import tabard
import yaml
from agentdojo.base_tasks import BaseUserTask
from cryptography.hazmat.primitives.asymmetric import ec
from tabard_sidecar.identity import sign_intent
from tabard_sidecar.keys import ROOT, SIGNING, Keyring

from bench.agentdojo.catalogue import CATALOGUE
from bench.agentdojo.person import ApprovalStatusService, ScriptedUser
from bench.agentdojo.play import Answer, Session

ZONE = "agentdojo"
ISSUER = "https://login.example.org"
FRONT_END = "https://chat.example.org"
_READY_SECONDS = 120.0
_APPROVAL_SECONDS = 30.0
_APPROVALS_APP = "approvals-app"
# Both name the person on whose behalf the task runs; the policies use different names.
_ROLES = {"account_holder": {"subject": True}, "requester": {"subject": True}}


class SidecarGate:
    """A sidecar with one suite's policy, and the person who approves calls. A context manager.

    Args:
        suite: the suite's name, which is the purpose of its tasks.
        example: the folder with ``policy/`` and the catalogue.
        folder: an empty folder for the sidecar's files.
        user: decides about approvals.
    """

    def __init__(self, suite: str, example: Path, folder: Path, user: ScriptedUser) -> None:
        self._suite = suite
        self._example = example
        self._user = user
        self._folder = folder
        self._issuer = _signer(folder / "issuer.json")
        self._front_end = _signer(folder / "front-end.json")
        self._process: subprocess.Popen[bytes] | None = None
        self._client = tabard.connect(f"unix:{folder}/agent/s", timeout_seconds=30)
        self._desk = ApprovalStatusService(f"unix:{folder}/operator/s", user, self._approver_token)

    def __enter__(self) -> Self:
        ring = Keyring.create_directory(self._folder / "keys")
        ring.create(ROOT)
        ring.create(SIGNING)
        config = self._folder / "tabard.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        log = self._folder / "sidecar.log"
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
                self._client.wait_ready(0.5)
            except tabard.Unavailable:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError(f"the sidecar didn't start:\n{log.read_text()[-3000:]}") from None
            else:
                return self

    def __exit__(self, *_exc_info: object) -> None:
        self._desk.close()
        self._client.close()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @contextmanager
    def task(self, user_task: BaseUserTask[Any]) -> Iterator[Session]:
        """Start a task whose statement is the person's prompt, signed.

        Every task has a different person, so that none inherits labels of an earlier one.
        """
        person = f"person-{secrets.token_hex(8)}"
        token = self._token(person, aud="tabard", client_id="assistant")
        intent = sign_intent(
            self._front_end,
            issuer=FRONT_END,
            zone=ZONE,
            subject_id=person,
            subject_issuer=ISSUER,
            purpose=self._suite,
            statement=user_task.PROMPT,
            key_id="k1",
        )
        task = self._client.start_task(token, intent_token=intent)
        self._user.begins(_task_id(task), user_task)
        yield _TaskSession(task, self._desk)
        task.end()

    def _token(self, person: str, **claims: str | int) -> str:
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

    def _approver_token(self, person: str) -> str:
        return self._token(
            person, aud="tabard-approval", client_id=_APPROVALS_APP, auth_time=int(time.time())
        )

    def _config(self) -> dict[str, Any]:
        return {
            "zone": ZONE,
            "listen": {
                "agent": f"unix:{self._folder}/agent/s",
                "operator": f"unix:{self._folder}/operator/s",
            },
            "http": {"listen": f"unix:{self._folder}/http"},
            "identity": {
                "issuers": [
                    {
                        "issuer": ISSUER,
                        "audiences": ["tabard"],
                        "keys_file": str(self._folder / "issuer.json"),
                    }
                ],
                "initiators": [{"issuer": FRONT_END, "keys_file": str(self._folder / "front-end.json")}],
            },
            "keys": {"directory": str(self._folder / "keys")},
            "state": {"url": f"sqlite://{self._folder}/state.db"},
            "policy": {"path": str(self._example / "policy")},
            "catalogue": {"path": str(self._example / CATALOGUE), "required": True},
            "approvals": {"roles": _ROLES, "clients": [_APPROVALS_APP]},
            "audit": {"sink": "file", "path": str(self._folder / "decisions.log"), "required": True},
            "insecure": {"agent_id": "spiffe://example.org/assistant"},
        }


class _TaskSession:
    def __init__(self, task: tabard.Task, desk: ApprovalStatusService) -> None:
        self._task = task
        self._desk = desk

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        decision = self._task.decide(tabard.ToolCall(tool, arguments))
        if decision.allowed:
            return Answer.ALLOWED
        if decision.code == "approval_required":
            self._desk.work_off()
            return self._ask_again(tool, arguments)
        if decision.code == "approval_denied":
            return Answer.REFUSED
        if decision.error is not None:
            raise decision.error
        return Answer.DENIED

    def _ask_again(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Repeat the request after the person decided, as a waiting agent does."""
        try:
            self._task.authorize(tool, arguments, wait_for_approval=_APPROVAL_SECONDS)
        except tabard.ApprovalRequired:
            return Answer.REFUSED
        except tabard.Denied as denied:
            if denied.code != "approval_denied":
                raise
            return Answer.REFUSED
        return Answer.APPROVED


def _signer(keys_file: Path) -> ec.EllipticCurvePrivateKey:
    """Make a key and publish its public part."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys_file.write_text(json.dumps({"keys": [public | {"kid": "k1", "use": "sig", "alg": "ES256"}]}))
    return key


def _task_id(task: tabard.Task) -> str:
    if task.info is None:
        raise RuntimeError("a task that was just started tells nothing about itself")
    return task.info.task_id
