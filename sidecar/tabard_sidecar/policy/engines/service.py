"""Follows a bundle at a URL, and evaluates it in this process.

Requests go on in the background. What they bring is verified, compared with the bundle in use, compiled and kept by
:meth:`BundleProvider.load`, which the runtime calls when :meth:`BundleProvider.fingerprint` says that something changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tabard.files import stamp
from tabard_opa import Engine

from tabard_sidecar.policy.conf import DownloadConfig
from tabard_sidecar.policy.engines.download import Downloader, Fetched
from tabard_sidecar.policy.engines.embedded import activate, activate_large
from tabard_sidecar.policy.engines.kept import Keeper, KeptBundle
from tabard_sidecar.policy.engines.pace import Pace
from tabard_sidecar.policy.engines.provider import Active, load_took_too_long
from tabard_sidecar.policy.engines.stuck import StuckCount
from tabard_sidecar.policy.loading.compiling import CompileOptions, read_bundle_policy
from tabard_sidecar.policy.loading.sequences import Place, require_not_older, sequence_of
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.util.detached import Detached, StuckError
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class _Offer:
    """A bundle that the server sent and that isn't in use."""

    content: bytes
    etag: str
    sha256: str


class BundleProvider:
    """Loads the bundle at a URL. The last good one stays usable if the server or what it sends is broken.

    Args:
        engine: evaluates the policy.
        url: the bundle's address.
        config: how it is fetched.
        folder: the private folder that keeps the last good bundle.
        options: how policies are compiled; they hold the keys that may sign.
        load_seconds: longest time of a load.
    """

    keeps_last_good = True
    outdated = None
    unchecked = False

    def __init__(  # noqa: PLR0913 - one argument per part
        self,
        engine: Engine,
        url: str,
        config: DownloadConfig,
        folder: Path,
        options: CompileOptions,
        *,
        load_seconds: float = 30.0,
    ) -> None:
        self._engine = engine
        self._config = config
        self._options = options
        self._load_seconds = load_seconds
        parts = urlsplit(url)
        self._shown = Path(parts.netloc + parts.path)
        self._downloader = Downloader(url, config, options.sizes.whole_bytes)
        self._keeper = Keeper(folder, url, options.sizes.whole_bytes)
        self._pace = Pace(config.min_delay_seconds, config.max_delay_seconds)
        self._stuck = StuckCount(engine)
        self._looking = Detached("looking for changes of the policy's keys", places=1, often=True)
        self._loading = Detached("loading the policy")
        self._poller: asyncio.Task[None] | None = None
        self._kept: KeptBundle | None = None
        self._kept_sha256 = ""
        self._offer: _Offer | None = None
        self._trouble: tuple[PolicyProblem, ...] = ()
        self._refused = ""
        self._serving = False
        self._owed = 0

    async def fingerprint(self) -> object:
        """Return a value that changes with what the server sends, with its failures, and with the files of the keys."""
        try:
            await self._begin()
        except PolicyBrokenError as error:
            return str(error)
        latest = self._offer.sha256 if self._offer is not None else self._kept_sha256
        return latest, self._trouble, self._owed, await self._key_stamps()

    async def load(self) -> Active:
        """Verify, check and compile what the server sent last, off the event loop, and keep it.

        The first load uses the bundle that was kept if the server has no good one; the next load tells why.
        """
        await self._begin()
        problems = set(self._trouble)
        if self._offer is not None:
            try:
                return self._served(await self._take(self._offer))
            except PolicyBrokenError as error:
                problems.update(error.problems)
        if self._kept is None or (problems and self._serving):
            raise PolicyBrokenError(problems)
        try:
            active, _ = await self._compiled(self._kept.content, None)
        except PolicyBrokenError as error:
            raise PolicyBrokenError({*problems, *error.problems}) from error
        return self._served(active)

    def stuck(self) -> tuple[int, int]:
        """Return what the engine counts; a closed one evaluates nothing."""
        return self._stuck.read()

    async def close(self) -> None:
        """End the requests."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _begin(self) -> None:
        """Read what was kept and ask the server once; then go on asking."""
        if self._poller is not None:
            return
        try:
            self._kept = await self._looking.run(self._keeper.read, self._load_seconds)
        except (OSError, StuckError) as error:
            raise self._not_kept(error) from error
        if self._kept is not None:
            self._kept_sha256 = _sha256(self._kept.content)
        pause = await self._ask(at_once=True)
        self._poller = asyncio.create_task(self._poll(pause), name="policy-download")

    async def _poll(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            pause = await self._ask()

    async def _ask(self, *, at_once: bool = False) -> float:
        """Ask the server once, note what it says, and return how long to pause then."""
        began = time.monotonic()
        etag = self._kept.etag if self._kept is not None else ""
        wait = 0 if at_once or not etag else self._config.long_polling_seconds
        try:
            fetched = await self._downloader.fetch(etag, wait)
        except PolicyBrokenError as error:
            self._trouble = error.problems
            return self._pace.failed()
        except Exception as error:  # noqa: BLE001 - whatever it was, the server has to be asked further
            message = f"asking failed unexpectedly: {type(error).__name__}: {error}"
            self._trouble = (PolicyProblem(str(self._shown), 0, 0, "internal", message, "Report it"),)
            return self._pace.failed()
        await self._note(fetched)
        self._trouble = ()
        if self._offer is not None and self._offer.sha256 == self._refused:
            return self._pace.failed()
        if fetched.waits and self._config.long_polling_seconds:
            return self._pace.waited(time.monotonic() - began)
        return self._pace.answered()

    async def _note(self, fetched: Fetched) -> None:
        """Note whether the server has another bundle than the one that was kept."""
        if fetched.content is None:
            self._offer = None
            return
        found = await asyncio.to_thread(_sha256, fetched.content)
        if self._kept is not None and found == self._kept_sha256:
            self._offer, self._kept = None, replace(self._kept, etag=fetched.etag)
        elif self._offer is None or found != self._offer.sha256:
            self._offer = _Offer(fetched.content, fetched.etag, found)

    async def _take(self, offer: _Offer) -> Active:
        """Activate what the server sent, and keep it.

        Raises:
            PolicyBrokenError: it can't be used, or not be kept.
        """
        self._refused = offer.sha256
        last = self._kept.place if self._kept is not None else None
        active, place = await self._compiled(offer.content, last)
        kept = KeptBundle(offer.content, offer.etag, place, active.revision)
        try:
            await self._loading.run(
                lambda: self._keeper.write(kept, self._config.accept_sequence, self._shown),
                self._load_seconds,
            )
        except PolicyBrokenError:
            active.close()
            raise
        except (OSError, StuckError) as error:
            active.close()
            raise self._not_kept(error) from error
        self._kept, self._kept_sha256, self._refused = kept, offer.sha256, ""
        if self._offer is offer:
            self._offer = None
        return active

    async def _compiled(self, content: bytes, last: Place | None) -> tuple[Active, Place]:
        """Verify, check and compile a bundle that mustn't be older than the last one.

        Raises:
            PolicyBrokenError: with every problem that was found.
        """
        busy = time.process_time()
        try:
            return await self._loading.run(
                lambda: self._compile(content, last), self._load_seconds, lambda late: late[0].close()
            )
        except StuckError as error:
            raise load_took_too_long(str(self._shown), error, time.process_time() - busy) from error
        finally:
            # Checking a policy evaluates parts of it.
            self._stuck.began(0)

    def _compile(self, content: bytes, last: Place | None) -> tuple[Active, Place]:
        if self._options.large:
            return activate_large(
                self._engine,
                self._shown,
                content,
                self._options,
                self._stuck.began,
                accept=lambda place: require_not_older(
                    place, last, self._config.accept_sequence, self._shown
                ),
            )
        source = read_bundle_policy(self._engine, content, self._shown, self._options.bundle_keys)
        place = Place(sequence_of(source.manifest, str(self._shown)), source.digest)
        require_not_older(place, last, self._config.accept_sequence, self._shown)
        active = activate(self._engine, source, self._options, self._stuck.began)
        # From now on a process serves that a later policy must not take down; before, it only wouldn't start.
        self._options = replace(self._options, apart=True)
        return active, place

    def _served(self, active: Active) -> Active:
        """Note that a policy is served; the runtime loads again to hear what is still wrong."""
        self._serving = True
        if self._trouble or self._offer is not None:
            self._owed += 1
        return active

    async def _key_stamps(self) -> object:
        keys = self._options.bundle_keys
        files = [path for _, path in keys.files.values()] if keys is not None else []
        try:
            return await self._looking.run(lambda: tuple(map(_stamp, files)), self._load_seconds)
        except StuckError as error:
            return str(error)

    def _not_kept(self, error: OSError | StuckError) -> PolicyBrokenError:
        reason = explain(error) if isinstance(error, OSError) else str(error)
        message = f"the last good bundle can't be kept or read: {reason}"
        step = "Set policy.download.folder to a private folder of the sidecar's user, and mend what is told"
        return PolicyBrokenError([PolicyProblem("", 0, 0, "not_kept", message, step)])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _stamp(path: Path) -> object:
    try:
        return stamp(path.stat())
    except OSError as error:
        return str(error)
