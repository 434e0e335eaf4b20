"""Says which role a method needs, and who has a role in a zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.control.operators_conf import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tabard_sidecar.control.operator_callers import Operator
    from tabard_sidecar.control.operators_conf import RoleBinding

_ALL = frozenset(Role)
RIGHTS: Mapping[str, frozenset[Role]] = {
    "ListTasks": _ALL,
    "GetTaskTree": _ALL,
    "ListLeases": _ALL,
    "ListRevocations": _ALL,
    "ListApprovals": _ALL,
    "GetApprovalDetails": frozenset({Role.APPROVER}),
    "DecideApproval": frozenset({Role.APPROVER}),
    "GetApprovalGroup": frozenset({Role.APPROVER}),
    "DecideApprovalGroup": frozenset({Role.APPROVER}),
    "Revoke": frozenset({Role.OPERATOR}),
    "LiftRevocation": frozenset({Role.OPERATOR}),
}
"""Roles that may call a method, by its name. A method that isn't listed isn't served."""


def roles(caller: Operator, bindings: Iterable[RoleBinding], only_issuer: str) -> frozenset[Role]:
    """Return the roles of a caller.

    Args:
        caller: who calls.
        bindings: those of the zone.
        only_issuer: the issuer of bindings that name none; empty if there is more than one issuer.
    """
    return frozenset(one.role for one in bindings if _fits(caller, one, one.issuer or only_issuer))


def _fits(caller: Operator, binding: RoleBinding, issuer: str) -> bool:
    if caller.person is None:
        return bool(binding.service_account) and binding.service_account == caller.service_account
    if binding.service_account or not issuer or caller.person.issuer != issuer:
        return False
    return binding.group in caller.groups if binding.group else binding.person == caller.person.id
