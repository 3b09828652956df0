"""Small strategies in the place of the real ones, so that these tests fix the config alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.registry import REGISTRIES, Registry
from harness.spec import STRICT

Count = Annotated[int, Interval(ge=1, le=64)]


@dataclass(config=STRICT, kw_only=True)
class Docstrings:
    train_pairs: int = 2000
    dev_queries: int = 300
    test_queries: int = 400
    documents: int = 5000


@dataclass(config=STRICT, kw_only=True)
class BeirFolder:
    path: str


@dataclass(config=STRICT, kw_only=True)
class MtebBenchmark:
    benchmark: str

    def sets(self) -> tuple[()]:
        return ()


@dataclass(config=STRICT, kw_only=True)
class MiniLM:
    max_length: Annotated[int, Interval(ge=8, le=512)] = 128


@dataclass(config=STRICT, kw_only=True)
class BM25:
    k1: Annotated[float, Interval(ge=0.0, le=10.0)] = 1.5


@dataclass(config=STRICT, kw_only=True)
class Static:
    pass


@dataclass(config=STRICT, kw_only=True)
class InfoNCE:
    scale: Annotated[float, Interval(gt=0.0, le=1000.0)] = 20.0


@dataclass(config=STRICT, kw_only=True)
class TopK:
    k: Count = 4


@dataclass(config=STRICT, kw_only=True)
class Shifted:
    k: Count = 4
    shift: Annotated[int, Interval(ge=0, le=100)] = 10


@dataclass(config=STRICT, kw_only=True)
class Abs:
    k: Count = 4
    threshold: float = 0.7


@dataclass(config=STRICT, kw_only=True)
class MarginPos:
    k: Count = 4
    margin: Annotated[float, Interval(gt=-1.0, lt=1.0)] = 0.05


@dataclass(config=STRICT, kw_only=True)
class PercPos:
    k: Count = 4
    share: Annotated[float, Interval(ge=0.5, le=1.0)] = 0.95


@dataclass(config=STRICT, kw_only=True)
class BgeWindow:
    k: Count = 4
    start: int = 10
    stop: int = 210
    ranks: Literal["pool", "eligible"] = "pool"


STAND_INS: dict[str, dict[str, type]] = {
    "datasets": {"docstrings": Docstrings, "beir_folder": BeirFolder, "mteb_benchmark": MtebBenchmark},
    "teachers": {"minilm": MiniLM, "bm25": BM25},
    "bases": {"static": Static},
    "losses": {"info_nce": InfoNCE},
    "miners": {
        "random": TopK,
        "topk": TopK,
        "topk_shifted": Shifted,
        "topk_abs": Abs,
        "topk_marginpos": MarginPos,
        "topk_percpos": PercPos,
        "oracle": TopK,
        "bge_window": BgeWindow,
    },
}


@pytest.fixture(autouse=True, scope="module")
def registries() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind, classes in STAND_INS.items():
            registry = Registry(REGISTRIES[kind].kind, "harness.none")
            registry._loaded = True
            for name, factory in classes.items():
                registry.register(name)(factory)
            patch.setitem(REGISTRIES, kind, registry)
        yield


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write_text(text: str) -> Path:
        path = tmp_path / "sweep.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text
