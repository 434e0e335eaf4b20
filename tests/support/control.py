"""A control service in the test's own process, with a fake API server, for answers that no real one gives.

A real API server and real processes are in tests/integration/k8s.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
from tabard_sidecar.control.conf import ControlSettings
from tabard_sidecar.control.master import create
from tabard_sidecar.control.running import ControlService, control_service

from testbed.world import ZONE, Sidecar
from tests.support.fake_vault import Answer, Asked, FakeVault
from tests.support.tls import Authority
from tests.support.tokens import SigningKey
from tests.support.zone import Zone

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
AUDIENCE = "tabard-control"
_KEY = SigningKey.make("cluster")


def pod_token(namespace: str = "support", **claims: Any) -> str:
    """Return a token of a pod, with the claims that Kubernetes gives it; ``None`` leaves a claim out."""
    content = {
        "iss": "https://kubernetes.default.svc.cluster.local",
        "aud": [AUDIENCE],
        "sub": f"system:serviceaccount:{namespace}:agent",
        "exp": int(time.time()) + 600,
        "kubernetes.io": {"namespace": namespace, "pod": {"name": "agent-1", "uid": "u-1"}},
    } | claims
    return _KEY.sign({name: value for name, value in content.items() if value is not None}, typ=None)


def status(namespace: str = "support", **changes: Any) -> dict[str, Any]:
    """Return the status of a TokenReview, as Kubernetes 1.36 gives it for a pod's token."""
    user = {
        "username": f"system:serviceaccount:{namespace}:agent",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
        "extra": {
            "authentication.kubernetes.io/pod-name": ["agent-1"],
            "authentication.kubernetes.io/pod-uid": ["u-1"],
        },
    }
    return {"authenticated": True, "audiences": [AUDIENCE], "user": user} | changes


class FakeApiServer(FakeVault):
    """A fake of the API server: what it says of a token is what the token claims, unless ``answers`` says otherwise."""

    def __init__(self, tls: tuple[Path, Path]) -> None:
        super().__init__(tls)
        self.answers = {REVIEWS: self._review}

    @staticmethod
    def _review(asked: Asked) -> Answer:
        token = asked.body["spec"]["token"]
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return Answer(201, {"status": {"authenticated": False, "error": "no token"}})
        answer = status(claims["kubernetes.io"]["namespace"])
        wanted = asked.body["spec"]["audiences"]
        answer["audiences"] = [one for one in wanted if one in claims["aud"]]
        answer["user"]["username"] = claims["sub"]
        return Answer(201, {"status": answer})


class ControlZone(Zone):
    """A zone whose sidecars have their keys from a service at ``url``, and no key directory; it is a namespace's."""

    def __init__(
        self,
        cluster: Cluster,
        url: str,
        *,
        workloads: tuple[str, ...] = ("orchestrator",),
        policy: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
        name: str = ZONE,
        **control: Any,
    ) -> None:
        place = cluster.folder / ("z" if name == ZONE else name)
        place.mkdir(exist_ok=True)
        super().__init__(
            place, workloads=workloads, policy=policy, overrides={"zone": name, **(overrides or {})}
        )
        token = cluster.folder / f"{name}-token"
        token.write_text(pod_token(name))
        self._control = {
            "url": url,
            "token_file": str(token),
            "ca_file": str(cluster.authority.certificate),
            "poll_seconds": 1,
            **control,
        }

    def config(self, sidecar: Sidecar) -> dict[str, Any]:
        return super().config(sidecar) | {"keys": {"control": self._control}}


class Cluster:
    """Files and the API server of control services; ``settings`` and ``service`` make one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "authority")
        certificate, key = self.authority.issue("control")
        shutil.copy(certificate, folder / "tls.crt")
        shutil.copy(key, folder / "tls.key")
        self.api = FakeApiServer(self.authority.issue("api"))
        self.masters = folder / "masters"
        create(self.masters)
        (folder / "own-token").write_text("own")

    def settings(
        self,
        zones: Mapping[str, Any] | None = None,
        operators: Mapping[str, Any] | None = None,
        **cluster: Any,
    ) -> ControlSettings:
        return ControlSettings.model_validate(
            {
                "server": {
                    "listen": "127.0.0.1:0",
                    "tls_certificate_file": self.folder / "tls.crt",
                    "tls_key_file": self.folder / "tls.key",
                    "drain_seconds": 0,
                },
                "http": {"listen": "127.0.0.1:0"},
                "master": {"directory": self.masters},
                "cluster": {
                    "url": self.api.address,
                    "token_file": self.folder / "own-token",
                    "ca_file": self.authority.certificate,
                    **cluster,
                },
                "zones": zones or {},
                "operators": operators,
                "audit": {"sink": "file", "path": self.folder / "changes.log"},
            }
        )

    @asynccontextmanager
    async def service(
        self,
        listen: str = "127.0.0.1:0",
        *,
        zones: Mapping[str, Any] | None = None,
        operators: Mapping[str, Any] | None = None,
        **cluster: Any,
    ) -> AsyncIterator[ControlService]:
        settings = self.settings(zones, operators, **cluster)
        server = settings.server.model_copy(update={"listen": listen})
        async with control_service(settings.model_copy(update={"server": server})) as running:
            yield running
            # Connections that clients have just cut, some of them in a handshake, are noticed before the loop ends.
            await asyncio.sleep(0.1)

    async def renew(self, **options: float) -> None:
        """Add a generation of the master key."""
        await asyncio.to_thread(create, self.masters, **options)
