"""Negatives mined from one collection with one teacher, and all that is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from harness.arguments import short_label
from harness.audit import audit, yields
from harness.collection import Collection
from harness.errors import NumericError
from harness.measures import AuditRecord, Yield
from harness.mining.base import PADDING, BoolArray, Miner, Negatives, Pool
from harness.mining.margin import Ceiling
from harness.mining.shortage import Served, serve
from harness.registry import MINERS, TEACHERS
from harness.seeding import generator
from harness.spec import Component, MiningSpec
from harness.teachers.base import Teacher, Workspace, build_pool

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from harness.mined_files import Format, Written

__all__ = ["Mined", "TeacherPool", "mine_pool", "teacher_pool"]


@dataclass(frozen=True)
class TeacherPool:
    """The labelled pairs of a split with a teacher's best candidates for each.

    `pool` holds the arrays that miners read; `collection` the ids and texts that they
    index. Computed once and kept in the store; every miner works from it.

    >>> import harness as winnow
    >>> pool = winnow.pool(winnow.load("synthetic"), teacher="bm25", depth=20)
    >>> pool.pool.document.shape
    (24, 20)
    >>> pool.audit("topk", "oracle")["full"].to_dict()
    {'topk': 24, 'oracle': 24}
    """

    collection: Collection
    split: str
    teacher: Component
    depth: int
    pool: Pool
    work: Workspace

    def audit(self, *miners: str, seed: int = 0) -> "pd.DataFrame":
        """Compare miners without training: a row each, as `winnow.mine` would choose with `on_shortage="keep"`.

        Columns: share of the negatives that are hidden positives (`contamination`, NaN
        where the collection hides none), mean teacher score of the negatives minus their
        positive's (`hardness`), pairs given all, some and none of the negatives asked for.
        """
        from harness.notebook import audit_frame

        return audit_frame(self, miners, seed)


@dataclass(frozen=True)
class Mined:
    """Chosen negatives with their texts, scores and history.

    `negatives` are those after the shortage policy, all scored by the teacher; `trained`
    (n,) is False for pairs that the policy drops; `mined` (n,) counts the negatives that
    the miner itself chose.

    >>> import harness as winnow
    >>> pool = winnow.pool(winnow.load("synthetic"), teacher="bm25", depth=20)
    >>> mined = winnow.mine(pool, "topk_percpos", share=0.9, on_shortage="keep")
    >>> mined.frame().columns.tolist()[:4]
    ['query_id', 'positive_id', 'positive_score', 'negative_ids']
    >>> mined.negatives.document.shape
    (24, 4)
    """

    source: TeacherPool
    spec: MiningSpec
    seed: int
    negatives: Negatives
    mined: npt.NDArray[np.int32]
    trained: BoolArray
    yields: Yield
    audit: AuditRecord
    rules: Mapping[str, BoolArray]
    weight_ratio: npt.NDArray[np.float64] | None

    @cached_property
    def backfilled(self) -> npt.NDArray[np.int32]:
        """How many negatives of each pair the shortage policy added. Shape (n,)."""
        added: npt.NDArray[np.int32] = self.negatives.filled.sum(axis=1, dtype=np.int32) - self.mined
        return added

    @property
    def hides(self) -> bool:
        """Whether the collection hides positives of this split, so that contamination is known."""
        return bool(self.source.collection.split(self.source.split).concealed.any())

    @property
    def miner_label(self) -> str:
        """The miner with the parameters that differ from their default."""
        return short_label(MINERS, self.spec.miner)

    @property
    def teacher_label(self) -> str:
        """The teacher with the parameters that differ from their default."""
        return short_label(TEACHERS, self.spec.teacher)

    def frame(self) -> "pd.DataFrame":
        """Return one row per pair that the shortage policy keeps, as the format `records` has them."""
        import pandas as pd

        from harness.mined_files import records

        return pd.DataFrame(records(self))

    def save(self, path: str | Path, *, form: "Format" = "records", force: bool = False) -> "Written":
        """Write the negatives to a .parquet or .jsonl file in one of the formats of `winnow mine`."""
        from harness.mined_files import write_mined

        return write_mined(self, Path(path), form, force=force)

    def summary(self) -> str:
        """Say in at most 80 columns what was mined, what was not, and why."""
        from harness.mined_summary import summary

        return summary(self)

    def figure(self) -> "Figure":
        """Draw the teacher's scores of positives, negatives, removed candidates and hidden positives."""
        from harness.notebook import score_figure

        return score_figure(self)


def teacher_pool(collection: Collection, teacher: Component, *, split: str, depth: int, work: Workspace) -> TeacherPool:
    """Have the teacher search the collection, unless the store holds its pool."""
    built = cast("Teacher", TEACHERS.create(teacher.name, teacher.params))
    return TeacherPool(collection, split, teacher, depth, build_pool(built, collection, split, depth, work), work)


def mine_pool(source: TeacherPool, spec: MiningSpec, seed: int) -> Mined:
    """Choose negatives as a run of a sweep with the same seed would."""
    miner = cast("Miner", MINERS.create(spec.miner.name, spec.miner.params))
    pool = source.pool
    chosen = miner.select(pool, generator(seed, "mining"))
    served = serve(chosen, pool, spec.on_shortage, miner.k, generator(seed, "shortage"))
    negatives = _scored(served.negatives, source)
    ratio = getattr(miner, "weight_ratio", None)
    return Mined(
        source=source,
        spec=spec,
        seed=seed,
        negatives=negatives,
        mined=served.mined,
        trained=served.trained,
        yields=yields(served, served.trained, miner.k),
        audit=audit(pool, negatives, source.collection.split(source.split), served.trained),
        rules=_rules(source, miner, spec.miner.name, served),
        weight_ratio=None if ratio is None else ratio(pool),
    )


def _scored(negatives: Negatives, source: TeacherPool) -> Negatives:
    """Have the teacher score the negatives that did not come from its pool."""
    row, column = np.nonzero(negatives.filled & np.isnan(negatives.score))
    if not row.size:
        return negatives
    teacher = cast("Teacher", TEACHERS.create(source.teacher.name, source.teacher.params))
    score = negatives.score.copy()
    documents = negatives.document[row, column]
    score[row, column] = teacher.score(source.collection, source.pool.query[row], documents, source.work)
    if not np.isfinite(score[row, column]).all():
        message = f"the teacher scored {source.collection.name} with NaN or infinity"
        raise NumericError(message)
    return replace(negatives, score=score)


def _rules(source: TeacherPool, miner: Miner, name: str, served: Served) -> dict[str, BoolArray]:
    """Tell which candidates each rule removed; one that several ceilings refuse counts for each. Shapes (n, m)."""
    pool = source.pool
    candidate = np.not_equal(pool.document, PADDING)
    rows = source.collection.split(source.split)
    width = pool.n_documents
    labelled = rows.query[rows.labelled].astype(np.int64) * width + rows.document[rows.labelled]
    known = np.isin(pool.query[:, None].astype(np.int64) * width + pool.document, labelled) & candidate
    rules = {"labelled": known, "same_text": candidate & ~pool.eligible & ~known}
    removed = served.negatives.removed
    ceilings = [each for each in ("threshold", "margin", "share") if getattr(miner, each, None) is not None]
    if isinstance(miner, Ceiling) and len(ceilings) > 1:
        for each in ceilings:
            alone = Ceiling(boundary=miner.boundary, positive_agg=miner.positive_agg, **{each: getattr(miner, each)})
            rules[f"{name}_{each}"] = removed & ~alone.keep(pool)
    else:
        rules[name] = removed
    return rules
