"""Audit strategies on a collection without training: pools from teachers, numbers, figures, one PDF."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.audit.curves import Ground
from harness.audit.records import AuditReport, TeacherAudit
from harness.audit.resampling import Resamples
from harness.audit.strategies import agreement, audit_teacher
from harness.audit.truth import Truth
from harness.collection import Collection, IntArray, Judgements, hide_positives
from harness.errors import ConfigError, NumericError
from harness.mining.base import Miner, Negatives, Pool, key_of
from harness.mining.calibrated import TopKAbsQuantile, TopKMarginQuantile
from harness.mining.margin import TopKAbs, TopKMarginPos, TopKPercPos
from harness.mining.oracle import Oracle, RandomRemoval
from harness.mining.rank import TopK, TopKShifted
from harness.record import write_text
from harness.reporting.audit_document import compose
from harness.reporting.audit_pictures import draw
from harness.reporting.audit_text import summary
from harness.reporting.gallery import Gallery
from harness.reporting.pdf import compile_pdf
from harness.seeding import derive_seed, generator
from harness.store import write_file
from harness.teachers.base import Teacher, Workspace, build_pool

__all__ = ["AuditPaths", "audit_collection", "default_miners", "run_audit", "subject"]

_TEMPLATE = Path(__file__).with_name("reporting") / "audit.typ"


@dataclass(frozen=True)
class AuditPaths:
    """Where an audit lies; `text` is its summary in lines of at most 80 columns."""

    pdf: Path
    json: Path
    figures: tuple[Path, ...]
    text: str


def default_miners(k: int = 4) -> list[tuple[str, Miner]]:
    """Return every remover with its published or default setting, the naive one and the two bounds."""
    miners: Mapping[str, Miner] = {
        "topk": TopK(k=k),
        "topk_shifted": TopKShifted(k=k),
        "topk_abs": TopKAbs(k=k),
        "topk_abs_quantile": TopKAbsQuantile(k=k),
        "topk_marginpos": TopKMarginPos(k=k),
        "topk_margin_quantile": TopKMarginQuantile(k=k),
        "topk_percpos": TopKPercPos(k=k),
        "random_removal": RandomRemoval(k=k),
        "oracle": Oracle(k=k),
    }
    return list(miners.items())


def subject(
    collection: Collection, *, split: str = "train", hide: int | None = None, queries: int | None = None, seed: int = 0
) -> Collection:
    """Return what is to be audited: one split, with positives hidden, and no more than some of its queries.

    `hide` is a seed: each query keeps one labelled positive and the others are hidden.
    `queries` keeps that many queries with a positive, those whose ids hash lowest under
    `seed`, and drops all other queries and splits, so that they are not encoded.
    """
    rows = collection.split(split)
    if hide is not None:
        rows = hide_positives(rows, generator(hide, "hide_positives"))
    if queries is None:
        return replace(collection, splits={**collection.splits, split: rows})
    able = np.unique(rows.query[rows.labelled]).tolist()
    salt = derive_seed(seed, "audit_queries")
    ranked = sorted(able, key=lambda query: key_of(f"{salt}\x1f{collection.query_ids[query]}"))
    kept = sorted(ranked[:queries])
    place = {query: number for number, query in enumerate(kept)}
    inside = np.isin(rows.query, kept)
    return replace(
        collection,
        query_ids=tuple(collection.query_ids[query] for query in kept),
        query_texts=tuple(collection.query_texts[query] for query in kept),
        splits={
            split: Judgements(
                query=np.array([place[query] for query in rows.query[inside].tolist()], dtype=np.int32),
                document=rows.document[inside],
                grade=rows.grade[inside],
                hidden=rows.hidden[inside],
            )
        },
    )


def run_audit(  # noqa: PLR0913  # five of them by keyword
    collection: Collection,
    teachers: Sequence[tuple[str, Teacher]],
    miners: Sequence[tuple[str, Miner]] = (),
    *,
    split: str = "train",
    depth: int = 100,
    seed: int = 0,
    work: Workspace,
    out: Path,
) -> AuditPaths:
    """Audit miners on the pools of teachers and write `audit.json`, `audit.pdf` and `figures/` to `out`.

    Without miners all of `default_miners` are audited. The same collection, strategies
    and seed give the same bytes. Raises ConfigError for strategies that cannot be
    compared, DataError for a split without labelled pairs, StorageError for a folder
    that cannot be written.
    """
    report = audit_collection(
        collection, teachers, miners or default_miners(), split=split, depth=depth, seed=seed, work=work
    )
    gallery = Gallery()
    pdf = compile_pdf(compose(report, draw(report, gallery)), gallery.pictures(), _TEMPLATE)
    json = out / "audit.json"
    write_text(json, report.model_dump_json() + "\n")
    json.chmod(0o644)
    files = tuple(write_file(out / "figures" / name, content) for name, content in gallery.files.items())
    return AuditPaths(write_file(out / "audit.pdf", pdf), json, files, summary(report))


def audit_collection(  # noqa: PLR0913  # four of them by keyword
    collection: Collection,
    teachers: Sequence[tuple[str, Teacher]],
    miners: Sequence[tuple[str, Miner]],
    *,
    split: str = "train",
    depth: int = 100,
    seed: int = 0,
    work: Workspace,
) -> AuditReport:
    """Audit miners on the pools of teachers; write nothing but the pools, to the store."""
    k = _checked(teachers, miners)
    truth = Truth(collection.split(split))
    audits: list[TeacherAudit] = []
    pools: list[tuple[str, Pool]] = []
    resamples: Resamples | None = None
    for number, (name, teacher) in enumerate(teachers):
        pool = build_pool(teacher, collection, split, depth, work)
        resamples = resamples or Resamples(pool.group, generator(seed, "audit", "bootstrap"))
        work.progress(f"auditing with {name}", number + 1, len(teachers))
        ground = Ground(pool, truth, resamples, seed, k)
        scorer = _Scorer(teacher, collection, pool, work)
        audits.append(audit_teacher(ground, (name, teacher.identity()), miners, scorer))
        pools.append((name, pool))
    pool = pools[0][1]
    return AuditReport(
        collection=collection.name,
        digest=collection.digest,
        split=split,
        seed=seed,
        depth=depth,
        k=k,
        documents=len(collection.document_ids),
        queries=len(np.unique(pool.group)),
        pairs=len(pool.query),
        truth=truth.kind,
        hidden_positives=truth.hidden_positives,
        judged_non_relevant=truth.judged_non_relevant,
        resamples=resamples.count if resamples is not None else 0,
        teachers=tuple(audits),
        agreement=agreement(pools, k),
    )


def _checked(teachers: Sequence[tuple[str, Teacher]], miners: Sequence[tuple[str, Miner]]) -> int:
    """Return how many negatives all miners ask for; raise ConfigError for what cannot be compared."""
    mistakes = []
    for what, names in (("teacher", [name for name, _ in teachers]), ("miner", [name for name, _ in miners])):
        if not names:
            mistakes.append(f"an audit needs at least one {what}, got none")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            mistakes.append(f"each {what} needs a name of its own, got {', '.join(map(repr, twice))} again")
    asked = sorted({miner.k for _, miner in miners})
    if len(asked) > 1:
        mistakes.append(f"all miners must ask for the same number of negatives, got k={', '.join(map(str, asked))}")
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return asked[0]


@dataclass(frozen=True)
class _Scorer:
    """Has the teacher score negatives that do not come from its pool."""

    teacher: Teacher
    collection: Collection
    pool: Pool
    work: Workspace

    def __call__(self, negatives: Negatives) -> Negatives:
        row, column = np.nonzero(negatives.filled & np.isnan(negatives.score))
        if not row.size:
            return negatives
        documents: IntArray = negatives.document[row, column]
        score = negatives.score.copy()
        score[row, column] = self.teacher.score(self.collection, self.pool.query[row], documents, self.work)
        if not np.isfinite(score[row, column]).all():
            message = f"the teacher scored {self.collection.name} with NaN or infinity"
            raise NumericError(message)
        return replace(negatives, score=score)
