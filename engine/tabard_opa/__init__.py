"""Open Policy Agent as a library: compile Rego, evaluate it under a deadline, evaluate it partially."""

from tabard_opa.answered import Answered, Reading
from tabard_opa.bundle import Bundle, BundleVerification, VerificationKey
from tabard_opa.engine import Engine, EngineStats, default_capabilities, opa_version, parse_bundle
from tabard_opa.errors import (
    UNFINISHED,
    EngineError,
    EvaluationError,
    ForkedError,
    PolicyProblem,
    TabardOpaError,
)
from tabard_opa.explaining import Clause, Explanation, Shown
from tabard_opa.measuring import Coverage, FileCoverage, Profile, Range, Step
from tabard_opa.policy import Policy, Residual

__all__ = [
    "UNFINISHED",
    "Answered",
    "Bundle",
    "BundleVerification",
    "Clause",
    "Coverage",
    "Engine",
    "EngineError",
    "EngineStats",
    "EvaluationError",
    "Explanation",
    "FileCoverage",
    "ForkedError",
    "Policy",
    "PolicyProblem",
    "Profile",
    "Range",
    "Reading",
    "Residual",
    "Shown",
    "Step",
    "TabardOpaError",
    "VerificationKey",
    "default_capabilities",
    "opa_version",
    "parse_bundle",
]
