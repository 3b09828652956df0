"""The final table for a terminal: plain text that fits its columns."""

import unicodedata

from harness.reporting import notation
from harness.reporting.comparisons import Versus
from harness.reporting.tables import Analysis, ArmRow, DatasetTable

__all__ = ["terminal_table"]

_MARKS = 3
_SIGNS = {"better": "+", "worse": "-", "noise": "~", "seeds": "^", "one seed": "?"}
_LEAST_NAME = 8


def terminal_table(analysis: Analysis, *, width: int = 80) -> str:
    """Return the table of every dataset, best first, in lines of at most `width` columns, with its key."""
    blocks = [_block(analysis, table, width) for table in analysis.tables]
    return "\n\n".join([*blocks, _key(analysis, width)]) + "\n"


def _block(analysis: Analysis, table: DatasetTable, width: int) -> str:
    label = notation.METRICS[analysis.results.plan.metric]
    head = [f"{label} [95 %]", *(["diff", "p"] if analysis.results.baseline is not None else []), "contam", "seeds"]
    lines = [head, *[_cells(analysis, row) for row in table.rows]]
    widths = [max(columns_of(line[index]) for line in lines) for index in range(len(head))]
    name_width = max(_LEAST_NAME, width - _MARKS - sum(widths) - 2 * len(widths))
    name_width = min(name_width, max(columns_of(notation.plain(row.arm)) for row in table.rows))
    names = ["arm", *[notation.plain(row.arm) for row in table.rows]]
    signs = ["", *[notation.marks(row)[:_MARKS] for row in table.rows]]
    body = [
        f"{sign:<{_MARKS}}{fitted(name, name_width)}"
        + "".join("  " + " " * (size - columns_of(cell)) + cell for cell, size in zip(line, widths, strict=True))
        for sign, name, line in zip(signs, names, lines, strict=True)
    ]
    title = fitted(f"{notation.plain(table.dataset)}: {table.queries:,} test queries", width).rstrip()
    return "\n".join(line.rstrip() for line in [title, *body])


def _cells(analysis: Analysis, row: ArmRow) -> list[str]:
    versus = [_difference(row), notation.p_value(row.p_adjusted)]
    return [
        notation.interval(row.score),
        *(versus if analysis.results.baseline is not None else []),
        notation.percent(row.contamination),
        notation.seeds(row),
    ]


def _difference(row: ArmRow) -> str:
    if row.baseline:
        return "baseline"
    return _signed(row.versus) if row.versus is not None else notation.DASH


def _signed(versus: Versus) -> str:
    return f"{notation.signed(versus.result.difference.mean)} {_SIGNS[versus.verdict]}"


def _key(analysis: Analysis, width: int) -> str:
    used = {mark for table in analysis.tables for row in table.rows for mark in notation.marks(row)}
    parts = [f"{mark} {meaning}" for mark, meaning in notation.KEY.items() if mark in used]
    versus = [row.versus for table in analysis.tables for row in table.rows if row.versus is not None]
    meanings = {
        "better": "+ better, beyond noise",
        "worse": "- worse, beyond noise",
        "noise": "~ within noise",
        "seeds": "^ within seed noise",
        "one seed": "? one seed",
    }
    parts += [text for name, text in meanings.items() if any(item.verdict == name for item in versus)]
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}; {part}" if lines[-1] else part
        lines = [*lines[:-1], joined] if len(joined) <= width else [*lines, part]
    return "\n".join(lines)


def columns_of(text: str) -> int:
    """Return how many terminal columns a text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def fitted(text: str, width: int) -> str:
    """Cut a text to `width` columns, the cut shown, or pad it."""
    if columns_of(text) > width:
        while columns_of(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - columns_of(text))
