"""`winnow sweep` beside a plain script on ten arms of stackfaq; a part of training.py."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.sources.kept import load_collection
from harness.spec import Component
from harness.teachers.base import Workspace
from harness.teachers.minilm import minilm_folder

if TYPE_CHECKING:
    from harness.collection import Collection

Result = dict[str, float | int | str]

ARMS = {
    "naive top-k": "topk",
    "shifted by 10": "{name: topk_shifted, shift: 10}",
    "uniform of 50": "{name: bge_window, start: 0, stop: 50, ranks: eligible}",
    "Abs 0.7": "{name: topk_abs, threshold: 0.7}",
    "MarginPos 0.05": "{name: topk_marginpos, margin: 0.05}",
    "MarginPos 0.10": "{name: topk_marginpos, margin: 0.10}",
    "PercPos 0.95": "{name: topk_percpos, share: 0.95}",
    "PercPos 0.90": "{name: topk_percpos, share: 0.90}",
    "PercPos 0.80": "{name: topk_percpos, share: 0.80}",
    "PercPos 0.70": "{name: topk_percpos, share: 0.70}",
}
"""The arms of ten_arms.py in the words of a sweep file."""


def beside_script(work: Workspace) -> list[Result]:
    """Compare `winnow sweep` on an empty store with a plain script, end to end, once."""
    root = os.environ.get("WINNOW_DATA")
    if root is None:
        print("sweep: WINNOW_DATA does not say where the judged collections are; left out", file=sys.stderr)
        return []
    dataset = Component(name="beir_folder", params={"path": str(Path(root) / "stackfaq"), "hide_positives": 0})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "given.json").write_text(json.dumps(as_plain(load_collection(dataset, work.store))), encoding="utf-8")
        (folder / "sweep.yaml").write_text(sweep_file(dataset), encoding="utf-8")
        here = Path(__file__).parent
        start = time.perf_counter()
        quietly(sys.executable, str(here / "ten_arms.py"), str(folder / "given.json"), str(folder / "out.json"))
        script = time.perf_counter() - start
        start = time.perf_counter()
        places = ("--results", str(folder / "results"), "--reports", str(folder / "reports"))
        quietly(
            str(Path(sys.executable).with_name("winnow")),
            "sweep",
            str(folder / "sweep.yaml"),
            "--workers",
            "2",
            *places,
        )
        ours = time.perf_counter() - start
        theirs = json.loads((folder / "out.json").read_text(encoding="utf-8"))
        records = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in (folder / "results" / "ten_arms" / "runs").glob("*/record.json")
        ]
    print(f"script: {script:.0f} s ({parts(theirs['seconds'])}); winnow sweep: {ours:.0f} s; {script / ours:.1f} times")
    rows: list[Result] = []
    for name, found in theirs["arms"].items():
        own = [record for record in records if record["spec"]["arm"]["name"] == name]
        scores = [record["metrics"]["test"]["ndcg_at_10"] for record in own]
        rows.append(
            {
                "arm": name,
                "pairs": own[0]["pairs"],
                "script's rows": found["rows"],
                "nDCG@10": statistics.mean(scores),
                "script's": statistics.mean(found["ndcg_at_10"]),
                "sd": statistics.stdev(scores),
                "script's sd": statistics.stdev(found["ndcg_at_10"]),
            }
        )
    return [*rows, {"arm": "all, seconds", "nDCG@10": ours, "script's": script}]


def as_plain(collection: "Collection") -> dict[str, object]:
    """Return what a script reads: pairs and corpus as texts, test queries and their relevant documents by id."""
    train, test = collection.split("train"), collection.split("test")
    relevant: dict[str, list[str]] = {}
    for query, document, grade in zip(test.query, test.document, test.grade, strict=True):
        if grade > 0:
            relevant.setdefault(collection.query_ids[query], []).append(collection.document_ids[document])
    text_of = dict(zip(collection.query_ids, collection.query_texts, strict=True))
    return {
        "model": str(minilm_folder()),
        "pairs": {
            "anchor": [collection.query_texts[index] for index in train.query[train.labelled]],
            "positive": [collection.document_texts[index] for index in train.document[train.labelled]],
        },
        "corpus": dict(zip(collection.document_ids, collection.document_texts, strict=True)),
        "queries": {query: text_of[query] for query in relevant},
        "relevant": relevant,
    }


def sweep_file(dataset: Component) -> str:
    """Return the sweep: each arm trains on the pairs that keep all negatives, as the script's do."""
    arms = "\n".join(f"  - {{name: {name}, miner: {miner}}}" for name, miner in ARMS.items())
    return f"""
name: ten_arms
question: Ten ways of mining on one collection.
datasets: {json.dumps({"name": dataset.name, **dataset.params})}
seeds: [0, 1, 2]
equal_queries: false
defaults:
  base: static
  teacher: {{name: minilm, max_length: 128}}
  negatives: 4
  depth: 100
  on_shortage: drop
  training: {{epochs: 3, batch_size: 64, learning_rate: 0.002}}
arms:
{arms}
"""


def quietly(*command: str) -> None:
    """Run a command; show what it printed only if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own scripts
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
        raise SystemExit(done.returncode)


def parts(seconds: dict[str, float]) -> str:
    """Write seconds by stage."""
    return ", ".join(f"{name} {spent:.0f} s" for name, spent in seconds.items())
