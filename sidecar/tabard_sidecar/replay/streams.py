"""Opens files of decision logs, plain or compressed with gzip, and tells how far they were read."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from tabard_sidecar.records.file_sink import open_log

_MAGIC = b"\x1f\x8b"
_BUFFER_BYTES = 256 * 1024


@contextmanager
def opened(file: Path, progress: Callable[[int], None], *, regular: bool = False) -> Iterator[BinaryIO]:
    """Open a file for reading, also if it is compressed. ``regular`` refuses what may keep a reader for ever.

    Raises:
        OSError: it can't be read, or isn't what its first bytes say; ``filename`` is set.
    """
    try:
        with open_log(file, regular=regular) as plain:
            counted = io.BufferedReader(_Counted(plain, progress), _BUFFER_BYTES)
            if counted.peek(2)[:2] == _MAGIC:
                with gzip.open(counted) as inner:
                    yield cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", inner), _BUFFER_BYTES))
            else:
                yield cast("BinaryIO", counted)
    except EOFError as error:
        raise OSError(0, f"it isn't whole: {error}", str(file)) from error
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno or 0, error.strerror or str(error), str(file)) from error
        raise


class _Counted(io.RawIOBase):
    """Reads from a file and tells how many bytes were read."""

    def __init__(self, inner: BinaryIO, progress: Callable[[int], None]) -> None:
        self._inner = inner
        self._progress = progress

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any buffer of bytes
        """Fill a buffer; return how many bytes were read."""
        content = self._inner.read(len(buffer))
        buffer[: len(content)] = content
        self._progress(len(content))
        return len(content)
