"""The Secret as strangers may have left it: what can't be used is told, and never served."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.certificates.contents import UnusableError, read_contents, write_contents
from tabard_sidecar.certificates.pairs import issue, new_authority
from tabard_sidecar.certificates.rotation import Terms, due

TERMS = Terms("test", ("a.b.svc",), 600.0, 365 * 86400.0, 90 * 86400.0)
NOW = 1_800_000_000.0


def fresh() -> dict[str, str]:
    step = due(None, "", None, TERMS, NOW)
    assert step is not None
    return write_contents(step.contents)


DATA = fresh()
OTHER = fresh()


def test_what_is_written_is_read():
    contents = read_contents(DATA)
    assert contents is not None
    assert write_contents(contents) == DATA
    assert read_contents({}) is None
    assert read_contents({"ca.crt": "", "other": "eA=="}) is None


UNUSABLE = {
    "authority gone": ({"ca.crt": ""}, "ca.crt is no certificate in PEM form"),
    "key of the authority gone": ({"ca.key": ""}, "ca.crt has a key that isn't one in PEM form"),
    "another authority's key": ({"ca.key": OTHER["ca.key"]}, "ca.crt has the key of another certificate"),
    "truncated": ({"ca.crt": DATA["ca.crt"][:400]}, "ca.crt is no certificate in PEM form"),
    "no Base64": ({"ca.crt": "%%%"}, "ca.crt isn't in Base64"),
    "no text": ({"ca.crt": 7}, "ca.crt is longer than"),
    "huge": ({"ca.crt": "A" * 20_000}, "ca.crt is longer than"),
    "two authorities": (
        {
            "ca.crt": base64.b64encode(
                base64.b64decode(DATA["ca.crt"]) + base64.b64decode(OTHER["ca.crt"])
            ).decode()
        },
        "ca.crt holds 2 certificates instead of one",
    ),
    "no authority": ({"ca.crt": DATA["tls.crt"], "ca.key": DATA["tls.key"]}, "ca.crt is no authority"),
    "former is no authority": ({"former-ca.crt": DATA["tls.crt"]}, "former-ca.crt is no authority"),
    "next without a key": ({"next-ca.crt": OTHER["ca.crt"]}, "next-ca.crt has a key that isn't one"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_authority_that_cannot_be_used_is_told(case):
    change, problem = UNUSABLE[case]
    with pytest.raises(UnusableError, match=problem):
        read_contents(DATA | change)


LEAVES = {
    "foreign key": {"tls.key": OTHER["tls.key"]},
    "foreign certificate": {"tls.crt": OTHER["tls.crt"], "tls.key": OTHER["tls.key"]},
    "gone": {"tls.crt": "", "tls.key": ""},
    "truncated": {"tls.crt": DATA["tls.crt"][:200]},
    "the authority's own": {"tls.crt": DATA["ca.crt"], "tls.key": DATA["ca.key"]},
}


@pytest.mark.parametrize("case", LEAVES)
def test_another_certificate_is_made_for_one_that_cannot_be_used(case):
    contents = read_contents(DATA | LEAVES[case])
    assert contents is not None
    assert contents.leaf is None
    assert due(contents, "", frozenset(), TERMS, NOW) is None, "its authority isn't published"
    step = due(contents, "", frozenset([contents.authority.certificate]), TERMS, NOW)
    assert step is not None
    assert step.loud
    again = read_contents(write_contents(step.contents))
    assert again is not None
    assert again.leaf is not None
    assert again.authority.certificate == contents.authority.certificate


@given(
    st.dictionaries(
        st.sampled_from([*DATA, "next-ca.crt", "next-ca.since", "former-ca.crt"]), st.text(max_size=40)
    )
)
def test_no_edit_raises_anything_else(change):
    try:
        contents = read_contents(DATA | change)
    except UnusableError:
        return
    if contents is not None:
        due(contents, "", None, TERMS, NOW)


def test_an_expired_authority_is_replaced_at_once():
    """No one accepts what it signed: there is nothing to overlap with."""
    contents = read_contents(DATA)
    step = due(contents, "", frozenset(contents.bundle), TERMS, NOW + 400 * 86400)
    assert step is not None
    assert step.loud
    assert step.contents.authority.certificate != contents.authority.certificate
    assert step.contents.former is None


def test_replicas_with_other_names_do_not_sign_in_turn():
    """During an upgrade they differ: the certificate is for the names of both."""
    one, other = (Terms("t", names, 600.0, 3e7, 8e6) for names in (("a.svc",), ("b.svc", "127.0.0.1")))
    contents = due(None, "", None, one, NOW).contents
    published = frozenset(contents.bundle)
    contents = due(contents, "", published, other, NOW).contents
    for terms in (one, other):
        assert due(contents, "", published, terms, NOW) is None


def test_a_certificate_never_outlives_its_authority():
    authority = new_authority("t", NOW, 1000)
    leaf = issue(authority, ["a.svc"], NOW, 5000)
    assert leaf.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc
