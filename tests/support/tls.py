"""A certificate authority for tests: servers on loopback and clients, in PEM files."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    """Issues certificates below ``folder``; ``certificate`` is its own, to be trusted."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        authority = x509.BasicConstraints(ca=True, path_length=0)
        signs = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        own = self._builder(self._name, self._key).add_extension(authority, critical=True)
        own = own.add_extension(signs, critical=True)
        self.certificate = folder / f"{name}-ca.pem"
        self.certificate.write_bytes(self._sign(own))

    def issue(
        self,
        name: str,
        *,
        names: list[str] | None = None,
        begins: dt.timedelta = dt.timedelta(minutes=-5),
        ends: dt.timedelta = dt.timedelta(hours=1),
        usage: str = "",
    ) -> tuple[Path, Path]:
        """Return certificate and key of a peer: on 127.0.0.1, or of DNS names instead; ``usage`` limits it to "client"."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key, begins, ends)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        stated = [address] if names is None else [x509.DNSName(one) for one in names]
        if stated:
            builder = builder.add_extension(x509.SubjectAlternativeName(stated), critical=False)
        if usage:
            limited = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(limited, critical=True)
        return _written(self.folder, name, self._sign(builder), key)

    @classmethod
    def issue_own(cls, folder: Path, name: str) -> tuple[Path, Path]:
        """Return certificate and key of a peer on 127.0.0.1 that has signed its certificate itself."""
        own = cls(folder, name)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = own._builder(own._name, own._key).add_extension(
            x509.SubjectAlternativeName([address]), critical=False
        )
        return _written(folder, name, own._sign(builder), own._key)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begins: dt.timedelta = dt.timedelta(minutes=-5),
        ends: dt.timedelta = dt.timedelta(hours=1),
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        # Python 3.13 and newer refuse chains without the identifiers, as RFC 5280 says.
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(issuer, critical=False)
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _written(
    folder: Path, name: str, certificate: bytes, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(certificate)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    private.chmod(0o600)
    return public, private
