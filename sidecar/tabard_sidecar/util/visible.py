"""Makes text safe for a terminal: escapes what moves the cursor, and what hides or reorders other text.

Only the standard library, because ``tabard health`` runs every few seconds as a probe.
"""

from __future__ import annotations

# Letters, marks and symbols without a visible glyph: fillers, the braille blank, variation selectors.
_BLANK = frozenset(
    {
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x2800,
        0x3164,
        0xFFA0,
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    }
)
_BEYOND_BMP = 0x10000


def hidden(character: str) -> bool:
    """Tell whether a character is invisible: a control or format character, or one without a visible glyph."""
    return not character.isprintable() or ord(character) in _BLANK


def printable(text: str) -> str:
    r"""Return ``text`` with invisible characters escaped as ``\x1b`` or ``\u202e``; line breaks stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if hidden(character) and character != "\n" else character
        for character in text
    )


def one_line(text: str) -> str:
    """Return ``text`` with invisible characters escaped, line breaks included, so that it can't imitate other lines."""
    return printable(text).replace("\n", "\\n")


def visible_json(text: str) -> str:
    """Escape characters that aren't visible in JSON, which stays equivalent; line breaks between tokens stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        json_escape(character) if hidden(character) and character != "\n" else character for character in text
    )


def json_escape(character: str) -> str:
    r"""Return a character as JSON escapes it: ``\u202e``, and above U+FFFF two of these."""
    point = ord(character)
    if point < _BEYOND_BMP:
        return f"\\u{point:04x}"
    point -= _BEYOND_BMP
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"
