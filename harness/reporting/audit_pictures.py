"""Draw every figure of an audit, with its caption and the data that it shows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.audit.records import AuditReport, CurvePoint, LinePoint, TeacherAudit
from harness.reporting import notation
from harness.reporting.blocks import Picture
from harness.reporting.exports import escape_csv
from harness.reporting.gallery import Gallery, slug
from harness.reporting.points import densities
from harness.reporting.styles import family_styles

__all__ = ["AuditFigures", "draw"]


@dataclass(frozen=True)
class AuditFigures:
    """The figures of an audit; `agreement` is None for one teacher."""

    tradeoffs: Picture
    distributions: tuple[Picture, ...]
    agreement: Picture | None


def draw(report: AuditReport, gallery: Gallery) -> AuditFigures:
    """Draw every figure into the gallery."""
    from harness.reporting import audit_figures

    styles = family_styles([curve.miner for audit in report.teachers for curve in audit.curves])
    tradeoffs = gallery.add(
        "trade-off",
        audit_figures.draw_tradeoffs(report.teachers, styles),
        list(_tradeoff_rows(report)),
        _tradeoff_words(report),
    )
    distributions = [
        gallery.add(
            f"scores-{slug(number, audit.teacher)}",
            audit_figures.draw_distributions(audit),
            list(_score_rows(audit)),
            _distribution_words(audit),
        )
        for number, audit in enumerate(report.teachers, 1)
    ]
    agreement = None
    if len(report.teachers) > 1:
        agreement = gallery.add(
            "agreement",
            audit_figures.draw_agreement(report.agreement),
            list(_agreement_rows(report)),
            _agreement_words(report),
        )
    return AuditFigures(tradeoffs, tuple(distributions), agreement)


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


def _tradeoff_words(report: AuditReport) -> tuple[str, str]:
    names = ", ".join(notation.plain(audit.teacher) for audit in report.teachers)
    return (
        f"Contamination against hardness for every setting of every strategy, one panel per teacher: {names}.",
        (
            "Contamination against hardness over the strictness of each strategy; lower and further right is better. "
            "Ringed: the setting asked for. Hollow: it serves fewer than 90 % of the pairs that naive top-k serves, so "
            "it speaks of the easier ones only. Band: settings that no other beats in both. Below the dotted line a "
            "rule finds false negatives better than chance; the dashed line removes them and nothing else."
        ),
    )


def _distribution_words(audit: TeacherAudit) -> tuple[str, str]:
    names = ", ".join(notation.plain(item.miner) for item in audit.strategies)
    return (
        f"Score distributions by {notation.plain(audit.teacher)}, one panel per strategy: {names}.",
        (
            f"Scores by {notation.plain(audit.teacher)}, as densities: labelled positives (filled), chosen negatives "
            "(bold), hidden positives in the pool, chosen or not (dashed), and candidates that the rule refused "
            "(thin). High peaks are cut."
        ),
    )


def _agreement_words(report: AuditReport) -> tuple[str, str]:
    shown = "; ".join(
        f"{notation.plain(name)}: {', '.join(notation.decimal(cell, 2) for cell in line)}"
        for name, line in zip(report.agreement.teachers, report.agreement.jaccard, strict=True)
    )
    return (
        f"Mean Jaccard index of the teachers' naive negatives. {shown}",
        f"Agreement of teachers: mean Jaccard index of their {report.k} naive negatives of the same pair.",
    )
