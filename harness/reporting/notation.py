"""How numbers, names and marks are written, the same in every table, sentence and figure."""

from collections.abc import Sequence

from harness.reporting.comparisons import Versus
from harness.reporting.tables import ArmRow
from harness.stats import Interval, Verdict

__all__ = [
    "DASH",
    "KEY",
    "METRICS",
    "VERDICTS",
    "column_titles",
    "count",
    "decimal",
    "interval",
    "marks",
    "p_value",
    "percent",
    "plain",
    "seeds",
    "signed",
    "signed_interval",
    "values",
    "verdict_text",
]

DASH = "–"  # noqa: RUF001
MINUS = "\N{MINUS SIGN}"

METRICS = {
    "ndcg_at_10": "nDCG@10",
    "mrr_at_10": "MRR@10",
    "recall_at_10": "Recall@10",
    "recall_at_100": "Recall@100",
    "map_at_100": "MAP@100",
    "auc": "AUC",
}
VERDICTS: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "noise": "within noise",
    "seeds": "within seed noise",
    "one seed": "one seed",
}
KEY = {
    "*": "highest score",
    "=": "not told apart from the highest",
    "!": "seeds missing",
    "e": "comparison not planned, exploratory",
    "s": "point of a search, not chosen on dev",
}
"""What the marks beside an arm mean."""

_SMALLEST_P = 0.001
_WIDEST_TITLE = 16
"""Characters of a column's title that leave room for the other columns."""


def plain(name: str) -> str:
    """Return a name on one line: control and direction characters become spaces."""
    return "".join(character if character.isprintable() else " " for character in name).strip()


def column_titles(names: Sequence[str], letter: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return titles that fit above columns of numbers, and what each abbreviated one stands for.

    Names of which one is too long are replaced by numbers, such as `D1`, all of them.
    """
    shown = [plain(name) for name in names]
    if all(len(name) <= _WIDEST_TITLE for name in shown):
        return shown, []
    numbers = [f"{letter}{number}" for number in range(1, len(shown) + 1)]
    return numbers, list(zip(numbers, shown, strict=True))


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a number with fixed digits and a true minus; a dash for None."""
    if value is None:
        return DASH
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.lstrip("-")


def signed(value: float | None, digits: int = 3) -> str:
    """Write a difference: always with its sign, unless it rounds to zero."""
    text = decimal(value, digits)
    return f"+{text}" if value is not None and float(text.replace(MINUS, "-")) > 0 else text


def interval(value: Interval | None) -> str:
    """Write `0.523 [0.500, 0.545]`."""
    return DASH if value is None else f"{decimal(value.mean)} [{decimal(value.low)}, {decimal(value.high)}]"


def signed_interval(value: Interval | None) -> str:
    """Write `+0.012 [+0.003, +0.021]`."""
    return DASH if value is None else f"{signed(value.mean)} [{signed(value.low)}, {signed(value.high)}]"


def p_value(p: float | None) -> str:
    """Write p with three digits, `<0.001` below that."""
    if p is None:
        return DASH
    return f"<{_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}"


def percent(share: float | None) -> str:
    """Write a share as `10.0 %`."""
    return DASH if share is None else f"{decimal(100.0 * share, 1)} %"


def count(number: float | None) -> str:
    """Write a count with thousands separated."""
    return DASH if number is None else f"{number:,.0f}"


def values(numbers: tuple[int, ...]) -> str:
    """Write the values that occurred: one, or the range of several."""
    if not numbers:
        return DASH
    return count(numbers[0]) if len(numbers) == 1 else f"{count(numbers[0])} to {count(numbers[-1])}"


def seeds(row: ArmRow) -> str:
    """Write finished over planned seeds."""
    return f"{row.seeds_done}/{row.seeds_planned}"


def marks(row: ArmRow) -> str:
    """Write the marks of `KEY` that apply to an arm."""
    exploratory = row.versus is not None and not row.versus.planned
    found = {"*": row.best, "=": row.tied, "!": not row.complete, "e": exploratory, "s": row.searched}
    return "".join(mark for mark, applies in found.items() if applies)


def verdict_text(versus: Versus | None) -> str:
    """Write a verdict; a dash for None."""
    return DASH if versus is None else VERDICTS[versus.verdict]
