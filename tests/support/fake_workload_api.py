"""A fake of a SPIFFE Workload API, for answers that no real one gives. A real SPIRE is in tests/integration/spiffe."""

from __future__ import annotations

import base64
import json
import queue
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from spiffe._proto import workload_pb2, workload_pb2_grpc
from typing_extensions import override

TRUST_DOMAIN = "example.org"
ORDERS = f"spiffe://{TRUST_DOMAIN}/ns/shop/sa/orders"


def _der_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class SvidAuthority:
    """The authority of a trust domain: signs X.509-SVIDs and JWT-SVIDs."""

    def __init__(self, trust_domain: str = TRUST_DOMAIN) -> None:
        self.trust_domain = trust_domain
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain)])
        self._name = name
        self.certificate = (
            self._begun(name, name, self.key, timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )

    def _begun(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=2))
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )

    def x509(
        self, spiffe_id: str = ORDERS, *, seconds: float = 3600.0, bundle: bytes | None = None
    ) -> workload_pb2.X509SVID:
        """An X.509-SVID, as the Workload API sends it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "workload")])
        leaf = (
            self._begun(subject, self._name, key, timedelta(seconds=seconds))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [x509.ExtendedKeyUsageOID.CLIENT_AUTH, x509.ExtendedKeyUsageOID.SERVER_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)]), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return workload_pb2.X509SVID(
            spiffe_id=spiffe_id,
            x509_svid=leaf.public_bytes(serialization.Encoding.DER),
            x509_svid_key=_der_key(key),
            bundle=self.bundle if bundle is None else bundle,
        )

    @property
    def bundle(self) -> bytes:
        """The authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def jwt(
        self, spiffe_id: str = ORDERS, *, audience: Any = "tabard", seconds: float = 300.0
    ) -> workload_pb2.JWTSVID:
        """A JWT-SVID, as the Workload API sends it."""
        claims = {"sub": spiffe_id, "aud": audience, "exp": int(time.time() + seconds)}
        token = jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": "k1", "typ": "JWT"})
        return workload_pb2.JWTSVID(spiffe_id=spiffe_id, svid=token)

    @property
    def jwks(self) -> bytes:
        """The authority's JWK Set."""
        numbers = self.key.public_key().public_numbers()
        parts = {
            name: base64.urlsafe_b64encode(value.to_bytes(32)).rstrip(b"=").decode()
            for name, value in (("x", numbers.x), ("y", numbers.y))
        }
        return json.dumps(
            {"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "use": "jwt-svid", **parts}]}
        ).encode()


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass
class FakeWorkloadApi(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    """Answers with what is set; ``push`` tells of a new answer, ``refuse`` ends every stream with a status."""

    socket: Path
    svids: list[workload_pb2.X509SVID] = field(default_factory=list)
    tokens: list[workload_pb2.JWTSVID] = field(default_factory=list)
    bundles: dict[str, bytes] = field(default_factory=dict)
    refusal: grpc.StatusCode | None = None
    asked: int = 0
    _streams: list[queue.SimpleQueue[str]] = field(default_factory=list)

    def push(self, *svids: workload_pb2.X509SVID) -> None:
        """Answer with these from now on, and tell every stream."""
        self.svids = list(svids)
        self._wake()

    def refuse(self, status: grpc.StatusCode) -> None:
        """Refuse every question from now on, and end every stream."""
        self.refusal = status
        self._wake()

    def _wake(self) -> None:
        for stream in self._streams:
            stream.put("changed")

    def _check(self, context: grpc.ServicerContext) -> None:
        self.asked += 1
        if ("workload.spiffe.io", "true") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the security header is missing")
        if self.refusal is not None:
            context.abort(self.refusal, "no identity issued")

    @override
    def FetchX509SVID(
        self, request: workload_pb2.X509SVIDRequest, context: grpc.ServicerContext
    ) -> Iterator[workload_pb2.X509SVIDResponse]:
        changed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._streams.append(changed)
        context.add_callback(lambda: changed.put("gone"))
        while True:
            self._check(context)
            yield workload_pb2.X509SVIDResponse(svids=self.svids)
            if changed.get() == "gone":
                return

    @override
    def FetchJWTSVID(
        self, request: workload_pb2.JWTSVIDRequest, context: grpc.ServicerContext
    ) -> workload_pb2.JWTSVIDResponse:
        self._check(context)
        return workload_pb2.JWTSVIDResponse(svids=self.tokens)

    @override
    def FetchJWTBundles(
        self, request: workload_pb2.JWTBundlesRequest, context: grpc.ServicerContext
    ) -> Iterator[workload_pb2.JWTBundlesResponse]:
        self._check(context)
        yield workload_pb2.JWTBundlesResponse(bundles=self.bundles)


@contextmanager
def fake_workload_api(folder: Path) -> Iterator[FakeWorkloadApi]:
    """Serve a fake on a socket in a folder."""
    fake = FakeWorkloadApi(folder / "workload.sock")
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(fake, server)
    server.add_insecure_port(f"unix:{fake.socket}")
    server.start()
    try:
        yield fake
    finally:
        fake._wake()
        server.stop(0).wait()
