"""Write the tables of a report as Markdown and LaTeX, each with its own escaping."""

import re
from collections.abc import Iterable, Sequence

from harness.reporting import notation
from harness.reporting.blocks import Table

__all__ = ["as_latex", "as_markdown", "escape_csv", "escape_latex", "escape_markdown", "table_files"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    notation.MINUS: "$-$",
    notation.DASH: "--",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in notation.plain(text))


def escape_markdown(text: str) -> str:
    """Return text that Markdown prints as it is, also in a table cell."""
    return re.sub(r"([\\`*_{}\[\]<>|~$#])", r"\\\1", notation.plain(text))


def escape_csv(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return "'" + text if text.lstrip()[:1] in tuple("=+-@\t\r") and text.strip() else text


def table_files(tables: Iterable[Table]) -> dict[str, str]:
    """Return the Markdown and the LaTeX of tables by file name; tables of one name share a file."""
    named: dict[str, list[Table]] = {}
    for table in tables:
        named.setdefault(table.name, []).append(table)
    return {
        file: write(found)
        for name, found in named.items()
        for file, write in ((f"{name}.md", as_markdown), (f"{name}.tex", as_latex))
    }


def as_markdown(tables: Sequence[Table]) -> str:
    """Return tables as Markdown, each under its title and above its caption."""
    return "\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    lines = [[escape_markdown(column.title) for column in table.columns]]
    lines.append([":---" if column.text else "---:" for column in table.columns])
    first = next((place for place, column in enumerate(table.columns) if column.text and column.title), 0)
    for index, row in enumerate(table.rows):
        if index in table.groups:
            lines.append(
                ["" if place != first else f"*{escape_markdown(table.groups[index])}*" for place in range(len(row))]
            )
        lines.append([escape_markdown(cell) for cell in row])
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    title = f"## {escape_markdown(table.title)}\n\n" if table.title else ""
    return f"{title}{body}\n\n{escape_markdown(table.caption)}\n" if table.caption else f"{title}{body}\n"


def as_latex(tables: Sequence[Table]) -> str:
    """Return tables as tabulars for the booktabs package, with titles and captions as comments."""
    return "\n\n".join(["% \\usepackage{booktabs}", *(_latex(table) for table in tables)]) + "\n"


def _latex(table: Table) -> str:
    layout = "".join("l" if column.text else "r" for column in table.columns)
    head = " & ".join(escape_latex(column.title) for column in table.columns) + " \\\\"
    body: list[str] = []
    for index, row in enumerate(table.rows):
        if index in table.groups:
            if index:
                body.append("\\addlinespace")
            body.append(f"\\multicolumn{{{len(row)}}}{{l}}{{\\textit{{{escape_latex(table.groups[index])}}}}} \\\\")
        # braces around the first cell: a cell that begins with [ would be read as an option of the \\ before it
        body.append("{" + "} & {".join(escape_latex(cell) for cell in row) + "} \\\\")
    before = [f"% {notation.plain(table.title)}"] if table.title else []
    after = [f"% {notation.plain(table.caption)}"] if table.caption else []
    tabular = [f"\\begin{{tabular}}{{{layout}}}", "\\toprule", head, "\\midrule", *body]
    return "\n".join([*before, *tabular, "\\bottomrule", "\\end{tabular}", *after])
