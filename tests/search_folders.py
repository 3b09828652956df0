"""A search whose runs are carried out by writing made-up records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from harness.measures import AuditRecord, Histograms
from harness.record import METRICS, Failure, RunRecord, record_of, write_record
from harness.search.searching import Runs, Searching
from harness.spec import (
    ArmSpec,
    ChoiceSpec,
    Component,
    MiningSpec,
    RangeSpec,
    RunSpec,
    SearchSpec,
    SweepSpec,
    TrainingSpec,
)
from harness.sweep_files import Point, SearchEnd

TEMPLATE = ArmSpec(
    name="tuned",
    base=Component(name="static", params={}),
    mining=MiningSpec(
        teacher=Component(name="bm25", params={}), miner=Component(name="topk_percpos", params={"k": 2, "share": 0.8})
    ),
    training=TrainingSpec(batch_size=8),
)
SPACE = {"miner.share": RangeSpec(low=0.5, high=1.0)}
CONDITIONS = {
    "miner": ChoiceSpec(
        choices=(
            Component(name="topk_percpos", params={"k": 2}),
            Component(name="topk_marginpos", params={"k": 2}),
            Component(name="topk_abs", params={"k": 2}),
        )
    ),
    "miner.share": RangeSpec(low=0.5, high=1.0, when={"miner": ("topk_percpos",)}),
    "miner.margin": RangeSpec(low=0.0, high=0.4, when={"miner": ("topk_marginpos",)}),
    "redraw": ChoiceSpec(choices=(False, True), when={"miner": ("topk_percpos", "topk_marginpos")}),
}
"""Three miners, two of them with a threshold that is searched."""
QUERIES = 40


def sweep(seeds: Sequence[int] = (0, 1), **search: object) -> SweepSpec:
    given = {"arm": "tuned", "trials": 4, "space": SPACE, **search}
    return SweepSpec(
        name="toy",
        question="?",
        datasets=(Component(name="synthetic", params={"queries": 20, "documents": 120}),),
        arms=(TEMPLATE,),
        seeds=tuple(seeds),
        search=SearchSpec.model_validate(given),
    )


def share_of(spec: RunSpec) -> float:
    assert spec.arm.mining is not None
    return float(str(spec.arm.mining.miner.params.get("share", 0.5)))


def strength_of(spec: RunSpec) -> float:
    """Return a made-up dev mean for the miners of `CONDITIONS`: a share is best at 0.8, and better than the others."""
    assert spec.arm.mining is not None
    params = spec.arm.mining.miner.params
    if "share" in params:
        return 0.6 - abs(float(str(params["share"])) - 0.8) + 0.02 * spec.arm.mining.redraw
    return 0.4 + 0.3 * float(str(params["margin"])) if "margin" in params else 0.3


def audited(hidden: int, negatives: int = 200) -> AuditRecord:
    return AuditRecord(
        negatives=negatives,
        hidden=hidden,
        contamination=hidden / negatives,
        hardness=0.0,
        removed=0,
        hidden_removed=0,
        hidden_in_pool=0,
        overlap=0.0,
        auc=1.0,
        histograms=Histograms(edges=(0.0, 1.0), counts={"negative": (1,)}),
    )


@dataclass
class Bench:
    """Carries out searches in a folder; `score` says a run's dev mean, `seconds` how long it took."""

    folder: Path
    score: Callable[[RunSpec], float] = share_of
    seconds: float = 360.0
    fails: Callable[[RunSpec], bool] = lambda _: False
    carried: list[list[tuple[str, int]]] = field(default_factory=list)

    def search(self, spec: SweepSpec, listed: Sequence[Point] | None = None) -> SearchEnd | None:
        assert spec.search is not None
        return Searching(spec, spec.search, self.folder, self._carry_out, listed).carry_out()

    def _carry_out(self, runs: Runs) -> int:
        failed = 0
        self.carried.append([])
        for run, spec in runs:
            record = record_of(self.folder, run)
            if record is None or record.status == "failed":
                self.carried[-1].append((run.arm, run.seed))
                record = self._write(spec)
            failed += record.status == "failed"
        return failed

    def _write(self, spec: RunSpec) -> RunRecord:
        if self.fails(spec):
            failure = Failure(kind="NumericError", message="nan")
            record = RunRecord(
                status="failed",
                fingerprint=spec.fingerprint,
                spec=spec,
                timings={"train": self.seconds},
                failure=failure,
            )
            write_record(self.folder / "runs", record, None)
            return record
        frame = pd.DataFrame({"split": "dev", "query_id": [f"q{n:02}" for n in range(QUERIES)], "relevant": 1})
        noise = np.random.default_rng(spec.seed).normal(0.0, 0.01, QUERIES)
        frame = frame.assign(**dict.fromkeys(METRICS, 0.0)).assign(ndcg_at_10=self.score(spec) + noise)
        record = RunRecord(
            status="finished",
            fingerprint=spec.fingerprint,
            spec=spec,
            metrics={"dev": {"ndcg_at_10": float(frame["ndcg_at_10"].mean())}},
            steps=10,
            pairs=100,
            audit=audited(round(100 * share_of(spec))),
            timings={"train": self.seconds},
        )
        write_record(self.folder / "runs", record, frame)
        return record
