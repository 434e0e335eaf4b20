"""Builds HTML in which every text is escaped, whichever party wrote it.

There are no templates: a page is made of :func:`tag`. Text becomes HTML in one place, :func:`shown`, which escapes markup,
makes invisible characters visible and bounds what is drawn over other lines. Addresses are made by :class:`Links` only,
so no text of others becomes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias
from urllib.parse import quote, urlencode

from tabard_sidecar.operating.framing import is_mark
from tabard_sidecar.util.visible import json_escape, one_line, printable

MOST_CHARACTERS = 2_000
"""Most characters of one text in a page, unless a caller wants more."""
_MOST_MARKS = 3
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_ADDRESSES = frozenset({"href", "src", "action", "formaction"})


class Html(str):
    """Text that is HTML already. Only this module makes it of other texts."""

    __slots__ = ()


class Link(str):
    """An address of the console itself."""

    __slots__ = ()


class Links:
    """Makes the addresses of pages.

    Args:
        base: path below which the console is, without a slash at its end.
    """

    def __init__(self, base: str) -> None:
        self.base = base

    def to(self, *steps: str, **query: str) -> Link:
        """Return the address of a page; parts of the query that are empty are left out."""
        path = "/".join([self.base, *(quote(step, safe="") for step in steps)]) + ("" if steps else "/")
        found = urlencode({name: text for name, text in query.items() if text}, errors="replace")
        return Link(f"{path}?{found}" if found else path)


Child: TypeAlias = "str | int | Iterable[Child] | None"


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Return an element.

    Args:
        name: of the element.
        children: text, which is escaped; :class:`Html`, which isn't; lists of these. ``None`` is nothing.
        attributes: ``class_`` is ``class``, ``aria_label`` is ``aria-label``. True gives an attribute without a value, and
            False and ``None`` give none.

    Raises:
        TypeError: an address wasn't made by :class:`Links`.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if attribute in _ADDRESSES and not isinstance(value, Link):
            raise TypeError(f"{attribute} isn't an address of the console")
        parts.append(f" {attribute}" if value is True else f' {attribute}="{escape(one_line(str(value)))}"')
    parts.append(">")
    if name not in _VOID:
        parts += [_text(children), f"</{name}>"]
    return Html("".join(parts))


def shown(text: str, most: int = MOST_CHARACTERS) -> Html:
    """Return a text as a page shows it: in one line, invisible characters escaped, cut to ``most`` characters."""
    return Html(escape(_bounded_marks(one_line(cut(text, most)))))


def shown_lines(text: str, most: int) -> Html:
    """Return a text of several lines as a page shows it, for an element that keeps line breaks."""
    return Html(escape(_bounded_marks(printable(cut(text, most)))))


def cut(text: str, most: int) -> str:
    """Return a text, cut to ``most`` characters; what is missing is counted at its end."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


def join(parts: Iterable[Child], between: Child = "") -> Html:
    """Return children one after another, with ``between`` between them."""
    return Html(_text((between,)).join(_text((part,)) for part in parts))


def _text(children: Iterable[Child]) -> str:
    parts: list[str] = []
    for child in children:
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(shown(child))
        elif isinstance(child, int):
            parts.append(f"{child:,}")
        elif child is not None:
            parts.append(_text(child))
    return "".join(parts)


def _bounded_marks(text: str) -> str:
    """Escape marks beyond those that any script needs: they would be drawn over other lines."""
    if text.isascii():
        return text
    parts: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if is_mark(character) else 0
        parts.append(json_escape(character) if marks > _MOST_MARKS else character)
    return "".join(parts)
