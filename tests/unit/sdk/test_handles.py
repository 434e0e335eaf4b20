"""Handles of people, tasks and agents."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard import handles

NAMES = st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"]))
ISSUERS = NAMES.filter(lambda issuer: "\n" not in issuer)


def test_handles_that_others_compute_as_well():
    """Fixed for all time: backends have them in tables."""
    assert handles.subject_handle("https://idp.example.org", "alice") == "ptzmshmq3brvpznw"
    assert handles.task_handle("task-1") == "pl5kgrvu"
    assert handles.agent_handle("spiffe://example.org/ns/support/sa/agent") == "42bjpjhk"


@given(ISSUERS, NAMES)
def test_a_persons_handle_is_the_first_80_bits_of_their_name(issuer, subject):
    digest = hashlib.sha256(f"{issuer}\n{subject}".encode()).digest()[:10]
    handle = handles.subject_handle(issuer, subject)
    assert base64.b32decode(handle.upper()) == digest


@given(ISSUERS, NAMES, NAMES, NAMES)
def test_what_stands_in_a_logins_name_can_be_taken_apart(issuer, subject, task_id, agent_id):
    made = handles.login_handle(issuer=issuer, subject=subject, task_id=task_id, agent_id=agent_id)
    assert re.fullmatch(r"[a-z2-7]{16}-[a-z2-7]{8}-[a-z2-7]{8}", made)
    assert made.split("-") == [
        handles.subject_handle(issuer, subject),
        handles.task_handle(task_id),
        handles.agent_handle(agent_id),
    ]


@pytest.mark.parametrize(
    "person", [("", "alice"), ("https://idp", ""), ("https://idp\nalice", "bob"), ("https://idp", "\ud800")]
)
def test_a_person_without_a_name_has_no_handle(person):
    """Nor one whose issuer could be read as another issuer and a part of the subject."""
    with pytest.raises(ValueError, match=r".+"):
        handles.subject_handle(*person)


@pytest.mark.parametrize("handle", [handles.task_handle, handles.agent_handle])
def test_an_empty_name_has_no_handle(handle):
    with pytest.raises(ValueError, match="empty"):
        handle("")
