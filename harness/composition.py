"""What a mining makes of a collection: pools, confirmation, miner, mix, repair, shortage policy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

from harness.audit import is_hidden
from harness.collection import Collection
from harness.errors import NumericError
from harness.mining.base import PADDING, BoolArray, FloatArray, IntArray, Miner, Negatives, Pool
from harness.mining.consensus import among, cross_sample, intra_sample, relisted
from harness.mining.denoise import confirmed, probabilities
from harness.mining.margin import Ceiling
from harness.mining.repair import Repaired, repaired
from harness.mining.shortage import Served, serve
from harness.registry import MINERS
from harness.seeding import generator
from harness.spec import Component, ConfirmSpec, MiningSpec, MixSpec, RepairSpec, SuspectSpec
from harness.teachers.base import Workspace, build_pool, searched, teacher_of
from harness.teachers.dense import Embed
from harness.teachers.student import Student

__all__ = ["Composed", "Composer", "RepeatedMining"]

_ROUNDING = 1e-4
"""How far above 1 a cosine may come out."""


@dataclass(frozen=True)
class Composed:
    """The negatives of one draw, and what repair did.

    `pool` is that of the first teacher, in whose terms the negatives are described.
    `served` holds the negatives behind the shortage policy; the miner's part in its
    counts is what repair left. `repaired` is None without repair, `weight` (n, k)
    without weights.
    """

    pool: Pool
    served: Served
    repaired: Repaired | None = None
    weight: FloatArray | None = None

    @property
    def kept(self) -> BoolArray:
        """Pairs whose query repair does not drop. Shape (n,)."""
        return np.ones_like(self.served.trained) if self.repaired is None else self.repaired.trained


@dataclass(frozen=True)
class Composer:
    """Carries a mining out on the training pairs of a collection."""

    mining: MiningSpec
    collection: Collection
    work: Workspace

    def pools(self) -> list[Pool]:
        """Return the pool of each teacher, from the store where they are there; confirmation is scored as well."""
        others = self.mining.mix.others if self.mining.mix else ()
        pools = [self._pool(teacher) for teacher in (self.mining.teacher, *others)]
        if self.mining.confirm is not None:
            for pool in pools:
                self._probability(pool, self.mining.confirm)
        return pools

    def compose(self, seed: int, epoch: int = 0) -> Composed:
        """Choose the negatives of one draw; the first epoch's is the one that a mining without `redraw` has."""
        return self._composed(self.pools(), seed, (f"epoch {epoch}",) if epoch else ())

    def recompose(self, embed: Embed, seed: int, step: int) -> Composed:
        """Choose negatives from what the model `embed` finds after `step` updates: its pool is that of the mining.

        `embed` maps n texts to unit vectors (n, d).
        """
        known = self._pool(self.mining.teacher)
        student = Student(embed, self.collection, np.unique(known.query))
        pool = searched(known, student, self.collection, self.work, split="train", depth=self.mining.depth)
        return self._composed([pool], seed, (f"step {step}",))

    def _composed(self, pools: Sequence[Pool], seed: int, later: tuple[str, ...]) -> Composed:
        mining = self.mining
        miner = cast("Miner", MINERS.create(mining.miner.name, mining.miner.params))
        mined = [
            self._mined(miner, pool, generator(seed, "mining", *([f"teacher {place}"] if place else []), *later))
            for place, pool in enumerate(pools)
        ]
        pool, negatives, barred = pools[0], mined[0], []
        if mining.mix is not None:
            document = _mixed(mining.mix, mined, pools, miner.k, generator(seed, "mix", *later))
            negatives, refused = relisted(document, mined, pools)
            barred.append(refused)
        result = None
        if mining.repair is not None:
            result = self._repaired(mining.repair, negatives, pool)
            negatives = result.negatives
            barred.append(result.suspects)
        fill_from = _without(pool, barred) if barred else pool
        served = serve(negatives, fill_from, mining.on_shortage, miner.k, generator(seed, "shortage", *later))
        return Composed(pool, served, result, _weight(served.negatives, result, mining.repair))

    def scored(self, negatives: Negatives, pool: Pool) -> Negatives:
        """Have the first teacher score the negatives that did not come from its pool."""
        row, column = np.nonzero(negatives.filled & np.isnan(negatives.score))
        if not row.size:
            return negatives
        score = negatives.score.copy()
        score[row, column] = self.scores(pool.query[row], negatives.document[row, column])
        return replace(negatives, score=score)

    def scores(self, query: IntArray, document: IntArray) -> FloatArray:
        """Have the first teacher score pairs of query and document indices. Shape (n,)."""
        if not query.size:
            return np.zeros(0, dtype=np.float32)
        return self._scores(self.mining.teacher, query, document)

    def _pool(self, teacher: Component) -> Pool:
        return build_pool(teacher_of(teacher), self.collection, "train", self.mining.depth, self.work)

    def _mined(self, miner: Miner, pool: Pool, rng: np.random.Generator) -> Negatives:
        confirm = self.mining.confirm
        if confirm is None:
            return miner.select(pool, rng)
        irrelevant = self._probability(pool, confirm) < np.float32(confirm.ceiling)
        return confirmed(miner, pool, irrelevant, rng, scan=confirm.scan)

    def _probability(self, pool: Pool, confirm: ConfirmSpec) -> FloatArray:
        """Return the second teacher's probability of each scanned candidate, 1 for the others. Shape (n, m)."""
        scanned = pool.eligible & (np.arange(pool.document.shape[1]) < confirm.scan)
        row, column = np.nonzero(scanned)
        score = self._scores(confirm.teacher, pool.query[row], pool.document[row, column])
        if confirm.probability == "sigmoid":
            score = probabilities(score)
        elif score.size and float(np.abs(score).max()) > 1.0 + _ROUNDING:
            message = (
                f"{confirm.teacher.name} scored a candidate of {self.collection.name} with {np.abs(score).max():.4g}, "
                "which is no probability: confirm needs probability: sigmoid for logits"
            )
            raise NumericError(message)
        probability = np.ones(pool.score.shape, dtype=np.float32)
        probability[row, column] = score
        return probability

    def _repaired(self, repair: RepairSpec, negatives: Negatives, pool: Pool) -> Repaired:
        if isinstance(repair.suspect, SuspectSpec):
            suspected = self._suspected(repair.suspect, negatives, pool)
        else:
            suspected = is_hidden(pool, negatives, self.collection.split("train"))
        return repaired(negatives, pool, suspected, repair)

    def _suspected(self, suspect: SuspectSpec, negatives: Negatives, pool: Pool) -> BoolArray:
        """Tell which negatives are not under the ceilings, by the scores of the teacher that judges. Shape (n, k)."""
        if suspect.teacher is None:
            score, positive = self.scored(negatives, pool).score, pool.positive
        else:
            row, column = np.nonzero(negatives.filled)
            score = np.zeros(negatives.score.shape, dtype=np.float32)
            score[row, column] = self._scores(suspect.teacher, pool.query[row], negatives.document[row, column])
            positive = self._scores(suspect.teacher, pool.query, pool.positive_document)
        mined = replace(
            pool,
            document=negatives.document,
            score=score,
            positive=positive,
            eligible=negatives.filled,
            hidden=np.zeros_like(negatives.filled),
        )
        ceiling = Ceiling(
            threshold=suspect.threshold,
            margin=suspect.margin,
            share=suspect.share,
            boundary=suspect.boundary,
            positive_agg=suspect.positive_agg,
        )
        return negatives.filled & ~ceiling.keep(mined)

    def _scores(self, teacher: Component, query: IntArray, document: IntArray) -> FloatArray:
        scores = teacher_of(teacher).score(self.collection, query, document, self.work)
        if not np.isfinite(scores).all():
            message = f"the teacher {teacher.name} scored {self.collection.name} with NaN or infinity"
            raise NumericError(message)
        return scores


