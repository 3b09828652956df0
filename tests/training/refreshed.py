"""Runs on the synthetic collection, to test refreshes on."""

from harness.spec import ArmSpec, Component, MiningSpec, RunSpec, TrainingSpec

DATASET = Component(name="synthetic", params={"queries": 40, "documents": 240})
BM25 = Component(name="bm25")
EPOCHS, STEPS = 4, 12
"""Three steps an epoch: 24 pairs in batches of 8."""


def part(name: str, **params: object) -> Component:
    return Component(name=name, params=params)


def run_spec(refresh: Component | None, miner: Component | None = None, seed: int = 0, **mining: object) -> RunSpec:
    """Describe a run with BM25's pool; without a miner the refresh is to find the negatives."""
    chosen = None
    if miner is not None:
        chosen = MiningSpec(**{"teacher": BM25, "miner": miner, "depth": 20} | mining)
    training = TrainingSpec(epochs=EPOCHS, batch_size=8, learning_rate=0.01, refresh=refresh)
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, mining=chosen, training=training)
    return RunSpec(arm=arm, dataset=DATASET, seed=seed, identities={})
