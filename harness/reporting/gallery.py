"""Collect the figures of a report: each as SVG and PNG, beside the data that it shows."""

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.reporting.blocks import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Gallery", "Rows", "rows_as_csv", "slug"]

Rows = Sequence[dict[str, str | float]]


class Gallery:
    """Keeps figures and their data by file name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, name: str, figure: "Figure", rows: Rows, words: tuple[str, str]) -> Picture:
        """Keep a figure and return its place in the report; `words` say what it shows, and are its caption.

        Raises ValueError if the name is taken.
        """
        from harness.reporting.figures import WIDTH, to_png, to_svg

        if f"{name}.svg" in self.files:
            message = f"two figures are called {name}"
            raise ValueError(message)
        self.files[f"{name}.svg"] = to_svg(figure)
        self.files[f"{name}.png"] = to_png(figure)
        self.keep(name, rows)
        return Picture(f"{name}.svg", *words, full_width=bool(figure.get_figwidth() >= WIDTH))

    def keep(self, name: str, rows: Rows) -> None:
        """Keep the data of a figure that the report has no room for."""
        self.files[f"{name}.csv"] = rows_as_csv(rows)

    def pictures(self) -> dict[str, bytes]:
        """Return what is shown in the report: the vector form of every figure."""
        return {name: content for name, content in self.files.items() if name.endswith(".svg")}


def slug(number: int, name: str) -> str:
    """Return a file name that is unique by its number and readable by its text."""
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:40]
    return f"{number}-{readable}" if readable else str(number)


def rows_as_csv(rows: Rows) -> bytes:
    """Write rows of equal keys as CSV; the caller has escaped what a spreadsheet would run."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
