"""Gather the files of a results folder that a bundle holds, without what belongs to one machine or person."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import DataError
from harness.exchange.privacy import secret_in, without_absolute_paths
from harness.spec import SweepPlan

__all__ = ["LAYOUT", "Staging", "take_all"]

_RUN_FILES = ("record.json", "per_query.parquet", "rankings.parquet", "negatives.parquet", "trace.parquet")
_QUERY_FILES = ("queries.json", "queries.parquet", "qrels.parquet")
_TEXTS = "texts.parquet"

_HEX = "[0-9a-f]{16}"
LAYOUT = re.compile(
    rf"MANIFEST\.json|plan\.json|points\.jsonl|guard\.json|search\.json|report\.pdf|plans/{_HEX}\.json"
    rf"|runs/{_HEX}/({'|'.join(map(re.escape, _RUN_FILES))})"
    rf"|queries/{_HEX}/({'|'.join(map(re.escape, (*_QUERY_FILES, _TEXTS)))})"
    r"|environment/[0-9a-f]{8,64}\.(lock|patch)|tables/[\w.-]+\.csv"
    r"|trec/[\w.@-]+\.trec\.gz|qrels/[\w.@-]+\.qrels",
    re.ASCII,
)
"""The names that a bundle uses; any other is unknown."""


@dataclass
class Staging:
    """A bundle being gathered in `folder`; `cut` and `remarks` are those of its manifest."""

    results: Path
    folder: Path
    plan: SweepPlan
    cut: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def take(self, name: str) -> bool:
        """Copy a file, if there is one; JSON loses its absolute paths. Says whether it is there."""
        source = self.results / name
        if not source.is_file():
            return False
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in (".json", ".jsonl"):
            self._take_json(name, source.read_text(encoding="utf-8"), target)
        else:
            shutil.copyfile(source, target)
        return True

    def _take_json(self, name: str, text: str, target: Path) -> None:
        if what := secret_in(text):
            raise DataError(f"{self.results / name} seems to hold {what}: take it out before you pass results on")
        parts = text.splitlines() if name.endswith(".jsonl") else [text]
        before = [json.loads(part) for part in parts]
        after = [without_absolute_paths(part) for part in before]
        if after != before:
            self.cut.append(name)
            indent = None if name.endswith(".jsonl") else 1
            text = "".join(json.dumps(part, indent=indent, ensure_ascii=False) + "\n" for part in after)
        target.write_text(text, encoding="utf-8")

    def take_environment(self, name: str) -> None:
        """Copy a lock or patch unless it holds a credential or names the user's own folder."""
        path = self.results / name
        text = path.read_text(encoding="utf-8", errors="replace")
        what = secret_in(text) or ("the path of a home folder" if str(Path.home()) + "/" in text else None)
        if what:
            self.remarks.append(f"{name} is left out: it seems to hold {what}")
        else:
            self.take(name)


def take_all(staging: Staging, *, texts: bool) -> None:
    """Copy everything of the sweep's plan and runs; texts of queries and documents only with `texts`."""
    staging.take("plan.json")
    staging.take("points.jsonl")
    staging.take("guard.json")
    staging.take("search.json")
    for path in _matching(staging.results, "plans/*.json"):
        staging.take(path)
    for path in _matching(staging.results, "environment/*"):
        staging.take_environment(path)
    unranked = 0
    fingerprints = dict.fromkeys(run.fingerprint for run in staging.plan.runs)
    for fingerprint in fingerprints:
        there = {name: staging.take(f"runs/{fingerprint}/{name}") for name in _RUN_FILES}
        unranked += there["per_query.parquet"] and not there["rankings.parquet"]
    if unranked:
        staging.remarks.append(f"{unranked} runs have no rankings: none were kept with these results")
    wanted = (*_QUERY_FILES, _TEXTS) if texts else _QUERY_FILES
    for path in _matching(staging.results, "queries/*/*"):
        if Path(path).name in wanted:
            staging.take(path)
    if not texts and any(staging.results.glob(f"queries/*/{_TEXTS}")):
        staging.remarks.append("texts of queries and documents are left out (--texts takes them in)")


def _matching(folder: Path, pattern: str) -> Iterator[str]:
    """Yield the names, of a form that a bundle uses, that match a pattern."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())
    return (name for name in names if LAYOUT.fullmatch(name))
