"""Names the decorator of data classes that start fast; see :mod:`tabard._lean`."""

from tabard._lean import dataclass as dataclass  # noqa: PLC0414 - exported
