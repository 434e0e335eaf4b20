"""Says what is due: a pure function of the Secret, of what is published, and of the time.

Two laws hold after each step. A certificate is signed only by an authority that is published. An authority stays
published until no replica serves what it signed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tabard_sidecar.certificates.contents import Contents
from tabard_sidecar.certificates.pairs import Pair, a_third_left, issue, names_of, new_authority, valid_at
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

ROTATE = "tabard.dev/rotate"
"""Annotation of the Secret, by which an operator asks for a rotation."""
ASK_AUTHORITY, ASK_ANEW = "ca", "anew"
_DAY = 86400.0
_MOST_NAMES = 32
_AHEAD_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Terms:
    """How certificates are made; times are in seconds.

    Attributes:
        title: begins the names of authorities.
        names: what the certificate is for.
        overlap: how long two authorities are published together, before the new one signs, and afterwards.
        authority: life of an authority.
        leaf: life of a certificate.
    """

    title: str
    names: tuple[str, ...]
    overlap: float
    authority: float
    leaf: float


@dataclass(frozen=True, slots=True)
class Step:
    """A change that is due.

    Attributes:
        contents: what the Secret holds afterwards.
        what: what it is, for the log.
        loud: it comes from an edited or expired Secret.
        answers: it does what the annotation asks for, which is removed with it.
    """

    contents: Contents
    what: str
    loud: bool = False
    answers: bool = False


def due(
    contents: Contents | None,
    asked: str,
    published: frozenset[Certificate] | None,
    terms: Terms,
    now: float,
) -> Step | None:
    """Return the next change; ``None`` if nothing is due.

    Args:
        contents: what the Secret holds; ``None`` if it is empty.
        asked: value of the annotation.
        published: authorities that all clients trust; ``None`` if none of them trusts any.
        terms: how certificates are made.
        now: in seconds since 1970.
    """
    if contents is None:
        return Step(_fresh(terms, now), "an authority and a certificate are made")
    if asked == ASK_ANEW:
        return Step(_fresh(terms, now), "everything is made anew, as the annotation asks", answers=True)
    if not valid_at(contents.authority.certificate, now):
        # No one accepts what it signed, so there is nothing to overlap with.
        return Step(_fresh(terms, now), "everything is made anew: the authority isn't valid now", loud=True)
    return _leaf_due(contents, published, terms, now) or (
        _end_due(contents, terms, now)
        or _switch_due(contents, published, terms, now)
        or _begin_due(contents, asked, terms, now)
    )


def _fresh(terms: Terms, now: float) -> Contents:
    authority = _authority(terms, now)
    return Contents(authority, issue(authority, terms.names, now, terms.leaf))


def _authority(terms: Terms, now: float) -> Pair:
    # With names of their own, clients find the right one at once.
    return new_authority(f"{terms.title} {secrets.token_hex(4)}"[:64], now, terms.authority)


def _leaf_due(
    contents: Contents, published: frozenset[Certificate] | None, terms: Terms, now: float
) -> Step | None:
    if published is not None and contents.authority.certificate not in published:
        return None
    leaf, loud, names = contents.leaf, False, terms.names
    if leaf is None:
        why, loud = contents.problem, True
    elif not valid_at(leaf.certificate, now):
        why, loud = "the former one isn't valid now", True
    elif missing := frozenset(terms.names) - names_of(leaf.certificate):
        # Those of replicas with another configuration are kept, or both would sign in turn.
        why = f"the former one isn't for {', '.join(sorted(missing))}"
        names = _joined(terms.names, sorted(names_of(leaf.certificate)))
    elif a_third_left(leaf.certificate, now) and _outlived(contents, leaf):
        why = "a third of the former one's life is left"
    else:
        return None
    renewed = issue(contents.authority, names, now, terms.leaf)
    return Step(_with(contents, leaf=renewed), f"a certificate is made: {why}", loud=loud)


def _outlived(contents: Contents, leaf: Pair) -> bool:
    """Tell whether another certificate could live longer than this one."""
    return leaf.certificate.not_valid_after_utc < contents.authority.certificate.not_valid_after_utc


def _joined(own: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*own, *others]))[:_MOST_NAMES]


def _end_due(contents: Contents, terms: Terms, now: float) -> Step | None:
    if contents.former is None:
        return None
    if _unknown(contents.former_since, now):
        return Step(_with(contents, former_since=now), "the former authority's time begins anew", loud=True)
    if not _over(contents.former_since, terms, now):
        return None
    ended = Contents(contents.authority, contents.leaf, contents.following, contents.following_since)
    return Step(ended, "the former authority isn't published any more")


def _switch_due(
    contents: Contents, published: frozenset[Certificate] | None, terms: Terms, now: float
) -> Step | None:
    following = contents.following
    if following is None or contents.former is not None:
        return None
    if published is None or following.certificate not in published:
        return None
    if _unknown(contents.following_since, now):
        return Step(_with(contents, following_since=now), "the next authority is published")
    if not _over(contents.following_since, terms, now):
        return None
    leaf = issue(following, terms.names, now, terms.leaf)
    switched = Contents(following, leaf, None, None, contents.authority.certificate, now)
    return Step(switched, "the next authority signs", answers=True)


def _begin_due(contents: Contents, asked: str, terms: Terms, now: float) -> Step | None:
    if contents.following is not None or contents.former is not None:
        return None
    wanted = asked == ASK_AUTHORITY
    if not wanted and not a_third_left(contents.authority.certificate, now):
        return None
    begun = _with(contents, following=_authority(terms, now))
    return Step(begun, "the next authority is made, and published beside the one that signs", answers=wanted)


def _unknown(since: float | None, now: float) -> bool:
    """Tell whether a moment can't be one that a replica wrote."""
    return since is None or since > now + _AHEAD_SECONDS


def _over(since: float | None, terms: Terms, now: float) -> bool:
    return since is not None and now >= since + terms.overlap


def _with(
    contents: Contents,
    *,
    leaf: Pair | None = None,
    following: Pair | None = None,
    following_since: float | None = None,
    former_since: float | None = None,
) -> Contents:
    """Return the contents with what is given in place of what they have."""
    return Contents(
        contents.authority,
        leaf or contents.leaf,
        following or contents.following,
        contents.following_since if following_since is None else following_since,
        contents.former,
        contents.former_since if former_since is None else former_since,
        contents.problem if leaf is None else "",
    )
