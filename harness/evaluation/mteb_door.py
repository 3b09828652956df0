"""Evaluate a model by mteb, kept from what mteb does to its surroundings.

Three guards. Building a task reseeds the global generators: they are restored. An
embedding that is not finite is scored without a word: it is an error that names the
text. Results are kept under a model's name, and every local model has the same: here
a model is named by its content.
"""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from harness.collection import Collection
from harness.evaluation.asked import asked_of
from harness.fingerprint import digest, folder_digest
from harness.sources.mteb_task import generators_kept
from harness.spec import DropOwn
from harness.teachers.dense import encode

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.models_protocols import EncoderProtocol
    from sentence_transformers import SentenceTransformer

__all__ = ["MtebScores", "collection_task", "evaluate_by_mteb", "model_digest"]

FloatArray = npt.NDArray[np.float32]
_BATCH = 256


@dataclass(frozen=True)
class MtebScores:
    """Means over queries to five decimals, as mteb rounds most of them, by our names; `revision` is the dataset's."""

    task: str
    revision: str
    mteb: str
    scores: dict[str, float]


def evaluate_by_mteb(
    model: "SentenceTransformer", make: Callable[[], "AbsTaskRetrieval"], *, cache: Path | None = None
) -> list[MtebScores]:
    """Return mteb's scores of a model on the task that `make` builds, one for each split and subset of it.

    `make` is called here, where the generators are guarded: `lambda: mteb.get_task("SciFact")`.
    With `cache`, results are kept below that folder and found again for the same model,
    by content. Raises NumericError that names the text if an embedding is not finite.
    """
    with generators_kept(), _quiet():
        import mteb
        from mteb.cache import ResultCache

        task = make()
        result = mteb.evaluate(
            cast("EncoderProtocol", _Encoder(model)),
            task,
            cache=None if cache is None else ResultCache(cache),
            encode_kwargs={"batch_size": _BATCH, "show_progress_bar": False},
            co2_tracker=False,
            show_progress_bar=False,
        )
    found = result.task_results[0]
    revision = str(task.metadata.dataset["revision"])
    return [
        MtebScores(found.task_name, revision, version("mteb"), _ours(scores))
        for split in found.scores.values()
        for scores in split
    ]


def collection_task(collection: Collection, split: str, drop_own: DropOwn = "auto") -> "AbsTaskRetrieval":
    """Return a split of a collection as a task of mteb's, held in memory; only its judged queries are asked.

    Building it reseeds the global generators: let `evaluate_by_mteb` do it.
    """
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    asked = asked_of(collection, split, drop_own)
    revision = digest([collection.digest, split, drop_own])

    class CollectionTask(AbsTaskRetrieval):
        ignore_identical_ids = True
        metadata = _metadata(f"Winnow{revision[:16]}", collection.name, split, revision)

        def load_data(self, num_proc: int | None = None, **settings: object) -> None:
            del num_proc, settings
            texts = list(asked.documents.values())
            corpus = {"id": list(asked.documents), "title": [""] * len(texts), "text": texts}
            queries = {"id": list(asked.queries), "text": list(asked.queries.values())}
            self.dataset = {
                "default": {
                    split: {
                        "corpus": Dataset.from_dict(corpus),
                        "queries": Dataset.from_dict(queries),
                        "relevant_docs": asked.qrels,
                        "top_ranked": None,
                    }
                }
            }
            self.data_loaded = True

    return CollectionTask()


def model_digest(model: "SentenceTransformer") -> str:
    """Return a digest of what a model's embeddings depend on: everything that it saves, and its maximum length."""
    with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
        model.save(folder, create_model_card=False)
        return digest([folder_digest(Path(folder)), str(model.max_seq_length)])


class _Encoder:
    """What mteb asks of a model, answered by the encoder that our own evaluation uses, with its guard."""

    def __init__(self, model: "SentenceTransformer") -> None:
        from mteb.models.model_meta import ModelMeta

        content = model_digest(model)
        self._model = model
        self.mteb_model_meta = ModelMeta.create_empty(
            overwrites={"name": f"winnow/{content[:16]}", "revision": content}
        )

    def encode(self, inputs: Iterable[Mapping[str, Sequence[str]]], **settings: object) -> FloatArray:
        """Return unit vectors of the texts of all batches. Shape (n, d)."""
        del settings
        return encode(self._model, [text for batch in inputs for text in batch["text"]], batch_size=_BATCH)

    def similarity(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Return the cosine of every pair, summed in float64, so that equal texts tie. Shape (n, m)."""
        product = np.asarray(left, dtype=np.float64) @ np.asarray(right, dtype=np.float64).T
        return cast("FloatArray", product.astype(np.float32))

    def similarity_pairwise(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Return the cosine of aligned pairs. Shape (n,)."""
        product = np.asarray(left, dtype=np.float64) * np.asarray(right, dtype=np.float64)
        return cast("FloatArray", product.sum(axis=1).astype(np.float32))


_COMPARED = ("ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100")


def _ours(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(scores[name]), 5) for name in _COMPARED}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep mteb and datasets from telling about their progress."""
    import datasets

    logger = logging.getLogger("mteb")
    before, shown = logger.level, datasets.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(before)
        if shown:
            datasets.enable_progress_bars()


def _metadata(name: str, collection: str, split: str, revision: str) -> "TaskMetadata":
    from mteb.abstasks.task_metadata import TaskMetadata

    return TaskMetadata(
        name=name,
        dataset={"path": "winnow/collection", "revision": revision},
        description=collection,
        reference=None,
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=[split],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        date=None,
        domains=None,
        task_subtypes=None,
        license=None,
        annotations_creators=None,
        dialect=None,
        sample_creation=None,
        bibtex_citation=None,
    )
