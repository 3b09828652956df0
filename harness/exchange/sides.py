"""Find what a person names to be compared: a sweep, one of its arms, or one run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError
from harness.plan import dataset_names
from harness.record import RunRecord, read_record
from harness.registry import unknown_name
from harness.spec import SweepPlan
from harness.sweep_files import read_sweep

__all__ = ["Member", "Side", "side_of"]

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Member:
    """A finished run with its folder."""

    record: RunRecord
    folder: Path


@dataclass(frozen=True)
class Side:
    """One side of a comparison: arm to dataset to its finished runs; `plan` if it is a whole sweep."""

    label: str
    arms: dict[str, dict[str, tuple[Member, ...]]]
    plan: SweepPlan | None = None

    def members(self) -> Iterator[Member]:
        """Yield every run of the side."""
        for datasets in self.arms.values():
            for members in datasets.values():
                yield from members


def side_of(text: str, results: Path) -> Side:
    """Read one side; raise ConfigError where nothing of that name can be compared, StorageError if it is malformed."""
    folder = Path(text)
    if (folder / "plan.json").exists():
        return _sweep(text, folder)
    if (folder / "record.json").exists():
        return _run(text, folder)
    for place in (found.start() for found in re.finditer(":", text)):
        if (Path(text[:place]) / "plan.json").exists():
            return _arm(text, Path(text[:place]), text[place + 1 :])
    if _FINGERPRINT.fullmatch(text):
        found = sorted(path for depth in ("*", "*/*") for path in results.glob(f"{depth}/runs/{text}/record.json"))
        if found:
            return _run(text, found[0].parent)
        raise ConfigError(f"no run {text} under {results} (--results names another folder)")
    raise ConfigError(f"'{text}' is no results folder, FOLDER:ARM, folder of a run, or fingerprint of a run")


def _sweep(label: str, folder: Path) -> Side:
    plan = read_sweep(folder)
    arms: dict[str, dict[str, list[Member]]] = {}
    for run in plan.runs:
        path = folder / "runs" / run.fingerprint
        if (path / "record.json").exists():
            record = read_record(path)
            if record.status == "finished":
                arms.setdefault(run.arm, {}).setdefault(run.dataset, []).append(Member(record, path))
    frozen = {arm: {name: tuple(runs) for name, runs in datasets.items()} for arm, datasets in arms.items()}
    return Side(label, frozen, plan)


def _arm(label: str, folder: Path, name: str) -> Side:
    whole = _sweep(label, folder)
    if name not in whole.arms:
        raise ConfigError(f"{folder}: {unknown_name('arm', name, list(whole.arms))}")
    return Side(label, {name: whole.arms[name]})


def _run(label: str, folder: Path) -> Side:
    record = read_record(folder)
    if record.status != "finished":
        raise ConfigError(f"the run in {folder} failed: it has no numbers to compare")
    (dataset,) = dataset_names([record.spec.dataset])
    return Side(label, {record.spec.arm.name: {dataset: (Member(record, folder),)}})
