"""``python -m tabard_sidecar.cli``, the same as ``tabard``."""

import sys

from tabard_sidecar.cli import main

sys.exit(main())