@dataclass(frozen=True)
class RepeatedMining:
    """A mining as a training asks it again: `first` is its first draw, `rows` (n,) the pairs that are trained on."""

    composer: Composer
    seed: int
    first: Composed
    rows: npt.NDArray[np.integer]

    def again(self, embed: Embed, step: int) -> IntArray:
        """Mine anew by the model that `embed` is after `step` updates. Shape (n, k).

        A pair that comes out short is brought to k by the shortage policy; under `drop`
        it keeps padding, for the first draw has decided which pairs are trained on.
        """
        negatives: IntArray = self.composer.recompose(embed, self.seed, step).served.negatives.document[self.rows]
        return negatives

    def candidates(self) -> IntArray:
        """Return the eligible candidates of the first pool, best first. Shape (n, m).

        PADDING stands for those that the miner refused, and behind the last.
        """
        pool, removed = self.first.pool, self.first.served.negatives.removed
        document = np.where(pool.eligible & ~removed, pool.document, PADDING)
        order = np.argsort(~pool.eligible, axis=1, kind="stable")
        candidates: IntArray = np.take_along_axis(document, order, axis=1)[self.rows]
        return candidates


def _mixed(
    mix: MixSpec, mined: Sequence[Negatives], pools: Sequence[Pool], k: int, rng: np.random.Generator
) -> IntArray:
    """Return the documents that a mix takes from the teachers. Shape (n, k)."""
    if mix.how == "cross_sample":
        return cross_sample(mined, pools, rng).document
    return intra_sample(mined, k=k, duplicates="next" if mix.how == "intra_sample" else "keep").document


def _without(pool: Pool, barred: Sequence[IntArray]) -> Pool:
    """Return the pool with further documents that may not fill a row; `barred` are tables (n, b)."""
    table = np.concatenate(barred, axis=1)
    return replace(
        pool,
        eligible=pool.eligible & ~among(pool.document, table, pool.n_documents),
        excluded=np.concatenate([pool.excluded, table], axis=1),
    )


def _weight(served: Negatives, result: Repaired | None, repair: RepairSpec | None) -> FloatArray | None:
    """Return the weights of the negatives that are trained on: what a fill added counts in full. Shape (n, k)."""
    if result is None or repair is None or repair.action != "downweight":
        return None
    mined = result.negatives.document
    return np.where(served.document == mined, result.weight, served.filled).astype(np.float32)
