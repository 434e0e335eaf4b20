"""Certificates with their keys: made, signed, read, checked. X.509 (RFC 5280) with ECDSA on P-256."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

EARLIER_SECONDS = 3600.0
"""A certificate is valid from an hour before it was made: clocks differ."""


class PairError(ValueError):
    """Certificate or key can't be used; says why, without a name of the place."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its key."""

    certificate: Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM form."""
        return pem(self.certificate)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM form (PKCS #8)."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def new_authority(name: str, now: float, seconds: float) -> Pair:
    """Return a new authority, which signs its own certificate.

    Args:
        name: its common name.
        now: in seconds since 1970.
        seconds: how long it lives.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        _builder(subject, key.public_key(), now, now + seconds)
        .issuer_name(subject)
        .add_extension(_signer(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Pair, names: Sequence[str], now: float, seconds: float) -> Pair:
    """Return a new server certificate, which doesn't outlive its authority.

    Args:
        authority: signs it.
        names: DNS names and IP addresses.
        now: in seconds since 1970.
        seconds: how long it lives.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    # The subject says nothing: clients compare the alternative names (RFC 9525).
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tabard")])
    ends = min(now + seconds, authority.certificate.not_valid_after_utc.timestamp())
    builder = (
        _builder(subject, key.public_key(), now, ends)
        .issuer_name(authority.certificate.subject)
        .add_extension(_signer(authority.key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    )
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def read_certificate(content: bytes) -> Certificate:
    """Return the one certificate of a PEM text with a P-256 key.

    Raises:
        PairError: it is something else.
    """
    try:
        found = x509.load_pem_x509_certificates(content)
        if len(found) != 1:
            raise PairError(f"holds {len(found)} certificates instead of one")
        public = found[0].public_key()
        # What is read lazily is read now, so that nothing raises later.
        _ = (found[0].not_valid_before_utc, found[0].not_valid_after_utc, found[0].extensions)
    except PairError:
        raise
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise PairError("is no certificate in PEM form") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise PairError("has no key for ECDSA on P-256")
    return found[0]


def read_pair(certificate: bytes, key: bytes) -> Pair:
    """Return certificate and key, which belong together.

    Raises:
        PairError: one of them can't be read, or they don't.
    """
    read = read_certificate(certificate)
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PairError("has a key that isn't one in PEM form") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != read.public_key():
        raise PairError("has the key of another certificate")
    return Pair(read, private)


def is_authority(certificate: Certificate) -> bool:
    """Tell whether a certificate may sign others, and has signed itself."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return basic.ca and signed_by(certificate, certificate)


def signed_by(certificate: Certificate, authority: Certificate) -> bool:
    """Tell whether ``authority`` has signed ``certificate``."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def valid_at(certificate: Certificate, now: float) -> bool:
    """Tell whether a certificate is valid at a time in seconds since 1970."""
    return certificate.not_valid_before_utc.timestamp() <= now < certificate.not_valid_after_utc.timestamp()


def a_third_left(certificate: Certificate, now: float) -> bool:
    """Tell whether a third of a certificate's life is left, or less."""
    begins = certificate.not_valid_before_utc.timestamp() + EARLIER_SECONDS
    ends = certificate.not_valid_after_utc.timestamp()
    return ends - now <= (ends - begins) / 3


def names_of(certificate: Certificate) -> frozenset[str]:
    """Return the DNS names and IP addresses of a certificate."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(
        [
            *found.get_values_for_type(x509.DNSName),
            *map(str, found.get_values_for_type(x509.IPAddress)),
        ]
    )


def pem(*certificates: Certificate) -> bytes:
    """Return certificates in PEM form, one after another."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def authorities_in(content: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM text; none if it can't be read, or holds anything else than those.

    OpenSSL trusts blocks with other labels, too (``TRUSTED CERTIFICATE``), which aren't read here.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(content)) if content.strip() else ()
    except ValueError:
        return ()
    return found if b"".join(content.split()) == b"".join(pem(*found).split()) else ()


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, now: float, ends: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(now - EARLIER_SECONDS), UTC))
        .not_valid_after(datetime.fromtimestamp(int(ends), UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signer(key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
