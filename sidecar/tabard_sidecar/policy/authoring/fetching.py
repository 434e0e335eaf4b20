"""Fetches the bundle at ``policy.url`` once, for commands that examine it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tabard_opa import Engine

from tabard_sidecar.policy.conf import DownloadConfig
from tabard_sidecar.policy.engines.download import Downloader
from tabard_sidecar.policy.loading.compiling import CompileOptions, read_bundle_policy
from tabard_sidecar.policy.loading.sequences import sequence_of
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class FetchedBundle:
    """A bundle that a sidecar would accept as such; whether its rules pass the checks isn't known.

    Attributes:
        path: where it is as long as the context lasts.
        where: its address, without a query.
        revision: its revision.
        sequence: its number; 0 if it has none.
        signed: whether one of the configured keys has signed it.
    """

    path: Path
    where: str
    revision: str
    sequence: int
    signed: bool

    def __str__(self) -> str:
        number = f"number {self.sequence}" if self.sequence else "without a number"
        return (
            f"{self.where}: revision {self.revision}, {number}, {'verified' if self.signed else 'not signed'}"
        )

    def named(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a text, or JSON with texts, in which the address stands for the path."""
        if isinstance(value, str):
            return value.replace(str(self.path), self.where)
        if isinstance(value, dict):
            return {key: self.named(item) for key, item in value.items()}
        return [self.named(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def fetched(url: str, config: DownloadConfig, options: CompileOptions) -> Iterator[FetchedBundle]:
    """Ask the server once, and verify what it sends. Call it where no event loop runs.

    Raises:
        PolicyBrokenError: the server has no acceptable answer, with the code ``download``; or its bundle isn't acceptable.
    """
    downloader = Downloader(url, config, options.sizes.whole_bytes)
    content = asyncio.run(downloader.fetch("")).content or b""
    with tempfile.TemporaryDirectory(prefix="tabard-") as folder:
        path = Path(folder) / (Path(urlsplit(url).path).name or "bundle")
        path.write_bytes(content)
        with Engine() as engine:
            source = read_bundle_policy(
                engine, content, Path(downloader.where), options.bundle_keys, options.sizes
            )
        number = sequence_of(source.manifest, downloader.where)
        signed = options.bundle_keys is not None
        yield FetchedBundle(path, downloader.where, source.revision, number, signed)
