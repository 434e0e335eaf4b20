"""The configuration: ``tabard.yaml``, environment and flags, checked as a whole."""

from tabard_sidecar.config.loading import Loaded, find_file, load
from tabard_sidecar.config.problems import ConfigError, Problem
from tabard_sidecar.config.settings import Settings
from tabard_sidecar.config.switches import insecure_switches

__all__ = ["ConfigError", "Loaded", "Problem", "Settings", "find_file", "insecure_switches", "load"]
