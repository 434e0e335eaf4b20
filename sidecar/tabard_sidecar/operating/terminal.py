"""Writes to the terminal, without control characters that others supplied, and formats times and durations."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import click

from tabard_sidecar.util.visible import hidden, one_line, printable, visible_json

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST_SHOWN = 512
# Marks a style in a text. No other party can write it, because it is chosen when the process starts.
_STYLE = f"\0{secrets.token_hex(8)}"
_STYLES = re.compile(f"{_STYLE}\\[([0-9;]*)m")
_ESCAPE = "\x1b["


def echo(text: str = "", *, lines: bool = False, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print one row, the only way in which a command writes to a terminal.

    Invisible characters are escaped, whichever party supplied them, line breaks included: only what :func:`style` made
    reaches the terminal as it is. With ``lines`` line breaks stay, for texts of several rows.
    """
    safe = printable if lines else one_line
    parts = _STYLES.split(text)
    shown = [f"{_ESCAPE}{part}m" if index % 2 else safe(part) for index, part in enumerate(parts)]
    click.echo("".join(shown), file=file, err=err)


def style(text: object, *, fg: str | None = None, bold: bool | None = None) -> str:
    """Return ``text`` in a colour or bold, for :func:`echo`."""
    if not fg and not bold:
        return str(text)
    # Only the colour's own escapes are marked; what the text holds of them is escaped by echo.
    codes = click.style("x", fg=fg, bold=bold).split("x")
    before, after = (code.replace(_ESCAPE, f"{_STYLE}[") for code in codes)
    return f"{before}{text}{after}"


def unstyled(text: str) -> str:
    """Return ``text`` without its styles."""
    return _STYLES.sub("", text)


def visible(text: str, most: int = _LONGEST_SHOWN) -> str:
    r"""Return ``text`` with invisible characters escaped, truncated to ``most`` characters.

    These are control characters, which move the cursor, and format characters, which reorder or hide text. They are shown
    as ``\x1b`` or ``\u202e``.
    """
    shown = text if len(text) <= most else f"{text[:most]}…"
    return "".join(
        _escape(character) if hidden(character) or character == "\\" else character for character in shown
    )


def echo_json(document: object, *, indent: int | None = 2) -> None:
    """Print a document as JSON, invisible characters escaped."""
    echo(visible_json(json.dumps(document, indent=indent, ensure_ascii=False)), lines=True)


@contextmanager
def progress(length: int, label: str, *, steps: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal's standard error how far work has come; elsewhere nothing.

    Args:
        length: the work in all.
        label: what is done.
        steps: how much work is done between two changes of what is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    bar: Any = click.progressbar(length=max(length, 1), label=label, file=sys.stderr, update_min_steps=steps)
    with bar:
        yield bar.update


def moment(seconds: float | None) -> str:
    """Format a time in UTC; ``None`` is ``never``."""
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


class Duration(click.ParamType[float]):
    """A duration such as ``90``, ``90s``, ``15m``, ``8h`` or ``7d``, converted to seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a duration to seconds."""
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!a} isn't a duration; write 90s, 15m, 8h or 7d", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


class Instant(click.ParamType[str]):
    """A time, as a duration before now or in ISO 8601, converted to the form of the decision log's timestamps."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Convert a time; one without an offset is in UTC."""
        text = str(value)
        ago = _DURATION.fullmatch(text)
        try:
            if ago is not None and ago[2]:
                found = datetime.now(UTC) - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
            else:
                found = datetime.fromisoformat(text)
                found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{text!a} isn't a time; write 15m, 8h or 7d for a time ago, or 2026-01-31T08:00", param, ctx
            )
        return found.strftime("%Y-%m-%dT%H:%M:%S") + f".{found.microsecond * 1000:09d}Z"


def _escape(character: str) -> str:
    return "\\\\" if character == "\\" else character.encode("unicode_escape").decode()
