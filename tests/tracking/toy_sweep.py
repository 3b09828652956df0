"""A small sweep: two arms by two seeds."""

from harness.record import AuditRecord, Environment, Failure, Histograms, RunRecord, Yield
from harness.spec import ArmSpec, Component, MiningSpec, PlannedRun, RunSpec, SweepPlan, TrainingSpec


def arm(name: str, **params: float | str) -> ArmSpec:
    mining = MiningSpec(
        teacher=Component(name="bm25", params={"k1": 0.9}),
        miner=Component(name="topk_percpos", params=dict(params)),
    )
    return ArmSpec(name=name, base=Component(name="static"), mining=mining, training=TrainingSpec())


ARMS = (arm("percpos 0.95", share=0.95), ArmSpec(name="untrained", base=Component(name="static")))
DATASET = Component(name="toy", params={"train": 20})


def spec(of: ArmSpec, seed: int) -> RunSpec:
    return RunSpec(arm=of, dataset=DATASET, seed=seed, identities={"dataset": "d" * 64})


def record(run: RunSpec, ndcg: float = 0.5) -> RunRecord:
    trained = run.arm.training is not None
    histograms = Histograms(edges=(0.0, 0.5, 1.0), counts={"positive": (1, 3), "negative": (3, 1)})
    return RunRecord(
        status="finished",
        fingerprint=run.fingerprint,
        spec=run,
        metrics={
            "dev": {"ndcg_at_10": ndcg - 0.1, "mrr_at_10": 0.1, "recall_at_100": 0.9},
            "test": {"ndcg_at_10": ndcg, "mrr_at_10": 0.2, "recall_at_100": 0.8},
        },
        steps=3 if trained else 0,
        pairs_hash="a" * 64 if trained else "",
        negatives_hash="b" * 64 if trained else "",
        yields=Yield(full=15, partial=3, empty=2, backfilled=7, dropped=1, trained=19) if trained else None,
        audit=AuditRecord(
            negatives=80,
            hidden=4,
            contamination=0.05,
            hardness=-0.125,
            removed=9,
            hidden_removed=2,
            hidden_in_pool=6,
            overlap=0.25,
            auc=0.75,
            histograms=histograms,
        )
        if trained
        else None,
        losses=(3.0, 2.0, 1.5) if trained else (),
        timings={"train": 2.0, "evaluate": 0.5},
        environment=Environment(
            python="3.11",
            platform="Linux",
            processor="x",
            cores=2,
            threads=2,
            device="cpu",
            packages={},
            commit="c0ffee",
            dirty=False,
        ),
    )


def failed(run: RunSpec, message: str = "loss became NaN") -> RunRecord:
    failure = Failure(kind="NumericError", message=message)
    return RunRecord(status="failed", fingerprint=run.fingerprint, spec=run, failure=failure)


def plan_of(arms: tuple[ArmSpec, ...] = ARMS, hash_: str = "1" * 64, amends: tuple[str, ...] = ()) -> SweepPlan:
    runs = tuple(
        PlannedRun(fingerprint=spec(one, seed).fingerprint, arm=one.name, dataset="toy", seed=seed)
        for one in arms
        for seed in (0, 1)
    )
    return SweepPlan(
        name="toy-sweep",
        question="Which is best?",
        metric="ndcg_at_10",
        seeds=(0, 1),
        equal_queries=True,
        arms=arms,
        datasets=(DATASET,),
        comparisons=(),
        runs=runs,
        hash=hash_,
        amends=amends,
    )


def records(plan: SweepPlan) -> list[RunRecord]:
    by_name = {one.name: one for one in plan.arms}
    return [record(spec(by_name[run.arm], run.seed), 0.5 + run.seed / 10) for run in plan.runs]
