"""Tells which labels a chain sees, and which of them have yet to be stored with those who saw them.

Labels belong to a task, to a branch of it, or to an owner: a person together with a workload, or with a named branch of
a workload. What an owner has read in one task counts in every task of the same person in which the owner takes part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson

from tabard_sidecar.model import REPORTED
from tabard_sidecar.util.lean import dataclass

COLLAPSED = f"{REPORTED}collapsed"
"""Stands for reported labels that aren't listed: another workload reported them, or they were too many."""


@dataclass(frozen=True, slots=True)
class OwnerLabel:
    """A label of an owner.

    Attributes:
        label: the label.
        at: when the owner last got it.
        wide: it applies to the whole of a task; if not, to what is below the owner's link.
    """

    label: str
    at: float
    wide: bool


@dataclass(frozen=True, slots=True)
class CarriedLabel:
    """A label that policy saw and that has to be stored elsewhere, too: with ``owner``, or with the task if that is empty.

    ``at`` is when it was added first.
    """

    owner: str
    label: str
    at: float
    wide: bool


@dataclass(frozen=True, slots=True)
class LabelsSeen:
    """The labels that a chain sees, sorted, and those that the next reservation has to carry on."""

    labels: tuple[str, ...] = ()
    carried: tuple[CarriedLabel, ...] = ()


def owner_id(issuer: str, subject_id: str, workload: str, branches: Sequence[str] = ()) -> str:
    """Return the id of a person together with a workload, or with a branch of one.

    ``branches`` are the names of the branches since the workload got the grant, outermost first.
    """
    return hashlib.sha256(orjson.dumps((issuer, subject_id, workload, *branches))).hexdigest()


def retold(label: str) -> str:
    """Return the label as others than the one who reported it get it."""
    return COLLAPSED if label.startswith(REPORTED) else label


def seen(
    task: Mapping[str, float],
    branches: Iterable[str],
    owned: Mapping[str, Sequence[OwnerLabel]],
    owners: Sequence[str],
    workloads: Sequence[str],
) -> LabelsSeen:
    """Return what a chain sees.

    Args:
        task: labels of the whole task, with the times at which they were added.
        branches: labels of the chain's branches.
        owned: labels of the chain's owners, by owner.
        owners: who holds the links of the chain, as the chain says.
        workloads: those of its root and its hops.
    """
    visible = {*task, *branches, *(one.label for some in owned.values() for one in some)}
    return LabelsSeen(tuple(sorted(visible)), tuple(_carried(task, owned, owners, workloads)))


def _carried(
    task: Mapping[str, float],
    owned: Mapping[str, Sequence[OwnerLabel]],
    owners: Sequence[str],
    workloads: Sequence[str],
) -> Iterator[CarriedLabel]:
    """Yield the labels that the task, the workloads of its chain or its holder don't have yet, though they see them."""
    everywhere = dict(task)
    for one in (one for some in owned.values() for one in some if one.wide):
        label = retold(one.label)
        if one.label not in everywhere and label not in everywhere:
            everywhere[label] = one.at
            yield CarriedLabel("", label, one.at, wide=True)
    for workload in workloads:
        held = {one.label for one in owned.get(workload, ()) if one.wide}
        yield from _missing(workload, everywhere, held, wide=True)
    if workloads:
        # A workload doesn't see the labels of its own branches, but those of every branch that it was handed over from.
        last = workloads[-1]
        to_it = owners[: len(owners) - owners[::-1].index(last)]
        narrow = {one.label: one.at for owner in to_it for one in owned.get(owner, ())}
        yield from _missing(
            last, narrow, {*everywhere, *(one.label for one in owned.get(last, ()))}, wide=False
        )


def _missing(
    owner: str, labels: Mapping[str, float], held: set[str], *, wide: bool
) -> Iterator[CarriedLabel]:
    found = dict[str, float]()
    for label, at in labels.items():
        if label not in held and retold(label) not in held:
            found[retold(label)] = max(at, found.get(retold(label), at))
    for label, at in found.items():
        yield CarriedLabel(owner, label, at, wide=wide)
