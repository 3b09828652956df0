"""Results folders with made-up numbers, shaped like those of a real sweep."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import synthetic_tables as tables

from harness.evaluation.sets import set_names
from harness.fingerprint import digest
from harness.measures import Differences
from harness.record import (
    METRICS,
    AuditRecord,
    Environment,
    Failure,
    Histograms,
    RunRecord,
    Stopping,
    Yield,
    write_record,
    write_text,
)
from harness.seeding import generator
from harness.spec import (
    ArmSpec,
    Comparison,
    Component,
    MiningSpec,
    PlannedRun,
    RepairSpec,
    RunSpec,
    SearchSpec,
    SweepPlan,
    TrainingSpec,
)
from harness.sums import SUMS

BINS = 40


@dataclass(frozen=True)
class Arm:
    """An arm and the numbers to give it."""

    name: str
    miner: Component | None = None
    level: float = 0.5
    contamination: float = 0.0
    teacher: str = "minilm"
    trained: bool = True
    full: float = 1.0
    steps: int = 96
    repair: RepairSpec | None = None
    base: str = "static"
    hardness: float | None = None
    losses: tuple[float, ...] = (2.0, 1.5, 1.2)
    stopping: Stopping | None = None
    training: TrainingSpec = field(default_factory=TrainingSpec)


def mined(name: str, **params: float) -> Component:
    return Component(name=name, params={"k": 4, **params})


QUICKSTART = (
    Arm("untrained", level=0.14, trained=False),
    Arm("in-batch", level=0.497),
    Arm("random", mined("random"), 0.523, 0.001),
    Arm("topk", mined("topk"), 0.506, 0.100),
    Arm("topk shifted 10", mined("topk_shifted", shift=10), 0.523, 0.039),
    Arm("topk abs", mined("topk_abs", ceiling=0.7), 0.509, 0.091, full=0.97),
    Arm("topk marginpos", mined("topk_marginpos", margin=0.05), 0.521, 0.062, full=0.93),
    Arm("topk percpos 0.95", mined("topk_percpos", share=0.95), 0.522, 0.065, full=0.92),
    Arm("topk percpos 0.80", mined("topk_percpos", share=0.8), 0.545, 0.035, full=0.81),
    Arm("oracle", mined("oracle"), 0.513, 0.0),
    Arm("bm25 topk", mined("topk"), 0.515, 0.080, teacher="bm25"),
)


def spec_of(arm: Arm) -> ArmSpec:
    return ArmSpec(
        name=arm.name,
        base=Component(name=arm.base, params={"dimensions": 384}),
        mining=MiningSpec(teacher=Component(name=arm.teacher), miner=arm.miner, repair=arm.repair)
        if arm.miner
        else None,
        training=arm.training if arm.trained else None,
    )


def environment(commit: str = "0123456789abcdef") -> Environment:
    return Environment(
        python="3.11.9",
        platform="Linux-6.1-x86_64",
        processor="Example CPU @ 2.50 GHz",
        cores=2,
        threads=2,
        device="cpu",
        packages={"numpy": "2.4.6", "torch": "2.13.0", "sentence-transformers": "6.2.0", "winnow": "0.1.0"},
        commit=commit,
        dirty=False,
    )


def _histograms(arm: Arm, rng: np.random.Generator) -> Histograms:
    low, high = (0.0, 30.0) if arm.teacher == "bm25" else (-0.2, 1.0)
    edges = np.linspace(low, high, BINS + 1)
    middle = 0.35 + 1.2 * arm.contamination
    shapes = {
        "positive": (0.55, 0.16, 2000),
        "negative": (middle, 0.11, 8000),
        "removed": (0.6, 0.1, int(20000 * (1.0 - arm.full) + 500)),
        "hidden": (0.45, 0.15, 900),
    }
    counts = {}
    for kind, (mean, spread, size) in shapes.items():
        scores = rng.normal(mean, spread, size)
        scaled = scores if arm.teacher != "bm25" else scores * 30.0
        counts[kind] = tuple(int(count) for count in np.histogram(scaled, bins=edges)[0])
    return Histograms(edges=tuple(float(edge) for edge in edges), counts=counts)


def _differences(arm: Arm, rng: np.random.Generator) -> Differences:
    edges = 0.05 * np.arange(-10, 21)
    counts = np.histogram(rng.normal(0.2 - arm.contamination, 0.15, 8000), bins=edges)[0]
    return Differences(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


def _audit(arm: Arm, rng: np.random.Generator) -> AuditRecord:
    hidden = round(8000 * arm.contamination)
    return AuditRecord(
        negatives=8000,
        hidden=hidden,
        contamination=hidden / 8000,
        hardness=-0.2 + arm.contamination if arm.hardness is None else arm.hardness,
        removed=1200,
        hidden_removed=300,
        hidden_in_pool=900,
        overlap=0.4 + arm.contamination,
        auc=0.88 - arm.contamination,
        histograms=_histograms(arm, rng),
        differences=_differences(arm, rng),
    )


def _per_query(arm: Arm, dataset: str, seed: int, sizes: dict[str, int]) -> pd.DataFrame:
    frames = []
    for split, size in sizes.items():
        difficulty = generator(7, dataset, split).normal(0.0, 0.32, size)
        own = generator(8, dataset, split, arm.name).normal(0.0, 0.06, size)
        noise = generator(seed, dataset, split, arm.name).normal(0.0, 0.03, size)
        ndcg = np.clip(np.round((arm.level + difficulty + own + noise) * 20) / 20, 0.0, 1.0)
        frames.append(
            pd.DataFrame(
                {
                    "split": split,
                    "query_id": [f"q{index}" for index in range(size)],
                    "relevant": 1 + np.arange(size) % 4,
                    "ndcg_at_10": ndcg,
                    "mrr_at_10": np.clip(ndcg - 0.02, 0.0, 1.0),
                    "recall_at_10": np.clip(ndcg + 0.1, 0.0, 1.0),
                    "recall_at_100": np.clip(ndcg + 0.25, 0.0, 1.0),
                    "map_at_100": np.clip(ndcg - 0.05, 0.0, 1.0),
                    "auc": np.clip(ndcg + 0.3, 0.0, 1.0),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _record(arm: Arm, run: RunSpec, fingerprint: str, frame: pd.DataFrame) -> RunRecord:
    rng = generator(run.seed, "audit", arm.name)
    metrics = list(METRICS)
    means = frame.groupby("split")[metrics].mean()
    full = round(2000 * arm.full)
    return RunRecord(
        status="finished",
        fingerprint=fingerprint,
        spec=run,
        metrics={str(split): {name: float(row[name]) for name in metrics} for split, row in means.iterrows()},
        steps=arm.steps if arm.trained else 0,
        pairs=2000 if arm.trained else 0,
        pairs_hash=digest("pairs") if arm.trained else "",
        negatives_hash=digest(arm.name) if arm.miner else "",
        yields=Yield(full=full, partial=2000 - full, empty=0, backfilled=2 * (2000 - full), dropped=0, trained=2000)
        if arm.trained
        else None,
        audit=_audit(arm, rng) if arm.miner else None,
        losses=arm.losses if arm.trained else (),
        stopping=arm.stopping,
        hashes={"dataset": digest("docstrings")},
        timings={"mining": 1.5, "training": 12.25, "evaluation": 3.0},
        environment=environment(),
    )


@dataclass(frozen=True)
class Sweep:
    """What to write; every field has the value of the quickstart. `kept` adds the tables beside the records."""

    arms: Sequence[Arm] = QUICKSTART
    datasets: Sequence[str] = ("docstrings",)
    seeds: Sequence[int] = (0, 1, 2)
    baseline: str | None = "topk"
    unplanned: Sequence[str] = ()
    failed: Sequence[tuple[str, int]] = ()
    missing: Sequence[tuple[str, int]] = ()
    search: SearchSpec | None = None
    name: str = "quickstart"
    question: str = "Which way of choosing hard negatives gives the best retriever?"
    test: int = 400
    dev: int = 300
    evaluate: Sequence[Component] = ()
    kept: bool = False

    def write(self, folder: Path) -> Path:
        runs = []
        for dataset in self.datasets:
            for arm in self.arms:
                runs.extend(self._write_run(folder, arm, dataset, seed) for seed in self.seeds)
        plan = SweepPlan(
            name=self.name,
            question=self.question,
            metric="ndcg_at_10",
            seeds=tuple(self.seeds),
            equal_queries=True,
            arms=tuple(spec_of(arm) for arm in self.arms),
            datasets=tuple(Component(name=name) for name in self.datasets),
            comparisons=tuple(self._comparisons()),
            runs=tuple(runs),
            search=self.search,
            evaluate=tuple(self.evaluate),
            hash=digest(self.name),
        )
        write_text(folder / "plan.json", plan.model_dump_json(indent=1))
        return folder

    def _comparisons(self) -> list[Comparison]:
        if self.baseline is None:
            return []
        return [
            Comparison(arm=arm.name, baseline=self.baseline, dataset=dataset)
            for dataset in self.datasets
            for arm in self.arms
            if arm.name != self.baseline and arm.name not in self.unplanned
        ]

    def _write_run(self, folder: Path, arm: Arm, dataset: str, seed: int) -> PlannedRun:
        spec = RunSpec(
            arm=spec_of(replace(arm, name="written under another name")),
            dataset=Component(name=dataset),
            seed=seed,
            identities={"dataset": digest(dataset), "base": digest("static"), "teacher": digest(arm.teacher)},
            evaluate=tuple(self.evaluate),
        )
        fingerprint = digest([arm.name, dataset, seed], 16)
        if (arm.name, seed) in self.failed:
            failure = Failure(kind="NumericError", message="the loss is NaN at step 17")
            failed = RunRecord(status="failed", fingerprint=fingerprint, spec=spec, failure=failure)
            (write_record(folder / "runs", failed, None) / SUMS).unlink()  # so that a test may change what was written
        elif (arm.name, seed) not in self.missing:
            further = {f"test@{name}": 20 for name in set_names(self.evaluate)}
            frame = _per_query(arm, dataset, seed, {"test": self.test, "dev": self.dev, **further})
            trace = tables.trace(arm.name, seed) if self.kept and arm.trained else None
            made = write_record(folder / "runs", _record(arm, spec, fingerprint, frame), frame, trace)
            (made / SUMS).unlink()  # likewise
            if self.kept:
                self._keep_tables(folder, folder / "runs" / fingerprint, arm, dataset)
        return PlannedRun(fingerprint=fingerprint, arm=arm.name, dataset=dataset, seed=seed)

    def _keep_tables(self, folder: Path, run: Path, arm: Arm, dataset: str) -> None:
        place, queries = list(self.arms).index(arm), [f"q{index}" for index in range(self.test)]
        if arm.miner is not None:
            tables.keep(tables.negatives(place), run / "negatives.parquet")
        tables.keep(tables.rankings(queries, place), run / "rankings.parquet")
        tables.keep_queries(folder / "queries" / digest(dataset)[:16], queries)
