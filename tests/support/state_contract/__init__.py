"""What every state store has to do, as tests that run on each of them.

A test module subclasses :class:`StateContract` and provides the fixture ``new_store``: a function that returns another
instance, not yet open, of the same store, as another sidecar of the zone would have it.
"""

import pytest

_PARTS = (
    "approvals",
    "budgets",
    "calls",
    "children",
    "interleavings",
    "labels",
    "model",
    "records",
    "revocations",
    "unchanged",
    "upkeep",
)
for _part in _PARTS:
    pytest.register_assert_rewrite(f"{__name__}.{_part}")

from tests.support.state_contract.approvals import ApprovalsContract  # noqa: E402 - after the registration
from tests.support.state_contract.budgets import BudgetsContract  # noqa: E402
from tests.support.state_contract.calls import CallsContract  # noqa: E402
from tests.support.state_contract.children import ChildrenContract  # noqa: E402
from tests.support.state_contract.interleavings import InterleavingsContract  # noqa: E402
from tests.support.state_contract.labels import LabelsContract  # noqa: E402
from tests.support.state_contract.model import ModelContract  # noqa: E402
from tests.support.state_contract.records import RecordsContract  # noqa: E402
from tests.support.state_contract.revocations import RevocationsContract  # noqa: E402
from tests.support.state_contract.unchanged import UnchangedContract  # noqa: E402
from tests.support.state_contract.upkeep import UpkeepContract  # noqa: E402


class StateContract(
    RecordsContract,
    BudgetsContract,
    LabelsContract,
    CallsContract,
    ChildrenContract,
    RevocationsContract,
    ApprovalsContract,
    UpkeepContract,
    UnchangedContract,
    InterleavingsContract,
    ModelContract,
):
    """All of it."""


__all__ = ["StateContract"]
