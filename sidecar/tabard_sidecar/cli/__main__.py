"""Runs ``tabard`` as ``python -m tabard_sidecar.cli``."""

import sys

from tabard_sidecar.cli import main

sys.exit(main())
