"""Draw every figure of an audit, with its caption and the data that it shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.audit.records import AuditReport, CurvePoint, LinePoint, TeacherAudit
from harness.reporting import notation
from harness.reporting.document import Picture
from harness.reporting.exports import escape_csv
from harness.reporting.pictures import Rows, as_csv, slug
from harness.reporting.points import densities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AuditFigures", "draw"]


@dataclass(frozen=True)
class AuditFigures:
    """The figures of an audit; `agreement` is None for one teacher."""

    tradeoffs: Picture
    distributions: tuple[Picture, ...]
    agreement: Picture | None


def draw(report: AuditReport) -> tuple[dict[str, bytes], AuditFigures]:
    """Draw every figure as SVG and PNG beside its data as CSV, by file name."""
    from harness.reporting import audit_figures, figures

    drawn: dict[str, bytes] = {}

    def keep(name: str, figure: "Figure", rows: Rows) -> str:
        drawn[f"{name}.svg"] = figures.to_svg(figure)
        drawn[f"{name}.png"] = figures.to_png(figure)
        drawn[f"{name}.csv"] = as_csv(rows)
        return f"{name}.svg"

    styles = figures.family_styles([curve.miner for audit in report.teachers for curve in audit.curves])
    tradeoffs = keep("trade-off", audit_figures.draw_tradeoffs(report.teachers, styles), list(_tradeoff_rows(report)))
    distributions = [
        _distribution_picture(
            keep(
                f"scores-{slug(number, audit.teacher)}",
                audit_figures.draw_distributions(audit),
                list(_score_rows(audit)),
            ),
            audit,
        )
        for number, audit in enumerate(report.teachers, 1)
    ]
    agreement = None
    if len(report.teachers) > 1:
        file = keep("agreement", audit_figures.draw_agreement(report.agreement), list(_agreement_rows(report)))
        agreement = _agreement_picture(file, report)
    return drawn, AuditFigures(_tradeoff_picture(tradeoffs, report), tuple(distributions), agreement)


def _tradeoff_rows(report: AuditReport) -> Iterator[dict[str, str | float]]:
    for audit in report.teachers:
        yield _row(audit, "naive top-k", "", audit.naive)
        for curve in audit.curves:
            for point in curve.points:
                yield _row(audit, curve.miner, curve.parameter, point)
        for name, parameter, line in (
            ("oracle", "share of hidden positives removed", audit.oracle),
            ("random removal", "removal", audit.random),
        ):
            for item in line:
                yield _row(audit, name, parameter, item)


def _row(audit: TeacherAudit, miner: str, parameter: str, point: LinePoint) -> dict[str, str | float]:
    found = point.contamination
    return {
        "teacher": escape_csv(audit.teacher),
        "miner": escape_csv(miner),
        "parameter": parameter,
        "value": f"{point.value:.6g}",
        "contamination": "" if found is None else f"{found.value:.6g}",
        "low": "" if found is None else f"{found.low:.6g}",
        "high": "" if found is None else f"{found.high:.6g}",
        "hardness": "" if point.hardness is None else f"{point.hardness:.6g}",
        "mean_rank": "" if point.rank is None else f"{point.rank:.6g}",
        "full": f"{point.full:.6g}",
        "frontier": str(isinstance(point, CurvePoint) and point.frontier).lower(),
    }


def _score_rows(audit: TeacherAudit) -> Iterator[dict[str, str | float]]:
    for item in audit.strategies:
        edges = item.histograms.edges
        for kind, density in densities(item.histograms).items():
            for index in np.flatnonzero(density).tolist():
                yield {
                    "miner": escape_csv(item.miner),
                    "kind": kind,
                    "from": f"{edges[index]:.6g}",
                    "to": f"{edges[index + 1]:.6g}",
                    "density": f"{density[index]:.6g}",
                }


def _agreement_rows(report: AuditReport) -> Iterator[dict[str, str | float]]:
    names = report.agreement.teachers
    for name, line in zip(names, report.agreement.jaccard, strict=True):
        for other, cell in zip(names, line, strict=True):
            value = "" if cell is None else f"{cell:.6g}"
            yield {"teacher": escape_csv(name), "other": escape_csv(other), "jaccard": value}


def _tradeoff_picture(file: str, report: AuditReport) -> Picture:
    names = ", ".join(notation.plain(audit.teacher) for audit in report.teachers)
    return Picture(
        file,
        f"Contamination against hardness for every setting of every strategy, one panel per teacher: {names}.",
        "Contamination against hardness over the strictness of each strategy; lower and further right is better. "
        "Ringed: the setting asked for. Hollow: it serves fewer than 90 % of the pairs that naive top-k serves, so it "
        "speaks of the easier ones only. Band: settings that no other beats in both. Below the dotted line a rule "
        "finds false negatives better than chance; the dashed line removes them and nothing else.",
    )


def _distribution_picture(file: str, audit: TeacherAudit) -> Picture:
    names = ", ".join(notation.plain(item.miner) for item in audit.strategies)
    return Picture(
        file,
        f"Score distributions by {notation.plain(audit.teacher)}, one panel per strategy: {names}.",
        f"Scores by {notation.plain(audit.teacher)}, as densities: labelled positives (filled), chosen negatives "
        "(bold), hidden positives in the pool, chosen or not (dashed), and candidates that the rule refused (thin). "
        "High peaks are cut.",
    )


def _agreement_picture(file: str, report: AuditReport) -> Picture:
    shown = "; ".join(
        f"{notation.plain(name)}: {', '.join(notation.decimal(cell, 2) for cell in line)}"
        for name, line in zip(report.agreement.teachers, report.agreement.jaccard, strict=True)
    )
    return Picture(
        file,
        f"Mean Jaccard index of the teachers' naive negatives. {shown}",
        f"Agreement of teachers: mean Jaccard index of their {report.k} naive negatives of the same pair.",
    )
