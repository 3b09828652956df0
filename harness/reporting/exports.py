"""Write the ablation table as Markdown, CSV, LaTeX and plain text, each with its own escaping."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from harness.reporting import notation
from harness.reporting.columns import Column, negatives_columns, quality_columns
from harness.reporting.tables import Analysis, ArmRow, DatasetTable
from harness.stats import ALPHA, RULE, Interval

__all__ = [
    "as_csv",
    "as_latex",
    "as_markdown",
    "caption",
    "escape_csv",
    "escape_latex",
    "escape_markdown",
    "latex_grid",
    "markdown_grid",
]

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


def caption(analysis: Analysis) -> str:
    """Say which test, family and level stand behind the verdicts, and what the marks mean."""
    marks = "; ".join(f"{mark} {meaning}" for mark, meaning in notation.KEY.items())
    dev = f"Dev: {notation.METRICS[analysis.results.plan.metric]} on the dev split. R@100: recall at 100."
    told = f"{dev} Told apart from the highest: the same test against the highest, Holm over arms, exploratory."
    interval = "Brackets: 95 % percentile bootstrap over queries, seeds averaged within each query."
    if analysis.results.baseline is None:
        return f"{interval} Marks: {marks}. {told}"
    planned = len(analysis.results.plan.comparisons)
    test = (
        f"Difference to {notation.plain(analysis.results.baseline)}; p: two-sided paired permutation test over "
        f"queries, Holm-adjusted over the {planned} planned comparisons (alpha {ALPHA}); "
        "comparisons that were not planned are marked e and adjusted among themselves."
    )
    return f"{interval} {test} {RULE} Marks: {marks}. {told}"


def as_markdown(analysis: Analysis) -> str:
    """Return both tables of every dataset as Markdown."""
    plan = analysis.results.plan
    parts = [f"# {escape_markdown(plan.name)}", escape_markdown(plan.question)]
    for table in analysis.tables:
        parts.append(f"## {escape_markdown(table.dataset)} ({table.queries:,} test queries)")
        parts.extend(
            _markdown_table(columns, table.rows) for columns in (quality_columns(analysis), negatives_columns())
        )
    parts.append(escape_markdown(caption(analysis)))
    return "\n\n".join(parts) + "\n"


def _markdown_table(columns: list[Column], rows: tuple[ArmRow, ...]) -> str:
    titles = [(column.title, column.text) for column in columns]
    return markdown_grid(titles, [[column.cell(row) for column in columns] for row in rows])


def markdown_grid(titles: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of plain texts; a title says whether its column is text, and so stands left."""
    lines = [[escape_markdown(title) for title, _ in titles]]
    lines.append([":---" if text else "---:" for _, text in titles])
    lines += [[escape_markdown(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_latex(analysis: Analysis) -> str:
    """Return both tables of every dataset as tabulars for the booktabs package."""
    parts = ["% \\usepackage{booktabs}"]
    for table in analysis.tables:
        parts.extend(
            f"% {notation.plain(table.dataset)}\n{_latex_table(columns, table.rows)}"
            for columns in (quality_columns(analysis), negatives_columns())
        )
    parts.append(f"% {notation.plain(caption(analysis))}")
    return "\n\n".join(parts) + "\n"


def _latex_table(columns: list[Column], rows: tuple[ArmRow, ...]) -> str:
    titles = [(column.title, column.text) for column in columns]
    return latex_grid(titles, [[column.cell(row) for column in columns] for row in rows])


def latex_grid(titles: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]) -> str:
    """Return a tabular of plain texts; a title says whether its column is text, and so stands left."""
    layout = "".join("l" if text else "r" for _, text in titles)
    # braces around the first cell: a cell that begins with [ would be read as an option of the \\ before it
    body = ["{" + "} & {".join(escape_latex(cell) for cell in row) + "} \\\\" for row in rows]
    head = " & ".join(escape_latex(title) for title, _ in titles) + " \\\\"
    lines = [f"\\begin{{tabular}}{{{layout}}}", "\\toprule", head, "\\midrule", *body, "\\bottomrule", "\\end{tabular}"]
    return "\n".join(lines)


def as_csv(analysis: Analysis) -> str:
    """Return one line per arm and dataset with every number, to six significant digits."""
    lines = [_raw(table, row) for table in analysis.tables for row in table.rows]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _raw(table: DatasetTable, row: ArmRow) -> dict[str, str]:
    texts = {"dataset": table.dataset, "arm": row.arm, "family": row.family, "marks": notation.marks(row)}
    versus = row.versus
    numbers: dict[str, float | None] = {
        **_bounds("test", row.score),
        **_bounds("difference", row.difference),
        "p_permutation": versus.result.p_permutation if versus else None,
        "p_holm": versus.p_adjusted if versus else None,
        "p_t_test": versus.result.p_t if versus else None,
        "effect_d_z": versus.result.effect if versus else None,
        "wins": versus.result.wins if versus else None,
        "ties": versus.result.ties if versus else None,
        "losses": versus.result.losses if versus else None,
        "seed_spread": versus.result.seed_spread if versus else None,
        "detectable_difference": versus.result.detectable if versus else None,
    }
    verdicts = {
        "verdict": versus.verdict if versus else "",
        "comparison": ("planned" if versus.planned else "exploratory") if versus else "",
        "baseline": versus.baseline if versus else "",
    }
    names = ("mrr", "recall", "dev", "yields", "backfilled", "contamination", "hardness", "overlap", "auc")
    others = {name: getattr(row, name) for name in names}
    counts = {"seeds_done": row.seeds_done, "seeds_planned": row.seeds_planned, "test_queries": table.queries}
    lists = {"steps": " ".join(map(str, row.steps)), "pairs": " ".join(map(str, row.pairs))}
    return {
        **{key: escape_csv(text) for key, text in texts.items()},
        **{key: _six(value) for key, value in numbers.items()},
        **{key: escape_csv(text) for key, text in verdicts.items()},
        **{key: _six(value) for key, value in {**others, **counts}.items()},
        **lists,
    }


def _bounds(name: str, value: Interval | None) -> dict[str, float | None]:
    if value is None:
        return dict.fromkeys([name, f"{name}_low", f"{name}_high"])
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def _six(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:.6g}"
