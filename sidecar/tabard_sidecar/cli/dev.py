"""Implements ``tabard dev``: after each save it tests the policy and decides the last decisions again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.dev_view import Round, print_round, round_json
from tabard_sidecar.cli.policy_suite import Wanted, run_suite
from tabard_sidecar.operating.failure import Failure, file_failure
from tabard_sidecar.operating.log_source import LogSource, find_log
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.operating.options import Existing, config_options, json_option, zone_option
from tabard_sidecar.operating.policy_target import Target, catalogue_option, find_target, path_argument
from tabard_sidecar.operating.terminal import echo_json, visible
from tabard_sidecar.util.config_file import find_file

if TYPE_CHECKING:
    from tabard_sidecar.developing.deciding import Again
    from tabard_sidecar.developing.watched import Stamps
    from tabard_sidecar.policy.authoring.workbench import CheckReport
    from tabard_sidecar.replay.recorded import Recorded

_QUIET_SECONDS = 0.2
_MOST_QUIET_SECONDS = 3.0
_EXAMPLES = 2


@click.command()
@path_argument
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=Existing(),
    help="Decision log of which the last decisions are decided again. Repeatable, oldest first. "
    "Default: audit.path of the configuration.",
)
@click.option(
    "--last",
    "most",
    type=click.IntRange(0, 10_000),
    default=200,
    show_default=True,
    help="How many decisions are decided again.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05, max=3600),
    default=0.3,
    show_default=True,
    help="Seconds between two looks at the files.",
)
@click.option(
    "--seconds",
    "duration",
    type=click.FloatRange(min=0),
    help="Stop after this number of seconds. Default: run until interrupted.",
)
@catalogue_option
@zone_option
@config_options
@json_option
def dev(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Watch a policy; after each save check and test it, and decide the last decisions again.

    PATH is the policy's folder or bundle; without it the configured policy is watched, and with it its decision cases,
    the catalogue and the configuration. After each save three things are told: mistakes of the policy, failed tests and
    cases, and which of the last decisions of the log differ by now, from what was decided and from the last save.

    The log is read again when it has grown, so it can't be a pipe. A policy that can't be used is told, and the next save is waited for.
    Nothing that is served changes. Ctrl-C ends it. With --json each save is one line.
    """
    developer = _Developer(given)
    developer.target()  # what is wrong with the configuration is told before anything is watched
    _require_files(given["logs"])
    until = None if given["duration"] is None else time.monotonic() + given["duration"]
    seen = developer.look()
    developer.tell([])
    while until is None or time.monotonic() < until:
        now = developer.look()
        if now == seen:
            time.sleep(given["interval"])
            continue
        now = developer.settled(now)
        changed, seen = developer.changed(seen, now), now
        if changed:
            developer.tell(changed)


def _require_files(logs: Sequence[Path]) -> None:
    """Refuse a named log that is a pipe or a device: the log is read again and again.

    Raises:
        Failure: one isn't a regular file.
    """
    for log in logs:
        if log.exists() and not log.is_file():
            raise Failure(
                "isn't a regular file, and the log is read again after each save",
                exit_codes.USAGE,
                where=visible(str(log)),
                next_step="Save the decisions in a file, or decide them once with tabard replay.",
            )


