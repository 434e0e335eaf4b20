"""The configuration: ``tabard.yaml``, environment and flags, checked as a whole.

The names below are imported when they are first used: each package defines its own section, and importing one section must
not import the other packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.config.loading import Loaded, load
    from tabard_sidecar.config.policy_options import compile_options
    from tabard_sidecar.config.sections import LimitsConfig, insecure_switches
    from tabard_sidecar.config.settings import Settings

__all__ = [
    "LimitsConfig",
    "Loaded",
    "Settings",
    "compile_options",
    "insecure_switches",
    "load",
]

__getattr__ = late_names(
    __name__,
    {
        "LimitsConfig": "sections",
        "Loaded": "loading",
        "Settings": "settings",
        "compile_options": "policy_options",
        "insecure_switches": "sections",
        "load": "loading",
    },
)
