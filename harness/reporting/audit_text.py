"""Put an audit into words, every number taken from its record, for page one and for a terminal."""

import textwrap
from collections.abc import Iterator

from harness.audit.records import AuditReport, Curve, LinePoint, StrategyAudit, TeacherAudit
from harness.reporting import notation
from harness.reporting.answer import Sentence, plain_text
from harness.reporting.terminal import columns_of, fitted

__all__ = ["answer", "cheapest", "defaults", "judged", "question", "setting", "summary", "truth_note"]

_WIDTH = 80
_NAME = 24
_TOLD = {"like chance": "no better than chance", "starves": "too few negatives left"}


def question(report: AuditReport) -> str:
    """Return the question that every audit answers."""
    return f"How many mined negatives of {notation.plain(report.collection)} are false, and what removes them?"


def answer(report: AuditReport) -> list[list[Sentence]]:
    """Say for each teacher how many naive negatives are false, what halves them at least cost, and what suits."""
    return [[sentence for sentence in _of_teacher(report, audit) if sentence] for audit in report.teachers]


def _of_teacher(report: AuditReport, audit: TeacherAudit) -> Iterator[Sentence]:
    name = notation.plain(audit.teacher)
    naive = audit.naive.contamination
    if naive is None:
        yield ("With ", name, ": contamination cannot be measured, because no positive of this split is hidden.")
        return
    shown = f"{notation.percent(naive.value)} [{notation.percent(naive.low)}, {notation.percent(naive.high)}]"
    kind = " that are judged" if report.truth == "judged" else ""
    yield ("With ", name, f" {shown} of the {report.k} naive negatives per pair{kind} are false.")
    yield _cheapest_sentence(audit)
    yield _defaults_sentence(audit)


def cheapest(audit: TeacherAudit) -> list[tuple[Curve, LinePoint]]:
    """Return for each curve the hardest setting that halves the naive contamination, hardest first."""
    found = [(curve, curve.halving) for curve in audit.curves if curve.halving is not None]
    return sorted(found, key=lambda item: -(item[1].hardness or 0.0))


def setting(curve: Curve, point: LinePoint) -> str:
    """Write a setting as `name (share 0.9)`."""
    return f"{notation.plain(curve.miner)} ({curve.parameter} {_value(point.value)})"


def _value(value: float) -> str:
    return f"{value:g}".replace("-", notation.MINUS)


def _cheapest_sentence(audit: TeacherAudit) -> Sentence:
    halved = cheapest(audit)
    if not audit.curves or audit.naive.contamination is None or not audit.naive.contamination.value:
        return ()
    if not halved:
        return ("No setting at least halves that and still serves 90 % of the pairs that naive top-k serves.",)
    curve, point = halved[0]
    lost = notation.decimal((audit.naive.hardness or 0.0) - (point.hardness or 0.0))
    left = notation.percent(point.contamination.value if point.contamination is not None else None)
    return (
        "The hardest negatives with at most half of that come from ",
        setting(curve, point),
        f": {left} false, hardness {lost} below naive.",
    )


def judged(audit: TeacherAudit) -> list[StrategyAudit]:
    """Return the strategies on which there is a verdict."""
    return [item for item in audit.strategies if item.verdict not in {"control", "unknown"}]


def defaults(audit: TeacherAudit) -> dict[str, list[str]]:
    """Return the names of the strategies by verdict."""
    found: dict[str, list[str]] = {}
    for item in judged(audit):
        found.setdefault(item.verdict, []).append(notation.plain(item.miner))
    return found


def _defaults_sentence(audit: TeacherAudit) -> Sentence:
    found = defaults(audit)
    if not found:
        return ()
    pieces = ["Of the settings asked for "]
    suits = found.pop("suits", [])
    pieces += [", ".join(suits), " suit this teacher" if len(suits) > 1 else " suits this teacher"] if suits else []
    if not suits:
        pieces = ["Of the settings asked for none suits this teacher"]
    others = "; ".join(f"{_TOLD.get(verdict, verdict)}: {', '.join(names)}" for verdict, names in found.items())
    pieces[-1] += f" ({others})." if others else "."
    return tuple(pieces)


def truth_note(report: AuditReport) -> str:
    """Say what counts as a false negative, and what cannot be seen."""
    hidden = notation.count(report.hidden_positives)
    if report.truth == "none":
        return "No positive is hidden, so false negatives cannot be told from hard ones: hide some, or judge documents."
    if report.truth == "judged":
        return (
            f"A negative is false if it is one of {hidden} hidden positives. Shares are of the documents that are "
            f"hidden positives or among the {notation.count(report.judged_non_relevant)} judged non-relevant; "
            "the rest is unknown."
        )
    return (
        f"A negative is false if it is one of {hidden} hidden positives. Relevant documents that nobody labelled "
        "count as true negatives, so that contamination is at least what is given here."
    )


def summary(report: AuditReport) -> str:
    """Return the audit for a terminal, in lines of at most 80 columns."""
    head = (
        f"{notation.plain(report.collection)}, {report.split}: {report.pairs:,} pairs of {report.queries:,} queries, "
        f"{report.documents:,} documents, {report.k} negatives a pair, pools {report.depth} deep."
    )
    parts = [_wrapped(head), *(_block(audit) for audit in report.teachers)]
    parts += [_wrapped(plain_text(tuple(paragraph))) for paragraph in answer(report)]
    return "\n\n".join([*parts, _wrapped(truth_note(report))]) + "\n"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _WIDTH, break_long_words=True))


def _block(audit: TeacherAudit) -> str:
    head = ["contam %", "recall %", "prec %", "full %", "hardness", "verdict"]
    lines = [head, *([*_cells(item)] for item in audit.strategies)]
    widths = [max(columns_of(line[index]) for line in lines) for index in range(len(head))]
    room = min(_NAME, _WIDTH - sum(widths) - 2 * len(widths))
    names = [notation.plain(audit.teacher), *(notation.plain(item.miner) for item in audit.strategies)]
    body = [
        fitted(name, room)
        + "".join("  " + _aligned(cell, widths[at], left=at == len(head) - 1) for at, cell in enumerate(line))
        for name, line in zip(names, lines, strict=True)
    ]
    return "\n".join(line.rstrip() for line in body)


def _aligned(cell: str, width: int, *, left: bool) -> str:
    space = " " * (width - columns_of(cell))
    return cell + space if left else space + cell


def _cells(item: StrategyAudit) -> list[str]:
    return [
        _percent(item.contamination.value if item.contamination is not None else None),
        _percent(item.naive.recall),
        _percent(item.naive.precision),
        _percent(item.full / item.pairs if item.pairs else None),
        notation.decimal(item.hardness),
        "" if item.verdict in {"control", "unknown"} else item.verdict,
    ]


def _percent(share: float | None) -> str:
    return notation.decimal(None if share is None else 100.0 * share, 1)
