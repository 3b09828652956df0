"""Collections kept in the store, so that a source is read once."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

from harness.collection import Collection, Judgements
from harness.fingerprint import digest
from harness.registry import DATASETS
from harness.sources.base import Source
from harness.spec import Component
from harness.store import Store

__all__ = ["load_collection"]

_FORMAT = 1


def load_collection(dataset: Component, store: Store) -> Collection:
    """Return the collection of a dataset; from the store when the source has not changed."""
    source = cast("Source", DATASETS.create(dataset.name, dataset.params))
    return _load(source.identity(), dataset.model_dump_json(), store)


@lru_cache(maxsize=4)
def _load(identity: str, dataset: str, store: Store) -> Collection:
    component = Component.model_validate_json(dataset)

    def build(folder: Path) -> None:
        source = cast("Source", DATASETS.create(component.name, component.params))
        write(source.load(), folder / "collection.json")

    return read(store.fetch("collection", digest([_FORMAT, identity], 32), build) / "collection.json")


def write(collection: Collection, path: Path) -> None:
    """Write a collection as one JSON file, the same bytes for the same collection."""
    content = {
        "name": collection.name,
        "document_ids": collection.document_ids,
        "document_texts": collection.document_texts,
        "query_ids": collection.query_ids,
        "query_texts": collection.query_texts,
        "splits": {
            name: [rows.query.tolist(), rows.document.tolist(), rows.grade.tolist(), rows.hidden.tolist()]
            for name, rows in sorted(collection.splits.items())
        },
    }
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8", errors="surrogatepass")


def read(path: Path) -> Collection:
    """Read what `write` wrote."""
    content = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    splits = cast("Mapping[str, tuple[list[int], list[int], list[int], list[bool]]]", content["splits"])
    return Collection(
        name=content["name"],
        document_ids=tuple(content["document_ids"]),
        document_texts=tuple(content["document_texts"]),
        query_ids=tuple(content["query_ids"]),
        query_texts=tuple(content["query_texts"]),
        splits={name: Judgements.of(zip(*columns, strict=True)) for name, columns in splits.items()},
    )
