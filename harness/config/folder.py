"""A sweep file turned to a BEIR folder that the command line names."""

import re
from pathlib import Path

from pydantic import TypeAdapter

from harness.registry import DATASETS
from harness.spec import Component, SweepSpec

__all__ = ["on_folder"]

_SOURCE = "beir_folder"


def on_folder(sweep: SweepSpec, folder: Path) -> SweepSpec:
    """Return the sweep with `folder` as its only dataset, under a name of its own.

    Where the file's first dataset is a BEIR folder, its other settings stay.
    """
    first = sweep.datasets[0]
    settings = first.params if first.name == _SOURCE else {}
    source = DATASETS.create(_SOURCE, {**settings, "path": str(folder)})
    adapter: TypeAdapter[object] = TypeAdapter(DATASETS[_SOURCE].factory)
    params = adapter.dump_python(source, mode="json")
    suffix = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name) or "root"
    name = f"{sweep.name}-{suffix}"[:64]
    return sweep.model_copy(update={"name": name, "datasets": (Component(name=_SOURCE, params=params),)})
