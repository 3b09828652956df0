"""Training and evaluation stand on their own: trackers, searchers and benchmark suites are not needed."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, pathlib, sys, tempfile

class Without:
    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"mlflow", "optuna", "mteb", "beir", "peft"}:
            return None
        return self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from harness.pipeline import run
from harness.spec import ArmSpec, Component, RunSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace

arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, training=TrainingSpec(epochs=1, batch_size=8))
dataset = Component(name="synthetic", params={"queries": 40, "documents": 240})
with tempfile.TemporaryDirectory() as folder:
    work = Workspace(Store(pathlib.Path(folder)))
    record, frame, *_ = run(RunSpec(arm=arm, dataset=dataset, seed=0, identities={}), work)
loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"mlflow", "optuna", "mteb", "beir"})
print(json.dumps([record.steps, len(frame), loaded]))
"""


def test_a_run_needs_neither_mlflow_nor_optuna_nor_mteb_nor_beir():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[3, 16, []]"
