"""How well each arm's filter hits the hidden positives: precision and recall of what it removed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.measures import AuditRecord
from harness.reporting import notation
from harness.reporting.figures import INK, drawing_style
from harness.reporting.plots.choice import MOST_ROWS, chosen, left_out
from harness.reporting.plots.layout import Margins, log_scale, row_chart, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.results import Cell
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, family_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Filtered", "Removal", "Share", "compute", "draw_removal", "removal_caption", "removal_rows", "wilson"]

_WIDE = 10.0
"""A ratio of the highest to the lowest precision above which its axis is logarithmic."""


@dataclass(frozen=True)
class Share:
    """A share with its 95 % Wilson interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Filtered:
    """What one arm's filter did, mean counts over its seeds.

    `removed` candidates were refused, `hit` of them hidden positives, out of `hidden` in
    the pool. `base_rate` is the share of hidden positives among the candidates looked
    at, pairs times depth: the precision of removing at random, or a little less where
    some pools are shorter than the depth.
    """

    arm: str
    family: str
    teacher: str
    removed: int
    hit: int
    hidden: int
    precision: Share
    recall: Share
    base_rate: float


@dataclass(frozen=True)
class Removal:
    """All arms that removed something on one dataset, most precise first."""

    dataset: str
    arms: tuple[Filtered, ...]
    shown: tuple[str, ...]


def compute(analysis: Analysis) -> tuple[Removal, ...]:
    """Return the removal on every dataset where an arm's filter refused candidates and hidden positives are known."""
    found = []
    for table in analysis.tables:
        known = (_filtered(analysis.results.cells[row.arm, table.dataset]) for row in table.rows)
        arms = sorted((arm for arm in known if arm is not None), key=lambda arm: -arm.precision.value)
        if arms:
            shown = chosen([arm.arm for arm in arms], MOST_ROWS, analysis.results.baseline)
            found.append(Removal(table.dataset, tuple(arms), shown))
    return tuple(found)


def _filtered(cell: Cell) -> Filtered | None:
    """Average counts over seeds: they look at the same candidates, so they are no further evidence."""
    audited = [(run.audit, run.yields) for run in cell.runs if run.audit is not None and run.yields is not None]
    if cell.arm.mining is None or not audited:
        return None
    removed, hit, hidden = (_mean([getattr(audit, name) for audit, _ in audited]) for name in _COUNTS)
    candidates = cell.arm.mining.depth * _mean([yields.trained for _, yields in audited])
    if not removed or not hidden or not candidates:
        return None
    return Filtered(
        arm=cell.arm.name,
        family=family_of(cell.arm),
        teacher=cell.arm.mining.teacher.label,
        removed=removed,
        hit=hit,
        hidden=hidden,
        precision=wilson(hit, removed),
        recall=wilson(hit, hidden),
        base_rate=hidden / candidates,
    )


_COUNTS = ("removed", "hidden_removed", "hidden_in_pool")
assert set(_COUNTS) <= set(AuditRecord.model_fields)  # noqa: S101 - a field that is renamed must not be read as absent


def _mean(counts: list[int]) -> int:
    return round(float(np.mean(counts)))


def wilson(hits: int, total: int) -> Share:
    """Return `hits` / `total` with its 95 % Wilson score interval; `total` is at least 1 (Wilson, 1927)."""
    from scipy import stats

    interval = stats.binomtest(hits, total).proportion_ci(0.95, method="wilson")
    return Share(hits / total, float(interval.low), float(interval.high))


def draw_removal(data: Removal, styles: Styles) -> "Figure":
    """Draw one line per arm: precision with the base rate as a tick at the left, recall at the right."""
    drawn = [arm for arm in data.arms if arm.arm in data.shown]
    precise = [value for arm in drawn for value in (arm.precision.value, arm.base_rate) if value > 0]
    with drawing_style():
        figure, (left, right) = row_chart([arm.arm for arm in drawn], 2, margins=Margins(across=0.3, top=0.12))
        if max(precise) > _WIDE * min(precise):
            log_scale(left, 100.0 * min(precise), 100.0 * max(precise))
        left.set_xlim(*_range(precise, log=left.get_xscale() == "log"))
        right.set_xlim(-3.0, 103.0)
        for line, arm in enumerate(drawn):
            style = style_of(styles, arm.family)
            _share(left, line, arm.precision, style)
            _share(right, line, arm.recall, style)
            left.plot([100.0 * arm.base_rate] * 2, [line - 0.4, line + 0.4], color=INK, linewidth=1.6)
        left.set_xlabel("precision (%)")
        right.set_xlabel("recall (%)")
    return figure


def _range(precise: list[float], *, log: bool) -> tuple[float, float]:
    if log:
        return 60.0 * min(precise), min(140.0 * max(precise), 130.0)
    return -0.04 * 100.0 * max(precise), 110.0 * max(precise)


def _share(axes: "Axes", line: int, share: Share, style: tuple[str, str]) -> None:
    colour, marker = style
    low, value = (max(100.0 * end, axes.get_xlim()[0]) for end in (share.low, share.value))
    axes.plot([low, 100.0 * share.high], [line, line], color=colour, linewidth=1.3)
    # nothing hit has no place on a logarithmic axis: an arrowhead at its end stands for it
    marker = "<" if value > 100.0 * share.value else marker
    axes.plot(value, line, marker, color=colour, markersize=5, clip_on=False)


def removal_rows(data: Removal) -> Rows:
    """Return one row per arm, all arms."""
    return [
        {
            "arm": text(arm.arm),
            "teacher": text(arm.teacher),
            "removed": str(arm.removed),
            "hidden_removed": str(arm.hit),
            "hidden_in_pool": str(arm.hidden),
            **_columns("precision", arm.precision),
            **_columns("recall", arm.recall),
            "base_rate": number(arm.base_rate),
        }
        for arm in data.arms
    ]


def _columns(name: str, share: Share) -> dict[str, str | float]:
    return {name: number(share.value), f"{name}_low": number(share.low), f"{name}_high": number(share.high)}


def removal_caption(data: Removal) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = [
        f"{notation.plain(arm.arm)}: precision {notation.percent(arm.precision.value)}, recall "
        f"{notation.percent(arm.recall.value)}, base rate {notation.percent(arm.base_rate)}"
        for arm in data.arms
        if arm.arm in data.shown
    ]
    caption = (
        f"What each arm's filter removed on {notation.plain(data.dataset)}, most precise first, with 95 % Wilson "
        "intervals, which take candidates for independent and are therefore too short. Precision: share of hidden "
        "positives among the removed; tick: their share among all candidates (pairs times depth), which removal at "
        "random would reach. Recall: share of the pool's hidden positives that were removed. Arms that remove nothing "
        "are not shown. An arrowhead at the left: nothing hit."
    )
    return f"Precision and recall of removal. {'; '.join(said)}.", caption + left_out(len(data.arms) - len(data.shown))
