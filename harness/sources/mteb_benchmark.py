"""Benchmarks of mteb by name, as the retrieval tasks that they hold."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

from annotated_types import MinLen
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from harness.collection import Collection
from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.mistakes import shown, suggestion
from harness.registry import DATASETS
from harness.sources.mteb_task import MtebTask, generators_kept
from harness.spec import STRICT, Component

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["MtebBenchmark"]

_ABSENT = "-"
"""Stands for a split that is not to be read."""


@DATASETS.register("mteb_benchmark", paper="MTEB: arXiv:2210.07316")
@dataclass(kw_only=True, config=STRICT)
class MtebBenchmark:
    """Name the retrieval tasks of a benchmark of mteb (`NanoBEIR`, `BEIR`, `MTEB(eng, v2)`), to evaluate on.

    It stands for one `mteb_task` for each task, subset and split that the benchmark
    evaluates, read as the test split. Tasks that are no retrieval of texts are left out.
    """

    benchmark: Annotated[str, MinLen(1)]

    def sets(self) -> tuple[Component, ...]:
        """List the tasks; raise ConfigError with a suggestion if there is no such benchmark. Asks no hub."""
        with generators_kept():
            import mteb

            try:
                tasks = list(mteb.get_benchmark(self.benchmark).tasks)
            except KeyError as error:
                known = [each.name for each in mteb.get_benchmarks()]
                hint = suggestion(self.benchmark, known).partition(" (allowed")[0]
                raise ConfigError(f"mteb has no benchmark {shown(self.benchmark)}{hint}") from error
            found = tuple(component for task in tasks for component in _components(task))
        if not found:
            raise ConfigError(f"the mteb benchmark {self.benchmark} holds no retrieval of texts")
        return found

    def identity(self) -> str:
        """Return a digest of the name and the version of mteb, which pins the tasks and their revisions."""
        return digest([version("mteb"), self.benchmark])

    def load(self) -> Collection:
        """Raise ConfigError: a benchmark is several collections."""
        raise ConfigError(
            f"mteb_benchmark stands for several collections, here the tasks of {self.benchmark}: it can be evaluated "
            "on; to mine or train, name one task"
        )


def _components(task: "AbsTask") -> Iterator[Component]:
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    # rerankings are made of the same class, but rank what is given with each query, not the corpus
    if not isinstance(task, AbsTaskRetrieval) or task.metadata.type != "Retrieval":
        return
    if list(task.metadata.modalities) != ["text"]:
        return
    for subset in task.hf_subsets:
        for split in task.eval_splits:
            source = MtebTask(task=task.metadata.name, subset=subset, train=_ABSENT, dev=_ABSENT, test=split)
            params = TypeAdapter(MtebTask).dump_python(source, mode="json")
            yield Component(name="mteb_task", params=params)
