"""Contract of the state stores: tests that every store has to pass.

A test module subclasses :class:`StateContract` and provides the fixture ``new_store``: a function that returns another
instance, not yet open, of the same store, as another sidecar of the zone would have it.
"""

from tests.contracts.state.approval_groups import ApprovalGroupsContract
from tests.contracts.state.approvals import ApprovalsContract
from tests.contracts.state.budgets import BudgetsContract
from tests.contracts.state.calls import CallsContract
from tests.contracts.state.carrying import CarryingContract
from tests.contracts.state.children import ChildrenContract
from tests.contracts.state.facts import FactsContract
from tests.contracts.state.interleavings import InterleavingsContract
from tests.contracts.state.labels import LabelsContract
from tests.contracts.state.leases import LeasesContract
from tests.contracts.state.model import ModelContract
from tests.contracts.state.records import RecordsContract
from tests.contracts.state.revocations import RevocationsContract
from tests.contracts.state.tokens import TokensContract
from tests.contracts.state.unchanged import UnchangedContract
from tests.contracts.state.upkeep import UpkeepContract


class StateContract(
    RecordsContract,
    BudgetsContract,
    LabelsContract,
    CarryingContract,
    CallsContract,
    FactsContract,
    ChildrenContract,
    RevocationsContract,
    ApprovalsContract,
    ApprovalGroupsContract,
    UpkeepContract,
    LeasesContract,
    TokensContract,
    UnchangedContract,
    InterleavingsContract,
    ModelContract,
):
    """Every part of the contract."""


__all__ = ["StateContract"]
