"""Text that a terminal shows and never obeys."""

import unicodedata

__all__ = ["printable"]

_KEPT = frozenset("\n\t")


def printable(text: str) -> str:
    """Return text in which control characters, but for line ends and tabs, are written out in hexadecimal."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter in _KEPT or unicodedata.category(letter) != "Cc" else f"\\x{ord(letter):02x}"
        for letter in text
    )
