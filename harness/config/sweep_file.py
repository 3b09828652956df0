"""A sweep file as a whole: its parts, and what must agree between them."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from harness.config.arms import ArmReader
from harness.config.components import read_component
from harness.config.findings import Findings, Setting, placed
from harness.config.search import read_search
from harness.config.yaml_lines import read_yaml
from harness.mistakes import KeyPath, shown, suggestion
from harness.registry import REGISTRIES
from harness.spec import ArmSpec, Component, SweepSpec

__all__ = ["load_sweep"]

_HEADER = ("name", "question", "seeds", "metric", "baseline", "comparisons", "exclusions", "equal_queries", "drop_own")
_KEYS = ("name", "question", "datasets", "evaluate", *_HEADER[2:], "defaults", "arms", "search")
_STAND_INS: dict[str, JsonValue] = {"datasets": [{"name": "-"}], "arms": [{"name": "-", "base": {"name": "-"}}]}
"""Take the place of the parts that are checked on their own."""

_MAX_SEEDS = 1000


def load_sweep(path: Path) -> SweepSpec:
    """Read a sweep file; raise ConfigError with every mistake in it, one per line, as `FILE:LINE: ...`.

    Names are looked up in the registries, and every parameter that the file leaves out
    is written out with its default.
    """
    file = read_yaml(path)
    findings = Findings(file)
    findings.known(file.value, _KEYS, ())
    header = _header(file.value, findings)
    datasets = _datasets(file.value, findings)
    evaluate = _further(file.value, findings)
    arms, names = _arms(file.value, findings)
    search = read_search(file.value["search"], arms, findings) if "search" in file.value else None
    _check_comparisons(file.value, names, findings)
    findings.raise_if_any()
    assert header is not None  # noqa: S101  whatever made it None is a mistake and was raised
    kept = tuple(arm for arm in arms.values() if arm)
    return header.model_copy(update={"datasets": datasets, "evaluate": evaluate, "arms": kept, "search": search})


def _header(top: Mapping[str, JsonValue], findings: Findings) -> SweepSpec | None:
    """Check everything but the datasets, arms and search, for which there are stand-ins."""
    given = placed({key: value for key, value in top.items() if key in _HEADER}, ())
    seeds = given.get("seeds")
    if seeds and isinstance(seeds.value, int) and not isinstance(seeds.value, bool):
        if 1 <= seeds.value <= _MAX_SEEDS:
            given["seeds"] = Setting(list(range(seeds.value)), seeds.path)
        else:
            message = f"must be a list of seeds, or how many in [1, {_MAX_SEEDS}], got {seeds.value}"
            findings.add(given.pop("seeds").path, message)
    question = top.get("question")
    if isinstance(question, str) and not question.strip():
        findings.add(("question",), "must be text that is not empty")
    exclusions = top.get("exclusions")
    for place, sentence in enumerate(exclusions if isinstance(exclusions, list) else []):
        if isinstance(sentence, str) and not sentence.strip():
            findings.add(("exclusions", place), "must be text that is not empty")
    return findings.build(SweepSpec, given | placed(_STAND_INS, ()), ())


def _datasets(top: Mapping[str, JsonValue], findings: Findings) -> tuple[Component, ...]:
    value = top.get("datasets")
    if value is None or value == []:
        findings.add(("datasets",), "is required: a list of one or more datasets, each a name or a mapping with a name")
        return ()
    found = _listed("datasets", value, findings)
    for path, dataset in found:
        if hasattr(REGISTRIES["datasets"][dataset.name].factory, "sets"):
            findings.add(path, f"is {dataset.label}, which stands for several datasets: it goes under evaluate")
    return tuple(dataset for _, dataset in found)


def _further(top: Mapping[str, JsonValue], findings: Findings) -> tuple[Component, ...]:
    """Check what runs are evaluated on besides their own dataset: any dataset, or a benchmark."""
    return tuple(dataset for _, dataset in _listed("evaluate", top.get("evaluate", []), findings))


def _listed(key: str, value: JsonValue, findings: Findings) -> list[tuple[KeyPath, Component]]:
    """Read a list of datasets, or a single one that stands without the list; note what is there twice."""
    settings = [Setting(value, (key,))]
    if isinstance(value, list):
        settings = [Setting(item, (key, index)) for index, item in enumerate(value)]
    found: list[tuple[KeyPath, Component]] = []
    for setting in settings:
        dataset = read_component("datasets", setting, findings)
        if any(dataset == other for _, other in found):
            findings.add(setting.path, f"is listed twice: {dataset.label if dataset else ''}")
        elif dataset is not None:
            found.append((setting.path, dataset))
    return found


def _arms(top: Mapping[str, JsonValue], findings: Findings) -> tuple[dict[str, ArmSpec | None], list[str]]:
    """Return the arms by name, and the names of all, also of those that are wrong."""
    defaults = findings.mapping(top["defaults"], ("defaults",), "settings of every arm") if "defaults" in top else {}
    reader = ArmReader(defaults, findings)
    entries = top.get("arms")
    if not isinstance(entries, list) or not entries:
        got = f", got {shown(entries)}" if "arms" in top else ""
        findings.add(("arms",), f"must be a list of one or more arms, each a mapping with a name{got}")
        return {}, []
    arms: dict[str, ArmSpec | None] = {}
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        arm = reader.read(entry, ("arms", index))
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        if name in arms:
            findings.add(("arms", index, "name"), f"must differ from that of arms[{first[name]}], got {shown(name)}")
        else:
            first[name] = index
            arms[name] = arm
    reader.report_missing()
    return arms, list(arms)


def _check_comparisons(top: Mapping[str, JsonValue], names: list[str], findings: Findings) -> None:
    """Check that baseline and comparisons name arms, and make sense together; their types are checked elsewhere."""
    baseline = top.get("baseline")
    compared = top.get("comparisons")
    if isinstance(baseline, str) and baseline not in names:
        findings.add(("baseline",), f"must be the name of an arm, got {shown(baseline)}{suggestion(baseline, names)}")
    if not isinstance(compared, list):
        return
    if compared and baseline is None:
        findings.add(("comparisons",), "must come with a baseline to compare with")
    for index, name in enumerate(compared):
        path = ("comparisons", index)
        if isinstance(name, str) and name not in names:
            findings.add(path, f"must be the name of an arm, got {shown(name)}{suggestion(name, names)}")
        elif name == baseline:
            findings.add(path, f"must be another arm than the baseline, got {shown(name)}")
        elif name in compared[:index]:
            findings.add(path, f"must not be listed twice, got {shown(name)}")
