"""Errors of commands, printed with place, next step and a page to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.terminal import echo, style
from tabard_sidecar.util.problems import SourceProblem


class Failure(click.ClickException):
    """Ends the command.

    Args:
        message: what went wrong.
        exit_code: how the command ends.
        where: file, address or setting that it is about.
        next_step: what to do.
        see: where to read more.
    """

    def __init__(
        self, message: str, exit_code: int, *, where: str = "", next_step: str = "", see: str = ""
    ) -> None:
        super().__init__(message)
        vars(self)["exit_code"] = exit_code
        self.next_step = next_step
        self._details = {"at": where, "next": next_step, "see": see}

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error."""
        echo(
            f"{style('error:', fg='red', bold=True)} {self.message}", lines=True, file=file, err=file is None
        )
        for name, text in self._details.items():
            if text:
                echo(f"  {name}: {text}", file=file, err=file is None)


def file_failure(error: OSError, file: Path | None = None) -> Failure:
    """Return the failure of a file that can't be read or written: ``file``, or the one that the error names."""
    return Failure(str(error.strerror), exit_codes.UNREACHABLE, where=str(file or error.filename or ""))


class ConfigFailure(Failure):
    """The configuration has mistakes; all of them are printed."""

    def __init__(self, problems: Sequence[SourceProblem]) -> None:
        many = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(f"the configuration has {many}", exit_codes.CONFIG)
        self.problems = problems

    def show(self, file: IO[Any] | None = None) -> None:
        """Print every mistake with its place, the next step and where to read more."""
        super().show(file)
        for problem in self.problems:
            echo(f"  {problem}", file=file, err=file is None)
            hint = f"{problem.next_step} " if problem.next_step else ""
            echo(f"      {hint}{self._see(problem)}", file=file, err=file is None)

    def _see(self, problem: SourceProblem) -> str:
        return f"See `{_anchor(problem)}`."


class InjectorConfigFailure(ConfigFailure):
    """The injector's configuration has mistakes; all of them are printed."""

    def _see(self, problem: SourceProblem) -> str:
        del problem
        return "See docs/reference/injector.md."


class ControlConfigFailure(ConfigFailure):
    """The control service's configuration has mistakes; all of them are printed."""

    def _see(self, problem: SourceProblem) -> str:
        del problem
        return "See docs/reference/control.md."


def _anchor(problem: SourceProblem) -> str:
    """Return the command that describes the setting's section."""
    section, dot, _ = problem.key.partition(".")
    return explained(section) if dot else "tabard config schema"


def error_page(code: str) -> str:
    """Return the command that explains a code of the sidecar or the client; empty for a policy's own code."""
    from tabard.codes import CLIENT_CODES  # noqa: PLC0415 - only failures pay for it

    from tabard_sidecar.reasons import REASON_CODES  # noqa: PLC0415

    return explained(code) if code in REASON_CODES | CLIENT_CODES else ""


def explained(name: str) -> str:
    """Return the command that explains a code or a setting, on machines without the documentation, too."""
    return f"tabard explain {name}"
