"""Mining and exact search against sentence-transformers and bare torch, on the same vectors and machine.

    python benchmarks/mining.py                                     # some two minutes on two cores
    python benchmarks/mining.py --documents 1000000 --queries 10000 --search-only
    python benchmarks/mining.py --documents 1000000 --queries 1000 --library-calls 2

Every measurement runs in a process of its own, so that peak memory is its own. The
library is called with its cache of embeddings on, first cold, then warm; calls beyond
`--library-calls` are not made but counted as the mean of the warm ones, and the table
says so with a tilde. Vectors are synthetic; `--encode` adds one comparison with real
texts and all-MiniLM-L6-v2. JSON goes to `--out`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))

from harness.collection import Collection, IntArray, Judgements
from harness.mining.base import Miner, Pool
from harness.registry import MINERS, TEACHERS
from harness.store import Store
from harness.teachers.base import Resources, Teacher, Workspace, build_pool
from harness.teachers.dense import BiEncoder
from harness.teachers.rows import Rows

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]
Result = dict[str, float | int | str]
DIMENSION = 384
DEPTH = 101
NEGATIVES = 4
REPORTED = (10, 50, 200)
FEW = 2 * 10**8
"""Scores up to which a search is timed five times, in turns with the bare one, and the median taken."""


def make_vectors(folder: Path, n_documents: int, n_queries: int) -> None:
    """Write unit vectors, block by block; query i lies near document i * n // q, its positive."""
    rng = np.random.default_rng(0)
    documents = np.lib.format.open_memmap(folder / "documents.npy", "w+", np.float32, (n_documents, DIMENSION))
    for start in range(0, n_documents, 16384):
        block = rng.standard_normal((min(16384, n_documents - start), DIMENSION), dtype=np.float32)
        documents[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    near = documents[positives(n_documents, n_queries)]
    queries = near + 0.07 * rng.standard_normal(near.shape, dtype=np.float32)
    np.save(folder / "queries.npy", (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32))
    documents.flush()


def positives(n_documents: int, n_queries: int) -> IntArray:
    """Return the positive document of each query. Shape (n_queries,)."""
    return (np.arange(n_queries) * n_documents // n_queries).astype(np.int32)


def peak() -> float:
    """Return the peak resident memory of this process in MiB, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def timed(action: Callable[[], object]) -> float:
    """Return how many seconds `action` takes."""
    return clocked(action)[0]


def clocked(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that `action` takes on the wall and on the processors."""
    start, used = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - start, time.process_time() - used


def search(folder: Path, engine: str, memory: int) -> Result:
    """Time exact_top_k, then bare torch.mm + topk over the same blocks, both from the mapped file."""
    from harness.teachers.search import _blocks, exact_top_k

    queries, documents = np.load(folder / "queries.npy"), np.load(folder / "documents.npy", mmap_mode="r")
    place = np.arange(len(documents), dtype=np.int32)
    resources = Resources(memory=memory << 20, device="cpu", engine=cast("Any", engine))
    exact_top_k(queries[:8], documents[:1000], 10, place[:1000], resources=resources)  # imports and threads
    down, across = _blocks(memory << 20, Rows(documents), 132)
    before, held = peak(), 0.0
    laps: list[tuple[float, ...]] = []
    for _ in range(5 if len(documents) * len(queries) <= FEW else 1):
        mine = clocked(lambda: exact_top_k(queries, documents, 100, place, resources=resources))
        held = held or peak()
        laps.append((*mine, *clocked(lambda: bare_search(queries, documents, down, across))))
    ours, cpu, bare, bare_cpu = (float(value) for value in np.median(laps, axis=0))
    ratios = {"ratio": ours / bare, "cpu_ratio": cpu / bare_cpu}
    return {"seconds": ours, "bare_seconds": bare, **ratios, "peak_mib": held, "before_mib": before}


def bare_search(queries: FloatArray, documents: FloatArray, down: int, across: int) -> None:
    """Multiply and pick, block by block, and forget the result."""
    import torch

    scores: dict[tuple[int, int], torch.Tensor] = {}
    for start in range(0, len(queries), down):
        block = torch.from_numpy(queries[start : start + down])
        for first in range(0, len(documents), across):
            part = torch.from_numpy(np.array(documents[first : first + across]))
            shape = (len(block), len(part))
            buffer = scores.setdefault(shape, torch.empty(shape))
            torch.topk(torch.mm(block, part.T, out=buffer), min(100, len(part)), dim=1)


def settings(count: int) -> Iterator[tuple[Miner, dict[str, float]]]:
    """Yield `count` miners, each with what sentence-transformers calls the same."""
    for step in range(count):
        amount = round((step // 4 + 1) * 0.6 / (count // 4 + 1), 4)
        library = {"boundary": "at_or_below", "positive_agg": "min", "k": NEGATIVES}
        yield cast(
            "tuple[Miner, dict[str, float]]",
            [
                (MINERS.create("topk_percpos", {"share": 1 - amount, **library}), {"relative_margin": amount}),
                (MINERS.create("topk_marginpos", {"margin": amount / 2, **library}), {"absolute_margin": amount / 2}),
                (MINERS.create("topk_abs", {"threshold": 1 - amount, "k": NEGATIVES}), {"max_score": 1 - amount}),
                (MINERS.create("topk_shifted", {"shift": step, "k": NEGATIVES}), {"range_min": step}),
            ][step % 4],
        )


class Given(BiEncoder):
    """A teacher whose embeddings are given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def identity(self) -> str:
        """Return a constant: each store holds one teacher."""
        return "given"

    def embed_documents(self, collection: Collection, work: Workspace) -> FloatArray:
        """Return the vectors from the mapped file."""
        del collection, work
        return cast("FloatArray", np.load(self._folder / "documents.npy", mmap_mode="r"))

    def embed_queries(self, collection: Collection, work: Workspace) -> FloatArray:
        """Return the vectors of the queries."""
        del collection, work
        return cast("FloatArray", np.load(self._folder / "queries.npy"))


class GivenModel:
    """The same vectors as a model that sentence-transformers can mine with: a text ends in its row."""

    def __init__(self, folder: Path) -> None:
        self._documents = np.load(folder / "documents.npy", mmap_mode="r")
        self._queries = np.load(folder / "queries.npy")
        self.device = "cpu"
        self.model_card_data = SimpleNamespace(base_model=None)

    def get_embedding_dimension(self) -> int:
        """Return the width of the vectors."""
        return DIMENSION

    def encode_document(self, texts: list[str], **_: object) -> FloatArray:
        """Look the documents up."""
        return np.asarray(self._documents[[int(text.split()[1]) for text in texts]])

    def encode_query(self, texts: list[str], **_: object) -> FloatArray:
        """Look the queries up."""
        return np.asarray(self._queries[[int(text.split()[1]) for text in texts]])

    def similarity(self, left: Any, right: Any) -> "torch.Tensor":
        """Return all inner products."""
        import torch

        return torch.as_tensor(left) @ torch.as_tensor(right).T

    def similarity_pairwise(self, left: Any, right: Any) -> "torch.Tensor":
        """Return the inner products of aligned rows."""
        import torch

        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(dim=-1)


def synthetic(n_documents: int, n_queries: int) -> Collection:
    """Return a collection whose texts name the rows of the vectors."""
    pairs = enumerate(positives(n_documents, n_queries).tolist())
    return Collection(
        "synthetic",
        tuple(f"d{row:08}" for row in range(n_documents)),
        tuple(f"document {row}" for row in range(n_documents)),
        tuple(f"q{row}" for row in range(n_queries)),
        tuple(f"query {row}" for row in range(n_queries)),
        {"train": Judgements.of((query, document, 1, False) for query, document in pairs)},
    )


def ours(folder: Path, teacher: Teacher, collection: Collection) -> Result:
    """Build the pool and mine with the most settings that are reported; imports are not counted."""
    import torch

    torch.ones(2, 2) @ torch.ones(2, 2)
    with tempfile.TemporaryDirectory(dir=folder) as kept:
        work = Workspace(Store(Path(kept)), resources=Resources(device="cpu"))
        pool: Pool | None = None
        marks = [time.perf_counter()]
        for miner, _ in settings(max(REPORTED)):
            pool = pool or build_pool(teacher, collection, "train", DEPTH, work)
            miner.select(pool, np.random.default_rng(0))
            marks.append(time.perf_counter())
    steps = np.diff(marks)
    return {
        "first": float(steps[0]),
        "further": float(steps[1:].mean()),
        **{f"total_{count}": float(steps[:count].sum()) for count in REPORTED},
        "peak_mib": peak(),
    }


def library(folder: Path, model: Any, collection: Collection, calls: int, batch: int) -> Result:
    """Call the library's function with its cache on; settings beyond `calls` count as the mean of the warm calls."""
    from datasets import Dataset, disable_progress_bars
    from sentence_transformers.util import mine_hard_negatives

    disable_progress_bars()
    rows = collection.split("train")
    columns = {"query": [collection.query_texts[q] for q in rows.query]}
    data = Dataset.from_dict(columns | {"answer": [collection.document_texts[d] for d in rows.document]})
    corpus = list(collection.document_texts)
    seconds = []
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        for _, setting in list(settings(max(REPORTED)))[:calls]:
            mine = partial(mine_hard_negatives, data, model, corpus=corpus, cache_folder=cache, verbose=False)
            fixed = {"range_max": DEPTH - 1, "num_negatives": NEGATIVES, "faiss_batch_size": batch}
            seconds.append(timed(partial(mine, **fixed, **cast("Any", setting))))
    warm = float(np.mean(seconds[1:]))
    totals = {f"total_{count}": sum(seconds[:count]) + max(0, count - calls) * warm for count in REPORTED}
    return {"first": seconds[0], "further": warm, **totals, "calls": calls, "peak_mib": peak()}


def encoded(folder: Path, side: str, calls: int) -> Result:
    """Compare on real texts, encoding included."""
    from harness.sources.synthetic import Synthetic
    from harness.teachers.dense import load_encoder
    from harness.teachers.minilm import minilm_folder

    collection = Synthetic(queries=100, documents=600).load()
    if side == "ours":
        return ours(folder, cast("Teacher", TEACHERS.create("minilm", {"max_length": 64})), collection)
    return library(folder, load_encoder(str(minilm_folder()), max_length=64), collection, calls, 1024)


def measure(folder: Path, request: dict[str, Any]) -> Result:
    """Carry out one measurement, in this process."""
    n_documents, n_queries, calls = (request[name] for name in ("documents", "queries", "calls"))
    match request["what"]:
        case "search":
            return search(folder, request["engine"], request["memory"])
        case "ours":
            return ours(folder, Given(folder), synthetic(n_documents, n_queries))
        case "library":
            batch = max(64, (request["memory"] << 18) // n_documents)  # as much memory for its scores as for ours
            return library(folder, GivenModel(folder), synthetic(n_documents, n_queries), calls, min(16384, batch))
        case _:
            return encoded(folder, request["what"].removeprefix("encoded "), calls)


def apart(folder: Path, **request: object) -> Result:
    """Carry out one measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(request), "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - this very script
    found: Result = json.loads(done.stdout.splitlines()[-1])
    what = {name: request[name] for name in ("what", "documents", "queries") if name in request}
    return cast("Result", {**what, **found})


def mining_table(rows: Sequence[tuple[Result, Result]]) -> Iterator[str]:
    """Lay out ours against the library's."""
    yield f"{'mining':28} {'first s':>8} {'further s':>10} {'share':>7} " + "".join(f"{n:>6} s" for n in REPORTED)
    for mine, theirs in rows:
        for name, row in (("winnow", mine), ("sentence-transformers", theirs)):
            size = f"{name} {int(row['documents']):,}" if row["documents"] else f"{name} encoded"
            mark = ["~" if int(row.get("calls", 999)) < count else "" for count in REPORTED]
            totals = "".join(
                f"{m + format(float(row[f'total_{n}']), '.1f'):>8}" for n, m in zip(REPORTED, mark, strict=True)
            )
            share = float(row["further"]) / float(row["first"])
            line = f"{size:28} {row['first']:8.2f} {row['further']:10.4f} {share:7.2%} {totals}"
            yield f"{line}  peak {row['peak_mib']:.0f} MiB"
        times = "".join(f"{float(theirs[f'total_{n}']) / float(mine[f'total_{n}']):7.1f}x" for n in REPORTED)
        yield f"{'  times faster':57}{times}"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--library-calls", type=int, default=4, help="calls of the library's function per corpus")
    parser.add_argument("--memory", type=int, default=256, help="MiB for blocks of scores and documents")
    parser.add_argument("--engine", choices=["torch", "faiss"], default="torch")
    parser.add_argument("--search-only", action="store_true")
    parser.add_argument("--encode", action="store_true", help="compare once with real texts, encoding included")
    parser.add_argument("--folder", type=Path, help="where the vectors are written (1.5 GB for a million)")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = arguments()
    if options.child:
        print(json.dumps(measure(options.folder, json.loads(options.child))))
        return
    common = {"calls": options.library_calls, "memory": options.memory, "engine": options.engine}
    searches, minings = [], []
    for count in options.documents:
        queries = min(options.queries, count)
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            make_vectors(folder, count, queries)
            ask = partial(apart, folder, documents=count, queries=queries, **common)
            searches.append(ask(what="search"))
            if not options.search_only:
                minings.append((ask(what="ours"), ask(what="library")))
    if options.encode:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            ask = partial(apart, Path(name), documents=0, queries=100, **common)
            minings.append((ask(what="encoded ours"), ask(what="encoded library")))
    report(options, searches, minings)


def report(options: argparse.Namespace, searches: list[Result], minings: list[tuple[Result, Result]]) -> None:
    """Print the tables and write the JSON."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, {DIMENSION} dimensions, {options.queries} queries, k=100")
    print(f"{'exact search':>15} {'seconds':>9} {'bare mm+topk':>13} {'ratio':>6} {'CPU ratio':>10} {'peak MiB':>9}")
    for row in searches:
        times = f"{row['seconds']:9.2f} {row['bare_seconds']:13.2f} {row['ratio']:6.2f} {row['cpu_ratio']:10.2f}"
        print(f"{int(row['documents']):15,} {times} {row['peak_mib']:9.0f}")
    print("\n".join(mining_table(minings)) if minings else "")
    if options.out:
        content = {"load": load, "cores": os.cpu_count(), "search": searches, "mining": minings}
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
