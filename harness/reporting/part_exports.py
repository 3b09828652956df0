"""Write the tables of parts as Markdown, CSV, LaTeX and for the PDF, each with its own escaping."""

import csv
import io

from harness.reporting import notation
from harness.reporting.exports import escape_csv, escape_latex, escape_markdown
from harness.reporting.parts import PartRow, PartTable

__all__ = ["part_files", "parts_for_pdf"]

_TITLES = {
    "leakage": "what the test queries share with training",
    "nearness": "interpolation and extrapolation",
}


def part_files(tables: tuple[PartTable, ...]) -> dict[str, str]:
    """Return the content of each file by its name; none where there is no table."""
    if not tables:
        return {}
    return {"parts.md": _markdown(tables), "parts.csv": _csv(tables), "parts.tex": _latex(tables)}


def parts_for_pdf(tables: tuple[PartTable, ...]) -> list[dict[str, object]]:
    """Return every table as data for the template."""
    return [
        {
            "title": _title(table),
            "note": notation.plain(table.note),
            "columns": [{"title": title, "text": place == 0} for place, title in enumerate(_head(table))],
            "rows": [{"cells": _cells(table, row), "strong": False} for row in table.rows],
        }
        for table in tables
    ]


def _title(table: PartTable) -> str:
    return f"{notation.plain(table.dataset)}: {_TITLES[table.kind]}"


def _head(table: PartTable) -> list[str]:
    return ["Arm", *(f"{part} (n = {count:,})" for part, count in zip(table.parts, table.queries, strict=True))]


def _cells(table: PartTable, row: PartRow) -> list[str]:
    written = [
        notation.signed_interval(score) if " less " in part else notation.interval(score)
        for part, score in zip(table.parts, row.scores, strict=True)
    ]
    return [notation.plain(row.arm), *written]


def _markdown(tables: tuple[PartTable, ...]) -> str:
    blocks = []
    for table in tables:
        lines = [_head(table), [":---", *("---:" for _ in table.parts)], *(_cells(table, row) for row in table.rows)]
        escaped = [line if place == 1 else [escape_markdown(cell) for cell in line] for place, line in enumerate(lines)]
        body = "\n".join(f"| {' | '.join(line)} |" for line in escaped)
        blocks.append(f"## {escape_markdown(_title(table))}\n\n{body}\n\n{escape_markdown(table.note)}")
    return "\n\n".join(blocks) + "\n"


def _latex(tables: tuple[PartTable, ...]) -> str:
    blocks = ["% \\usepackage{booktabs}"]
    for table in tables:
        body = ["{" + "} & {".join(map(escape_latex, _cells(table, row))) + "} \\\\" for row in table.rows]
        head = " & ".join(map(escape_latex, _head(table))) + " \\\\"
        layout = "l" + "r" * len(table.parts)
        lines = [f"% {_title(table)}", f"\\begin{{tabular}}{{{layout}}}", "\\toprule", head, "\\midrule"]
        blocks.append("\n".join([*lines, *body, "\\bottomrule", "\\end{tabular}", f"% {notation.plain(table.note)}"]))
    return "\n\n".join(blocks) + "\n"


def _csv(tables: tuple[PartTable, ...]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["table", "dataset", "arm", "part", "queries", "mean", "low", "high"])
    for table in tables:
        for row in table.rows:
            for part, count, score in zip(table.parts, table.queries, row.scores, strict=True):
                numbers = (
                    ["", "", ""]
                    if score is None
                    else [f"{each + 0.0:.6g}" for each in (score.mean, score.low, score.high)]
                )
                names = [table.kind, escape_csv(table.dataset), escape_csv(row.arm), part]
                writer.writerow([*names, count, *numbers])
    return stream.getvalue()
