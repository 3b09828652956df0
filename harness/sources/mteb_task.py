"""Retrieval tasks of mteb as collections, at the revision that mteb pins."""

import difflib
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
from annotated_types import MinLen
from pydantic.dataclasses import dataclass

from harness.collection import Collection, Judgements
from harness.errors import ConfigError, DataError
from harness.fingerprint import digest
from harness.registry import DATASETS
from harness.sources.problems import shown
from harness.spec import STRICT

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval

__all__ = ["MtebTask", "generators_kept"]

FORMAT = 1
"""Raised when the same task would be read into another collection."""

SplitName = Annotated[str, MinLen(1)]
Part = Mapping[str, object]


@DATASETS.register("mteb_task", paper="MTEB: arXiv:2210.07316")
@dataclass(kw_only=True, config=STRICT)
class MtebTask:
    """Read a retrieval task of mteb by its name, from the hub or its cache.

    The dataset's revision is the one that the installed mteb pins; the collection bears
    it in its name. `subset` is the language or part of a task that has several. `train`,
    `dev` and `test` name the task's splits; those that it does not have are absent.
    """

    task: Annotated[str, MinLen(1)]
    subset: SplitName = "default"
    train: SplitName = "train"
    dev: SplitName = "dev"
    test: SplitName = "test"

    def identity(self) -> str:
        """Return a digest over the parameters and the version of mteb, which pins the revision; loads nothing."""
        return digest([FORMAT, version("mteb"), self.task, self.subset, self.train, self.dev, self.test])

    def load(self) -> Collection:
        """Fetch the task; raise DataError in one line if it cannot be had."""
        with generators_kept():
            task = self._task()
            revision = str(task.metadata.dataset["revision"])
            try:
                wanted = {"train": self.train, "dev": self.dev, "test": self.test}
                there = _splits(task, self.subset)
                present = {split: name for split, name in wanted.items() if name in there}
                if not present:
                    message = f"it has the splits {', '.join(there)}, none of {', '.join(wanted.values())}"
                    raise DataError(f"mteb task {self.task}: {message}")
                task.filter_eval_splits([*dict.fromkeys(present.values())])
                task.load_data(num_proc=None)
                task.convert_v1_dataset_format_to_v2(num_proc=None)
            except (OSError, ValueError, RuntimeError, ImportError) as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise DataError(f"cannot load the mteb task {self.task} at revision {revision}: {reason}") from error
            parts = cast("Mapping[str, Mapping[str, Part]]", task.dataset).get(self.subset, {})
        found = {split: parts[name] for split, name in present.items() if name in parts}
        return _collection(f"{self.task}@{revision}", found)

    def _task(self) -> "AbsTaskRetrieval":
        """Make the task; raise ConfigError if there is none of that name, or not of texts to retrieve."""
        import mteb
        from mteb.abstasks.retrieval import AbsTaskRetrieval

        try:
            task = mteb.get_task(self.task)
        except KeyError as error:
            known = [each.metadata.name for each in mteb.get_tasks(task_types=["Retrieval"])]
            near = difflib.get_close_matches(self.task, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"mteb has no task {shown(self.task)}{hint}") from error
        if not isinstance(task, AbsTaskRetrieval) or list(task.metadata.modalities) != ["text"]:
            kind = f"{task.metadata.type}, {', '.join(task.metadata.modalities)}"
            raise ConfigError(f"mteb task {self.task} is no retrieval of texts but {kind}")
        if self.subset not in task.hf_subsets:
            allowed = ", ".join(task.hf_subsets)
            raise ConfigError(f"mteb task {self.task} has no subset {shown(self.subset)} (allowed: {allowed})")
        if task.metadata.dataset.get("trust_remote_code"):
            raise ConfigError(f"mteb task {self.task} would run code from the hub, which Winnow never does")
        return task


@contextmanager
def generators_kept() -> Iterator[None]:
    """Restore the global generators of random, numpy and torch: making any mteb task reseeds them with 42."""
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002  # kept, not used
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002  # kept, not used
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


def _splits(task: "AbsTaskRetrieval", subset: str) -> list[str]:
    """List the splits that have judgements.

    The hub is asked: mteb's loader takes the only split of a dataset for whichever one
    was asked for, so that a missing train split would be filled with test judgements.
    A task with a loader of its own has the splits that it declares.
    """
    from datasets import get_dataset_config_names, get_dataset_split_names
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    if type(task).load_data is not AbsTaskRetrieval.load_data:
        return list(task.metadata.eval_splits)
    path, revision = task.metadata.dataset["path"], task.metadata.dataset["revision"]
    configs = get_dataset_config_names(path, revision=revision)
    usual = "default" if "default" in configs else "qrels"
    config = usual if subset == "default" else f"{subset}-qrels"
    return list(get_dataset_split_names(path, config, revision=revision))


def _collection(name: str, parts: Mapping[str, Part]) -> Collection:
    """Put the splits of a task together; each brings its queries, judgements and a corpus that they mostly share."""
    documents: dict[str, str] = {}
    queries: dict[str, str] = {}
    for part in parts.values():
        _merge(documents, part["corpus"], "title", "text", name)
        _merge(queries, part["queries"], "text", "instruction", name)
    places = ({key: at for at, key in enumerate(queries)}, {key: at for at, key in enumerate(documents)})
    return Collection(
        name=name,
        document_ids=tuple(documents),
        document_texts=tuple(documents.values()),
        query_ids=tuple(queries),
        query_texts=tuple(queries.values()),
        splits={split: Judgements.of(_judged(part["relevant_docs"], *places, name)) for split, part in parts.items()},
    )


def _merge(texts: dict[str, str], rows: object, first: str, second: str, name: str) -> None:
    """Enter rows into `texts` by id, two columns joined by a space; raise DataError if an id has two texts."""
    for row in cast("Iterable[Mapping[str, object]]", rows):
        values = [row.get(first) or "", row.get(second) or ""]
        if not all(isinstance(value, str) for value in values):
            raise DataError(f"{name}: expected text for {shown(row['id'])}, found {shown(values)}")
        text = " ".join(map(str, values)).strip()
        if texts.setdefault(str(row["id"]), text) != text:
            raise DataError(f"{name}: {shown(row['id'])} has two texts in different splits")


def _judged(
    relevant: object, queries: Mapping[str, int], documents: Mapping[str, int], name: str
) -> Iterator[tuple[int, int, int, bool]]:
    for query, grades in cast("Mapping[str, Mapping[str, int]]", relevant).items():
        for document, grade in grades.items():
            if query not in queries or document not in documents:
                raise DataError(f"{name}: {shown(query)}, {shown(document)} is judged but not in the data")
            yield queries[query], documents[document], int(grade), False
