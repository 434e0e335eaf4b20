"""Authorities are read as OpenSSL reads them, or not at all."""

from __future__ import annotations

import pytest
from tabard_sidecar.certificates.pairs import authorities_in, new_authority, pem

OURS = new_authority("ours", 1_800_000_000, 86_400).certificate
OTHER = new_authority("other", 1_800_000_000, 86_400).certificate


def test_what_was_written_is_read():
    """Also with other line ends and blank lines around."""
    written = pem(OURS, OTHER)
    assert authorities_in(written) == (OURS, OTHER)
    assert authorities_in(b"\n" + written.replace(b"\n", b"\r\n") + b"\n\n") == (OURS, OTHER)
    assert authorities_in(b"") == ()


@pytest.mark.parametrize("label", [b"TRUSTED CERTIFICATE", b"X509 CERTIFICATE", b"PRIVATE KEY"])
def test_a_block_that_is_no_plain_certificate_makes_all_of_it_unreadable(label):
    """OpenSSL trusts the first two, and `cryptography` reads none of them: who compares would see no difference."""
    hidden = pem(OTHER).replace(b"CERTIFICATE", label)
    assert authorities_in(pem(OURS) + hidden) == ()
    assert authorities_in(hidden + pem(OURS)) == ()


def test_words_beside_certificates_make_them_unreadable():
    """So what is compared is all that a reader finds."""
    assert authorities_in(b"# ours\n" + pem(OURS)) == ()
