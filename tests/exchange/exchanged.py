"""A results folder whose numbers follow from its rankings, as those of a real sweep do."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from synthetic import Arm, _record, mined, spec_of

from harness.evaluation.metrics import per_query_metrics
from harness.fingerprint import digest
from harness.plan import chosen_hash
from harness.record import METRICS, RunRecord, write_record, write_text
from harness.seeding import generator
from harness.spec import Comparison, Component, PlannedRun, RunSpec, SweepPlan
from harness.sums import SUMS

DATASET = digest("docstrings")
SPLITS = {"dev": 3, "test": 8, "dev@synthetic": 2, "test@synthetic": 3}
FURTHER = (Component(name="synthetic"),)
AWKWARD = ("a document", "100%", "tab\there", "é", "line\u2028end")

ARMS = (
    Arm("topk", mined("topk"), contamination=0.1),
    Arm("random / any", mined("random"), 0.6),
    Arm("untrained", trained=False),
)


def qrels_of(split: str) -> dict[str, dict[str, int]]:
    rng = generator(1, split)
    documents = [f"d{index:03}" for index in range(150)] + list(AWKWARD)
    found = {}
    for index in range(SPLITS[split]):
        chosen = rng.choice(len(documents), size=1 + index % 4, replace=False)
        found[f"q {index}"] = {documents[place]: int(rng.integers(0, 3)) for place in chosen}
        found[f"q {index}"][documents[chosen[0]]] = 2
    return found


def run_of(split: str, arm: str, seed: int) -> dict[str, dict[str, float]]:
    """Rankings with ties, by score, those of equal score by descending id; one query has none."""
    documents = [f"d{index:03}" for index in range(150)] + list(AWKWARD)
    found = {}
    for query, relevant in list(qrels_of(split).items())[:-1]:
        rng = generator(seed, split, arm, query)
        scores = np.round(rng.normal(0.0, 1.0, len(documents)), 1) + np.array([name in relevant for name in documents])
        ordered = sorted(zip(scores.astype(np.float32), documents, strict=True), reverse=True)[:100]
        found[query] = {name: float(score) for score, name in ordered}
    return found


def _parquet(rows: list[tuple[object, ...]], columns: tuple[str, ...], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=list(columns))
    ids = [name for name in ("query_id", "document_id") if name in frame]
    frame = frame.astype(dict.fromkeys(ids, "category"))
    if "score" in frame:
        frame["score"] = frame["score"].astype(np.float32)
    frame.to_parquet(path, index=False, compression="zstd")


@dataclass(frozen=True)
class Ranked:
    """What to write; `rankings` says whether the sweep is recent enough to have kept them,
    `lines` go into the list of packages."""

    rankings: bool = True
    path: str = ""
    lines: str = ""

    def write(self, folder: Path) -> Path:
        dataset = Component(name="beir_folder", params={"path": self.path}) if self.path else Component(name="made")
        name = Path(self.path).name if self.path else "made"
        self._write_environment(folder)
        runs = []
        for arm in ARMS:
            for seed in (0, 1):
                spec = RunSpec(
                    arm=spec_of(arm),
                    dataset=dataset,
                    seed=seed,
                    identities={"dataset": DATASET, "base": digest("static")},
                    evaluate=FURTHER,
                )
                runs.append(PlannedRun(fingerprint=spec.fingerprint, arm=arm.name, dataset=name, seed=seed))
                self._write_run(folder, arm, spec)
        self._write_plan(folder, dataset, name, runs)
        if self.rankings:
            self._write_queries(folder / "queries" / DATASET[:16])
        return folder

    def _write_environment(self, folder: Path) -> None:
        lock = f"numpy==2.4.6\nwinnow==0.1.0\n{self.lines}"
        name = hashlib.sha256(lock.encode()).hexdigest()[:16]
        write_text(folder / "environment" / f"{name}.lock", lock)

    def _write_run(self, folder: Path, arm: Arm, spec: RunSpec) -> None:
        frames, rows = [], []
        for split in SPLITS:
            run = run_of(split, arm.name, spec.seed if arm.trained else 0)
            frame = per_query_metrics(qrels_of(split), run)
            frame["auc"] = generator(spec.seed if arm.trained else 0, split, arm.name, "auc").uniform(size=len(frame))
            frame.insert(0, "split", split)
            frames.append(frame)
            for query, documents in run.items():
                ranked = enumerate(documents.items(), start=1)
                rows += [(split, query, rank, document, score) for rank, (document, score) in ranked]
        queries = pd.concat(frames, ignore_index=True)
        made = write_record(folder / "runs", self._record(arm, spec, queries), queries)
        (made / SUMS).unlink()  # so that a test may change what was written
        if self.rankings:
            columns = ("split", "query_id", "rank", "document_id", "score")
            _parquet(rows, columns, folder / "runs" / spec.fingerprint / "rankings.parquet")

    def _record(self, arm: Arm, spec: RunSpec, queries: pd.DataFrame) -> RunRecord:
        record = _record(arm, spec, spec.fingerprint, queries)
        means = queries.groupby("split")[list(METRICS)].mean()
        metrics = {str(split): {name: float(row[name]) for name in METRICS} for split, row in means.iterrows()}
        return record.model_copy(update={"metrics": metrics})

    def _write_plan(self, folder: Path, dataset: Component, name: str, runs: list[PlannedRun]) -> None:
        plan = SweepPlan(
            name="ranked",
            question="What do rankings give?",
            metric="ndcg_at_10",
            seeds=(0, 1),
            equal_queries=True,
            arms=tuple(spec_of(arm) for arm in ARMS),
            datasets=(dataset,),
            comparisons=tuple(Comparison(arm=arm.name, baseline="topk", dataset=name) for arm in ARMS[1:]),
            runs=tuple(runs),
            evaluate=FURTHER,
        )
        text = plan.model_copy(update={"hash": chosen_hash(plan)}).model_dump_json(indent=1)
        write_text(folder / "plan.json", text)

    def _write_queries(self, folder: Path) -> None:
        rows = [
            (split, query, document, grade)
            for split in SPLITS
            for query, documents in qrels_of(split).items()
            for document, grade in documents.items()
        ]
        _parquet(list(rows), ("split", "query_id", "document_id", "relevance"), folder / "qrels.parquet")
        _parquet([("query", "q 0", "secret of a third party")], ("kind", "id", "text"), folder / "texts.parquet")
