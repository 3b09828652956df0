"""How the data of a figure are written in the CSV beside it."""

from harness.reporting.exports import escape_csv

__all__ = ["Rows", "number", "text"]

Rows = list[dict[str, str | float]]


def number(value: float | None) -> str:
    """Write six significant digits; nothing for None."""
    return "" if value is None else f"{value:.6g}"


def text(value: str) -> str:
    """Write a name so that no spreadsheet takes it for a formula."""
    return escape_csv(value)
