"""Audit every strategy on one teacher's pool."""

from collections.abc import Callable, Sequence

import numpy as np

from harness.audit.chosen import audit
from harness.audit.curves import (
    Ground,
    at_hardness,
    curve,
    line_point,
    oracle_line,
    random_line,
    serves,
    with_frontier,
)
from harness.audit.records import Agreement, Counted, LinePoint, StrategyAudit, TeacherAudit, Verdict
from harness.audit.removal import naive_candidates, removal
from harness.audit.separation import capacity_index, opis_of_negatives, opis_of_teacher
from harness.audit.settings import CONTROLS, parameters_of, registered_name, strictness
from harness.mining.base import Miner, Negatives, Pool
from harness.mining.rank import TopK

__all__ = ["Scored", "agreement", "audit_strategy", "audit_teacher", "jaccard", "verdict"]

Scored = Callable[[Negatives], Negatives]
"""Gives the teacher's scores to negatives that do not come from its pool."""

_UNCHANGED = 0.99


def audit_teacher(
    ground: Ground, teacher: tuple[str, str], miners: Sequence[tuple[str, Miner]], scored: Scored
) -> TeacherAudit:
    """Audit strategies by name; `teacher` is its name and identity. All miners ask for `ground.k` negatives."""
    plain = ground.select(TopK(k=ground.k))
    naive = line_point(ground, plain)
    chance = random_line(ground)
    curves = [
        curve(ground, name, miner, parameter, naive)
        for name, miner in miners
        if registered_name(miner) not in CONTROLS and (parameter := strictness(miner)) is not None
    ]
    return TeacherAudit(
        teacher=teacher[0],
        identity=teacher[1],
        naive=naive,
        naive_counted=ground.truth.counted(ground.pool, plain.document),
        hidden_in_pool=int((ground.pool.hidden & ground.pool.eligible).sum()),
        opis=opis_of_teacher(ground.pool),
        strategies=tuple(
            audit_strategy(ground, name, miner, scored(ground.select(miner)), (naive, chance, plain))
            for name, miner in miners
        ),
        curves=with_frontier(curves, naive),
        oracle=oracle_line(ground),
        random=chance,
    )


def audit_strategy(
    ground: Ground,
    name: str,
    miner: Miner,
    negatives: Negatives,
    references: tuple[LinePoint, tuple[LinePoint, ...], Negatives],
) -> StrategyAudit:
    """Describe what one strategy chose; `references` are the naive setting, the random line, and naive's choice."""
    pool, (naive, chance_line, plain) = ground.pool, references
    everywhere = np.ones(len(pool.query), dtype=np.bool_)
    basic = audit(pool, negatives, ground.truth.rows, everywhere)
    point = line_point(ground, negatives)
    counts = negatives.filled.sum(axis=1)
    chance = at_hardness(chance_line, point.hardness)
    counted = ground.truth.counted(pool, negatives.document)
    near = removal(pool, negatives, naive_candidates(pool, ground.k), ground.truth)
    return StrategyAudit(
        miner=name,
        strategy=registered_name(miner),
        params=parameters_of(miner),
        counted=counted,
        contamination=point.contamination,
        bounds=_bounds(counted) if ground.truth.judged_non_relevant else None,
        chance=chance,
        full=int((counts >= ground.k).sum()),
        partial=int(((counts > 0) & (counts < ground.k)).sum()),
        empty=int((counts == 0).sum()),
        hardness=basic.hardness,
        rank=point.rank,
        naive=near,
        pool=removal(pool, negatives, pool.eligible, ground.truth),
        overlap=basic.overlap,
        auc=basic.auc,
        opis=opis_of_negatives(pool, negatives),
        eci=capacity_index(pool, negatives),
        verdict=verdict(point, naive, chance, same=jaccard(negatives, plain)) if _is_way(miner) else "control",
        histograms=basic.histograms,
    )


def _bounds(counted: Counted) -> tuple[float, float] | None:
    """Return the contamination if no unknown document is relevant, and if all are."""
    if not counted.total:
        return None
    return counted.hidden / counted.total, (counted.hidden + counted.unknown) / counted.total


def _is_way(miner: Miner) -> bool:
    """Tell a way to mine from what it is compared with."""
    return registered_name(miner) not in {*CONTROLS, "topk"}


def verdict(point: LinePoint, naive: LinePoint, chance: float | None, *, same: float | None) -> Verdict:
    """Say whether a setting suits the teacher; `same` is the Jaccard index of its negatives and the naive ones.

    `unknown` where there is no naive contamination to lower; `no effect` if at least 99 %
    of the negatives are the naive ones; `starves` if fewer than 90 % of the pairs that
    naive top-k serves in full get all negatives; `like chance` if random removal down to the same hardness would
    leave as little, up to the interval; `too mild` if more than half of the naive
    contamination is left; else `suits`.
    """
    if naive.contamination is None or not naive.contamination.value:
        return "unknown"
    if same is not None and same >= _UNCHANGED:
        return "no effect"
    if not serves(point, naive) or point.contamination is None:
        return "starves"
    if chance is not None and chance <= point.contamination.high:
        return "like chance"
    return "too mild" if point.contamination.value > naive.contamination.value / 2.0 else "suits"


def jaccard(one: Negatives, other: Negatives) -> float | None:
    """Return the mean over pairs of the Jaccard index of two choices; pairs without any are left out."""
    same = (one.document[:, :, None] == other.document[:, None, :]) & one.filled[:, :, None]
    shared = same.any(axis=2).sum(axis=1)
    union = one.filled.sum(axis=1) + other.filled.sum(axis=1) - shared
    some = union > 0
    return float((shared[some] / union[some]).mean()) if some.any() else None


def agreement(pools: Sequence[tuple[str, Pool]], k: int) -> Agreement:
    """Compare the naive negatives of every two teachers on the same pairs."""
    naive = [pool.best(pool.eligible, by=pool.score, k=k) for _, pool in pools]
    return Agreement(
        teachers=tuple(name for name, _ in pools),
        jaccard=tuple(tuple(jaccard(one, other) for other in naive) for one in naive),
    )
