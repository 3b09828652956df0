"""What removing false negatives costs and brings: contamination, hardness, quality, precision, recall, agreement."""

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Picture, Section, Table
from harness.reporting.exports import escape_csv
from harness.reporting.gallery import Gallery, Rows, slug
from harness.reporting.plots import agreement, tradeoff
from harness.reporting.plots import removal as filters
from harness.reporting.points import Scatter, scatter
from harness.reporting.sections.drawn import Kind, drawn
from harness.reporting.tables import Analysis, DatasetTable

__all__ = ["removal"]

_FILTERS = (
    "What the filters refused among the candidates of {}, mean counts over seeds, most precise first. Precision: share "
    "of the refused that are hidden positives. Recall: share of the hidden positives among the candidates that were "
    "refused. By chance: the precision of refusing at random. Brackets: 95 % Wilson intervals."
)


def removal(analysis: Analysis, gallery: Gallery) -> Section:
    """Return what the audits say of every dataset with mined negatives."""
    styles = analysis.styles
    tradeoffs: Kind[tradeoff.Tradeoff] = Kind(
        "tradeoff",
        lambda data: tradeoff.draw_tradeoff(data, styles),
        tradeoff.tradeoff_rows,
        tradeoff.tradeoff_caption,
    )
    precision: Kind[filters.Removal] = Kind(
        "removal", lambda data: filters.draw_removal(data, styles), filters.removal_rows, filters.removal_caption
    )
    teachers: Kind[agreement.Agreement] = Kind(
        "teachers",
        agreement.draw_teacher_agreement,
        agreement.teacher_agreement_rows,
        agreement.teacher_agreement_caption,
    )
    arms: Kind[agreement.Agreement] = Kind(
        "agreement", agreement.draw_agreement, agreement.agreement_rows, agreement.agreement_caption
    )
    found, agreed = filters.compute(analysis), agreement.compute(analysis)
    quality = [
        picture
        for number, table in enumerate(analysis.tables, 1)
        for picture in _quality(analysis, gallery, number, table)
    ]
    refused: list[Block] = [*drawn(analysis, gallery, found, precision)]
    refused += [_filters(data) for data in found if data.dataset in analysis.shown]
    agreeing = [*drawn(analysis, gallery, agreed, teachers), *drawn(analysis, gallery, agreed, arms)]
    parts = (
        Section(
            "Contamination against hardness", tuple(drawn(analysis, gallery, tradeoff.compute(analysis), tradeoffs))
        ),
        Section("Contamination against quality", tuple(quality)),
        Section("Precision and recall of removal", tuple(refused)),
        Section("Agreement on negatives", tuple(agreeing)),
    )
    return Section("Removal of false negatives", (), parts)


def _filters(data: filters.Removal) -> Table:
    columns = (
        Column("Arm", text=True, share=2.0),
        Column("Teacher", text=True),
        Column("Refused"),
        Column("Hidden"),
        Column("Precision [95 %]"),
        Column("By chance"),
        Column("Recall [95 %]"),
    )
    rows = tuple(
        (
            notation.plain(arm.arm),
            notation.plain(arm.teacher),
            notation.count(arm.removed),
            notation.count(arm.hit),
            _share(arm.precision),
            notation.percent(arm.base_rate),
            _share(arm.recall),
        )
        for arm in data.arms
    )
    name = notation.plain(data.dataset)
    return Table(columns, rows, _FILTERS.format(name), "removal", f"{name}: precision and recall of removal")


def _share(share: filters.Share) -> str:
    low, high = (notation.decimal(100.0 * end, 1) for end in (share.low, share.high))
    return f"{notation.percent(share.value)} [{low}, {high}]"


def _quality(analysis: Analysis, gallery: Gallery, number: int, table: DatasetTable) -> list[Picture]:
    from harness.reporting.figures import draw_scatter

    data = scatter(analysis, table)
    name = f"contamination-{slug(number, table.dataset)}"
    if not data.points or table.dataset not in analysis.shown:
        return []
    shown = "; ".join(
        f"{notation.plain(point.arm)}: {notation.percent(point.contamination)}, {notation.interval(point.score)}"
        for point in data.points
    )
    caption = (
        f"Contamination of the mined negatives against {data.axis} on {notation.plain(table.dataset)}. Bars: 95 % "
        "intervals of the means; they overlap far more than the paired differences of the tables. Dashed: trained "
        "without mined negatives."
    )
    styles = analysis.styles
    words = f"Scatter plot. {shown}", caption
    return [gallery.add(name, draw_scatter(data, styles), _rows(data), words)]


def _rows(data: Scatter) -> Rows:
    return [
        {
            "arm": escape_csv(point.arm),
            "family": escape_csv(point.family),
            "contamination": f"{point.contamination:.6g}",
            "score": f"{point.score.mean:.6g}",
            "low": f"{point.score.low:.6g}",
            "high": f"{point.score.high:.6g}",
        }
        for point in data.points
    ]
