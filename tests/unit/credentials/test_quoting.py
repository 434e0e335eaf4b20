"""Quotes of strangers in messages hold no secret."""

from __future__ import annotations

import pytest
from tabard_sidecar.credentials.quoting import quoted

PASSWORD = "pW-0123456789-AbCdEf"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            f'1 error: ERROR: syntax error at or near "{PASSWORD}" (SQLSTATE 42601)',
            "ERROR: [redacted] (SQLSTATE 42601)",
        ),
        (f"failed: pq: invalid value '{PASSWORD}' for password", "failed: pq: [redacted]"),
        (f"Error 1064 (42000): You have an error near '{PASSWORD}'", "Error 1064 [redacted]"),
        (f"FATAL: password authentication failed for user {PASSWORD} (SQLSTATE 28P01)", "(SQLSTATE 28P01)"),
        (f"dial postgresql://vault:{PASSWORD}@db:5432/x", "dial postgresql://[redacted]db:5432/x"),
        (f"cannot connect: password={PASSWORD}", "cannot connect: [redacted]"),
    ],
)
def test_what_a_database_says_of_a_statement_is_not_quoted(text, kept):
    found = quoted(text)
    assert PASSWORD not in found
    assert kept in found


def test_what_a_vault_says_itself_is_kept():
    assert quoted("permission denied") == "permission denied"
    assert quoted("unknown role: orders-read") == "unknown role: orders-read"


@pytest.mark.parametrize(
    "text",
    [
        f"bad client_secret={PASSWORD}",
        f"bad client_secret%3D{PASSWORD}&x=y",
        f"subject_token={PASSWORD}",
        f"Authorization: Basic {PASSWORD}",
        f"authorization: bearer {PASSWORD}",
    ],
)
def test_what_a_token_endpoint_repeats_of_a_request_is_not_quoted(text):
    assert PASSWORD not in quoted(text)
    assert "[redacted]" in quoted(text)
