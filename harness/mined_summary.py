"""What was mined, what was not and why, in at most 80 columns."""

import textwrap
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harness.mined import Mined
from harness.mined_files import Written
from harness.mining.base import PADDING
from harness.mining.sampled import uniform_in_effect

__all__ = ["quantiles", "summary"]

_WIDTH = 80
_LABEL = 15
_QUANTILES = {"min": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}


def summary(mined: Mined, written: Written | None = None) -> str:
    """Return the summary, with what was `written` if anything was."""
    source = mined.source
    head = f"{mined.miner_label} on {source.collection.name}, {source.split} split"
    depth = f"teacher {mined.teacher_label}, {source.depth} candidates a query"
    lines = [*textwrap.wrap(head, _WIDTH), *textwrap.wrap(depth, _WIDTH), ""]
    lines += [*_pairs(mined), *_scores(mined), *_removed(mined), *_weights(mined), *_contamination(mined)]
    if written is not None:
        lines += ["", *_written(written)]
    return "\n".join(lines)


def quantiles(mined: Mined) -> dict[str, dict[str, float]]:
    """Return score quantiles over the pairs that are trained on.

    `difference` is negative minus its positive; kinds without any score are left out.
    """
    pool, negatives = mined.source.pool, mined.negatives
    scored = np.isfinite(negatives.score) & mined.trained[:, None]
    kinds: dict[str, npt.NDArray[np.floating]] = {
        "positives": pool.positive[mined.trained],
        "negatives": negatives.score[scored],
        "difference": (negatives.score - pool.positive[:, None])[scored],
    }
    return {
        kind: {name: float(np.quantile(scores, share)) for name, share in _QUANTILES.items()}
        for kind, scores in kinds.items()
        if scores.size
    }


def _pairs(mined: Mined) -> Iterator[str]:
    yields, k = mined.yields, mined.negatives.document.shape[1]
    queries = len(np.unique(mined.source.pool.query))
    yield from _lines("pairs", f"{yields.pairs:,}, of {_count(queries, 'query', 'queries')}")
    yield from _lines(
        "yield", f"{yields.full:,} full, {yields.partial:,} partial, {yields.empty:,} empty, of {k} negatives"
    )
    if yields.backfilled:
        yield from _lines("backfilled", f"{yields.backfilled:,} negatives, by on_shortage={mined.spec.on_shortage}")
    short = int((mined.trained & ~mined.negatives.filled.all(axis=1)).sum())
    if short:
        yield from _lines("still short", f"{_count(short, 'pair')}, padded")
    if yields.dropped:
        dropped = f"{_count(yields.dropped, 'PAIR', 'PAIRS')} ({yields.dropped / yields.pairs:.1%})"
        yield from _lines("DROPPED", f"{dropped} BY on_shortage={mined.spec.on_shortage}: they are not in the output")


def _scores(mined: Mined) -> Iterator[str]:
    yield ""
    yield f"{'scores':<{_LABEL}}" + "".join(f"{name:>9}" for name in _QUANTILES)
    for kind, values in quantiles(mined).items():
        yield f"{kind:<{_LABEL}}" + "".join(f"{value:>9.4g}" for value in values.values())
    yield "(difference: negative minus its positive)"


def _removed(mined: Mined) -> Iterator[str]:
    candidates = int(np.not_equal(mined.source.pool.document, PADDING).sum())
    yield ""
    yield f"{candidates:,} candidates, of which removed"
    reasons = {"labelled": "known positives of the query", "same_text": "text of the query or of a positive"}
    for rule, mask in mined.rules.items():
        count = int(mask.sum())
        share = count / candidates if candidates else 0.0
        yield from _wrapped(f"{count:>11,} {share:>6.1%}  {reasons.get(rule, f'by the rule {rule}')}", 21)


def _weights(mined: Mined) -> Iterator[str]:
    if mined.weight_ratio is None:
        return
    known = mined.weight_ratio[~np.isnan(mined.weight_ratio)]
    yield ""
    if not known.size:
        yield from _lines("weights", "no pair had more candidates than chance could choose from")
        return
    yield from _lines("weights", f"largest / smallest: median {np.median(known):.3g}, most {known.max():.3g}")
    if uniform_in_effect(mined.weight_ratio):
        yield from _lines("", "IN EFFECT UNIFORM: the sampler's scale does not suit these scores")


def _contamination(mined: Mined) -> Iterator[str]:
    if not mined.hides:
        return
    audit = mined.audit
    counted = f"{audit.hidden:,} of {audit.negatives:,} negatives are hidden positives"
    yield ""
    yield from _lines("contamination", f"{audit.contamination:.1%} ({counted})")
    if audit.removed:
        found = f"{audit.hidden_removed:,} of {audit.hidden_in_pool:,} hidden positives among the candidates"
        yield from _lines("", f"the miner removed {found}, and {audit.removed - audit.hidden_removed:,} others")


def _written(written: Written) -> Iterator[str]:
    yield from _lines("wrote", f"{written.path} ({_count(written.rows, 'row')}, {written.form})")
    if written.left_out:
        needs = "all its negatives" if written.form == "n-tuple" else "at least one negative"
        yield from _lines(
            "LEFT OUT", f"{_count(written.left_out, 'PAIR', 'PAIRS')}: a row of {written.form} needs {needs}"
        )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _lines(label: str, text: str) -> list[str]:
    """Put a label before a text, which is broken where a line would be too wide, but never inside a path."""
    return _wrapped(f"{label:<{_LABEL}}{text}", _LABEL)


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)
