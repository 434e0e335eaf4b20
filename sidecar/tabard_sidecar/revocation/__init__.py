"""Revocation of tasks, workloads, people and credentials, effective at once on every sidecar of the zone.

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.revocation.admin import Receipt, RevocationAdmin
    from tabard_sidecar.revocation.build import RevocationParts, build_revocation
    from tabard_sidecar.revocation.checks import RevocationChecks
    from tabard_sidecar.revocation.conf import RevocationConfig
    from tabard_sidecar.revocation.feed import RevocationFeed
    from tabard_sidecar.revocation.hooks import HookRunner, LeaseHook
    from tabard_sidecar.revocation.impact import Impact
    from tabard_sidecar.revocation.lease_views import LeaseViews
    from tabard_sidecar.revocation.pruning import pruner
    from tabard_sidecar.revocation.targets import lease_targets, own_credential_target, subject_target
    from tabard_sidecar.revocation.task_views import TaskViews

__all__ = [
    "HookRunner",
    "Impact",
    "LeaseHook",
    "LeaseViews",
    "Receipt",
    "RevocationAdmin",
    "RevocationChecks",
    "RevocationConfig",
    "RevocationFeed",
    "RevocationParts",
    "TaskViews",
    "build_revocation",
    "lease_targets",
    "own_credential_target",
    "pruner",
    "subject_target",
]

__getattr__ = late_names(
    __name__,
    {
        "HookRunner": "hooks",
        "Impact": "impact",
        "LeaseHook": "hooks",
        "LeaseViews": "lease_views",
        "Receipt": "admin",
        "RevocationAdmin": "admin",
        "RevocationChecks": "checks",
        "RevocationConfig": "conf",
        "RevocationFeed": "feed",
        "RevocationParts": "build",
        "TaskViews": "task_views",
        "build_revocation": "build",
        "lease_targets": "targets",
        "own_credential_target": "targets",
        "pruner": "pruning",
        "subject_target": "targets",
    },
)
