"""What stricter settings cost: contamination against hardness, with the bounds of knowing all and nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from harness.audit.records import Curve, CurvePoint, LinePoint, Rate
from harness.audit.resampling import Resamples
from harness.audit.settings import settings, with_value
from harness.audit.truth import Truth
from harness.mining.base import Miner, Negatives, Pool
from harness.mining.oracle import RandomRemoval
from harness.seeding import generator

__all__ = [
    "ENOUGH",
    "Ground",
    "at_hardness",
    "contamination",
    "curve",
    "halving",
    "hardness_at",
    "line_point",
    "on_frontier",
    "oracle_line",
    "random_line",
    "serves",
    "with_frontier",
]

ENOUGH = 0.9
"""Share of the pairs served in full by the naive setting that another must serve to stand beside it."""

_STEPS = 10
_ORACLE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Ground:
    """What all settings of one teacher are measured on."""

    pool: Pool
    truth: Truth
    resamples: Resamples
    seed: int
    k: int

    def select(self, miner: Miner, purpose: str = "audit") -> Negatives:
        """Mine; the same random numbers for every setting, so that a curve is no noisier than it must be."""
        return miner.select(self.pool, generator(self.seed, purpose))


def contamination(ground: Ground, negatives: Negatives) -> Rate | None:
    """Return the share of chosen documents, of those that are known, that are hidden positives."""
    if ground.truth.kind == "none":
        return None
    hidden = ground.truth.hidden(ground.pool, negatives.document).sum(axis=1)
    return ground.resamples.rate(hidden, ground.truth.known(ground.pool, negatives.document).sum(axis=1))


def line_point(ground: Ground, negatives: Negatives, value: float = 0.0) -> LinePoint:
    """Measure one setting."""
    filled = negatives.filled
    gap = (negatives.score - ground.pool.positive[:, None])[filled & np.isfinite(negatives.score)]
    eligible_rank = np.take_along_axis(ground.pool.eligible_rank, np.maximum(negatives.rank, 0), axis=1)
    ranks = eligible_rank[negatives.rank >= 0] + 1
    return LinePoint(
        value=value,
        contamination=contamination(ground, negatives),
        hardness=float(gap.mean(dtype=np.float64)) if gap.size else None,
        rank=float(ranks.mean()) if ranks.size else None,
        full=float(filled.all(axis=1).mean()) if len(filled) else 0.0,
    )


def curve(ground: Ground, name: str, miner: Miner, parameter: str, naive: LinePoint) -> Curve:
    """Measure a miner over its settings; the frontier is marked later, when all curves are known."""
    points = [
        line_point(ground, ground.select(setting), value) for value, setting in settings(miner, parameter, ground.pool)
    ]
    return Curve(
        miner=name,
        parameter=parameter,
        given=float(getattr(miner, parameter)),
        points=tuple(CurvePoint(**point.model_dump(), frontier=False) for point in points),
        halving=halving(ground, partial(with_value, miner, parameter), points, naive),
    )


def random_line(ground: Ground) -> tuple[LinePoint, ...]:
    """Measure removal that knows nothing, from none to nearly all."""
    control = RandomRemoval(k=ground.k)
    found = [
        line_point(ground, ground.select(setting), value)
        for value, setting in settings(control, "removal", ground.pool)
    ]
    return tuple(found)


def oracle_line(ground: Ground) -> tuple[LinePoint, ...]:
    """Measure removal of a growing share of the hidden positives and of nothing else."""
    pool = ground.pool
    draw = pool.uniform(generator(ground.seed, "audit"))
    return tuple(
        line_point(ground, pool.best(~(pool.hidden & (draw < share)), by=pool.score, k=ground.k), share)
        for share in _ORACLE
    )


def at_hardness(line: Sequence[LinePoint], hardness: float | None) -> float | None:
    """Return the contamination of a line at a hardness, straight between its points; None off its ends."""
    known = sorted(
        (point.hardness, point.contamination.value)
        for point in line
        if point.hardness is not None and point.contamination is not None
    )
    if hardness is None or not known or not known[0][0] <= hardness <= known[-1][0]:
        return None
    across, up = zip(*known, strict=True)
    return float(np.interp(hardness, across, up))


def hardness_at(line: Sequence[LinePoint], share: float) -> float | None:
    """Return the hardness of a line where its contamination is `share`, straight between its points."""
    known = sorted(
        (point.contamination.value, point.hardness)
        for point in line
        if point.hardness is not None and point.contamination is not None
    )
    if not known or not known[0][0] <= share <= known[-1][0]:
        return None
    across, up = zip(*known, strict=True)
    return float(np.interp(share, across, up))


def serves(point: LinePoint, naive: LinePoint) -> bool:
    """Tell whether a setting serves enough of the pairs that the naive one serves in full."""
    return point.full >= ENOUGH * naive.full


def on_frontier(points: Sequence[LinePoint], naive: LinePoint) -> list[bool]:
    """Tell which points no other beats: none is as clean and as hard, and better in one of the two.

    Only points that serve enough pairs take part: a setting that
    serves only easy queries would look both clean and hard.
    """
    values = [
        (point.contamination.value, -point.hardness)
        if point.contamination is not None and point.hardness is not None and serves(point, naive)
        else None
        for point in points
    ]
    able = [value for value in values if value is not None]
    return [value is not None and not any(_beats(other, value) for other in able) for value in values]


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def halving(
    ground: Ground, settings_of: Callable[[float], tuple[float, Miner]], points: Sequence[LinePoint], naive: LinePoint
) -> LinePoint | None:
    """Return the hardest setting with at most half of the naive contamination that serves enough pairs.

    The hardest such point of the curve is moved by bisection towards its milder
    neighbour, so that curves are compared at nearly the same contamination.
    """
    if naive.contamination is None or not naive.contamination.value:
        return None
    able = [index for index, point in enumerate(points) if _halves(point, naive)]
    if not able:
        return None
    best = max(able, key=lambda index: points[index].hardness or 0.0)
    found = points[best]
    milder = [points[near] for near in (best - 1, best + 1) if 0 <= near < len(points) and near not in able]
    for end in milder:
        found = _bisected(ground, settings_of, (found, end), naive)
    return found


def _halves(point: LinePoint, naive: LinePoint) -> bool:
    if point.contamination is None or naive.contamination is None or point.hardness is None:
        return False
    return point.contamination.value <= naive.contamination.value / 2.0 and serves(point, naive)


def _bisected(
    ground: Ground,
    settings_of: Callable[[float], tuple[float, Miner]],
    ends: tuple[LinePoint, LinePoint],
    naive: LinePoint,
) -> LinePoint:
    """Narrow the gap between a setting that halves and one that does not; return the hardest found that does."""
    good, bad = ends[0].value, ends[1].value
    found = ends[0]
    for _ in range(_STEPS):
        value, setting = settings_of((good + bad) / 2.0)
        if value in {good, bad}:
            break
        point = line_point(ground, ground.select(setting), value)
        if _halves(point, naive):
            good = value
            found = max(found, point, key=lambda each: each.hardness or 0.0)
        else:
            bad = value
    return found


def with_frontier(curves: Sequence[Curve], naive: LinePoint) -> tuple[Curve, ...]:
    """Mark on every curve what lies on the frontier of all curves and the naive setting."""
    marks = iter(on_frontier([naive, *(point for each in curves for point in each.points)], naive)[1:])
    return tuple(
        each.model_copy(
            update={"points": tuple(point.model_copy(update={"frontier": next(marks)}) for point in each.points)}
        )
        for each in curves
    )