class _Developer:
    """What is done after each save.

    Args:
        given: the options of the command.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        from tabard_sidecar.developing.deciding import DecidingAgain  # noqa: PLC0415 - loads the engine

        self._given = given
        self._config: Path | None = find_file(given["config_file"], os.environ)
        self._watched: tuple[list[Path], list[Path]] = ([], [])
        self._again = DecidingAgain()
        self._log: tuple[object, list[Recorded]] = (None, [])

    def target(self) -> Target:
        """Return the policy, as the configuration compiles it now.

        Raises:
            Failure: there is none, or configuration or catalogue have mistakes.
        """
        given = self._given
        found = find_target(
            given["path"],
            given["catalogue_file"],
            given["config_file"],
            given["assignments"],
            fetches=False,
        )
        self._watched = [found.path], self._beside()
        return found

    def _beside(self) -> list[Path]:
        """Return the files that count beside the policy: configuration and catalogue."""
        from tabard_sidecar.operating.options import load_settings  # noqa: PLC0415

        found = [path for path in (self._config, self._given["catalogue_file"]) if path is not None]
        if self._given["path"] is None or self._given["config_file"] is not None:
            configured = load_settings(self._given["config_file"], self._given["assignments"]).settings
            found += [configured.catalogue.path] if configured.catalogue.path is not None else []
        return found

    def look(self) -> Stamps:
        """Look at the files."""
        from tabard_sidecar.developing.watched import look  # noqa: PLC0415

        return look(*self._watched)

    def settled(self, seen: Stamps) -> Stamps:
        """Wait until an editor has written all it writes."""
        from tabard_sidecar.developing.watched import settled  # noqa: PLC0415

        return settled(seen, self.look, time.sleep, quiet=_QUIET_SECONDS, most=_MOST_QUIET_SECONDS)

    def changed(self, before: Stamps, after: Stamps) -> list[str]:
        """Return the files that changed."""
        from tabard_sidecar.developing.watched import changed  # noqa: PLC0415

        return changed(before, after)

    def tell(self, changed: Sequence[str]) -> None:
        """Do everything once and print what was found."""
        done = self._round(changed)
        if self._given["as_json"]:
            echo_json(round_json(done), indent=None)
        else:
            print_round(done)

    def _round(self, changed: Sequence[str]) -> Round:
        began, failures = time.time(), []
        check = suite = again = None
        try:
            target = self.target()
            check = self._checked(target)
            if not check.errors:
                suite = run_suite([target], Wanted(own_catalogue=self._given["catalogue_file"] is not None))
        except Exception as error:  # noqa: BLE001 - whatever it was, the next save may mend it
            failures.append(_told(error))
        decisions, note = self._decisions()
        if check is not None and not check.errors and decisions:
            try:
                again = self._decided(target, decisions)
            except Exception as error:  # noqa: BLE001 - as above
                failures.append(_told(error))
        return Round(began, tuple(changed), check, suite, again, len(decisions), note, tuple(failures))

    @staticmethod
    def _checked(target: Target) -> CheckReport:
        from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

        from tabard_sidecar.policy.authoring import workbench  # noqa: PLC0415

        with Engine() as engine:
            return workbench.check(engine, target.path, target.options, target.catalogue)

    def _decided(self, target: Target, decisions: Sequence[Recorded]) -> Again:
        from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415
        from tabard_sidecar.replay.judging import Side  # noqa: PLC0415

        side = Side(target.path, target.options, target.catalogue)
        try:
            return self._again.decide(side, decisions, _EXAMPLES)
        except PolicyBrokenError as error:
            raise click.ClickException("; ".join(map(str, error.problems))) from error

    def _decisions(self) -> tuple[list[Recorded], str]:
        """Return the last decisions of the log, and why there are none."""
        from tabard_sidecar.developing.recent import last_decisions  # noqa: PLC0415

        given = self._given
        if not given["most"]:
            return [], ""
        try:
            source = self._source()
            stamps = [(str(file), file.stat().st_ino, file.stat().st_size) for file in source.files]
            if stamps != self._log[0]:
                odd = OddLines()
                found = last_decisions(source.files, given["most"], source.checked, odd)
                self._log = stamps, found
        except click.ClickException as error:
            return [], error.format_message()
        except OSError as error:
            return [], f"{error.filename}: {error.strerror}"
        return self._log[1], "" if self._log[1] else "the decision log has no decision of a policy"

    def _source(self) -> LogSource:
        given = self._given
        if len(given["logs"]) > 1:
            return LogSource(given["logs"], given["zone"], "--zone")
        return find_log(given["logs"], zone=given["zone"], config_file=given["config_file"], quiet=True)


def _told(error: Exception) -> click.ClickException:
    """Return what is told of an error; a file may have vanished while it was read."""
    if isinstance(error, click.ClickException):
        return error
    if isinstance(error, OSError):
        return file_failure(error)
    return Failure(f"it failed: {type(error).__name__}: {error}", exit_codes.NEGATIVE)
