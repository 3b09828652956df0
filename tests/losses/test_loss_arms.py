"""What a sweep file may ask of a loss, and that it does not need torch to be told."""

import subprocess
import sys

import pytest

from harness.config import load_sweep
from harness.errors import ConfigError

HEAD = """\
name: small
question: What happens?
datasets: synthetic
defaults: {base: static, teacher: minilm, negatives: 3, depth: 50}
arms:
"""


@pytest.fixture
def read(tmp_path):
    def read_arm(text):
        path = tmp_path / "sweep.yaml"
        path.write_text(f"{HEAD}  - {text}\n", encoding="utf-8")
        return load_sweep(path).arms[0].training

    return read_arm


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("miner: none, training: {loss: pairwise}", "needs mined negatives, and this arm has none; negatives: batch"),
        ("miner: none, training: {loss: margin_mse, guides: minilm}", "needs mined negatives, and this arm has none"),
        ("miner: topk, training: {loss: kl_distillation, guides: [minilm, bm25]}", "needs a score_scale with several"),
        ("miner: topk, training: {loss: gist, guides: bm25}", "must be a teacher that embeds for the loss gist"),
        ("miner: topk, training: {loss: {name: info_nce, hardness_strength: 5.0}}", "no effect without hardness"),
    ],
)
def test_an_arm_that_a_loss_cannot_serve_is_refused(read, arm, message):
    with pytest.raises(ConfigError, match=f"sweep.yaml:6: .*{message}"):
        read(f"{{name: x, {arm}}}")


@pytest.mark.parametrize(
    "arm",
    [
        "miner: none, training: {loss: {name: pairwise, negatives: batch}}",
        "miner: topk, training: {loss: margin_mse}",
        "miner: topk, training: {loss: {name: kl_distillation, score_scale: 5.0}, guides: [minilm, bm25]}",
        "miner: none, training: {loss: gist, guides: minilm}",
    ],
)
def test_an_arm_that_a_loss_can_serve_is_read(read, arm):
    assert read(f"{{name: x, {arm}}}").loss.name in arm


def test_a_loss_is_checked_without_torch(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"{HEAD}  - {{name: x, miner: topk, training: {{loss: gist}}}}\n", encoding="utf-8")
    code = """
import sys
from pathlib import Path
from harness.config import load_sweep
load_sweep(Path(sys.argv[1]))
print("torch" in sys.modules)
"""

    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
