"""What goes around the miner of an arm: confirmation, a mix of teachers, repair."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import JsonValue

from harness.config.components import read_component
from harness.config.findings import Findings, Setting, placed
from harness.mistakes import KeyPath
from harness.spec import ConfirmSpec, MixSpec, RepairSpec, Spec, SuspectSpec

__all__ = ["AROUND", "OFF", "read_confirm", "read_mix", "read_repair"]

S = TypeVar("S", bound=Spec)

OFF = "none"
"""Stands where an arm does without what the defaults set."""

_TEACHER: JsonValue = {"name": "-"}
"""Takes the place of a teacher that is checked on its own."""


def read_mix(setting: Setting, findings: Findings) -> MixSpec | None:
    """Check a mix of several teachers; None if anything is wrong."""
    settings = _settings(setting, "how and others", findings)
    if settings is None:
        return None
    given = settings.get("others")
    if given is None or not isinstance(given.value, list) or not given.value:
        findings.add((*setting.path, "others"), "must be a list of one or more teachers beside the arm's own")
        settings["others"] = Setting([_TEACHER], setting.path)
        findings.build(MixSpec, settings, setting.path)
        return None
    found = [
        read_component("teachers", Setting(item, (*given.path, place)), findings)
        for place, item in enumerate(given.value)
    ]
    settings["others"] = Setting([_TEACHER], given.path)
    mix = findings.build(MixSpec, settings, setting.path)
    others = tuple(other for other in found if other is not None)
    return mix.model_copy(update={"others": others}) if mix and len(others) == len(found) else None


def read_confirm(setting: Setting, findings: Findings) -> ConfirmSpec | None:
    """Check a confirmation by a second teacher; None if anything is wrong."""
    settings = _settings(setting, "a teacher, ceiling, scan and probability", findings)
    if settings is None:
        return None
    if "teacher" not in settings:
        findings.add((*setting.path, "teacher"), "is required: the teacher that confirms")
    return _with_teacher(ConfirmSpec, {"teacher": Setting(_TEACHER, setting.path)} | settings, setting.path, findings)


def read_repair(setting: Setting, findings: Findings) -> RepairSpec | None:
    """Check a repair and the rule that says what is suspected; None if anything is wrong."""
    settings = _settings(setting, "action, suspect, cap and weight", findings)
    if settings is None:
        return None
    given = settings.get("suspect")
    suspect: SuspectSpec | str | None = "truth"
    if given is None:
        findings.add((*setting.path, "suspect"), "is required: truth, or a mapping with a threshold, margin or share")
    elif given.value != "truth":
        inner = _settings(given, "a teacher, threshold, margin and share (or be truth)", findings)
        suspect = None if inner is None else _with_teacher(SuspectSpec, inner, given.path, findings)
    settings["suspect"] = Setting("truth", setting.path)
    repair = findings.build(RepairSpec, settings, setting.path)
    return repair.model_copy(update={"suspect": suspect}) if repair and suspect else None


AROUND = {"confirm": read_confirm, "mix": read_mix, "repair": read_repair}
"""How each part is read, by its key in an arm."""


def _settings(setting: Setting, what: str, findings: Findings) -> dict[str, Setting] | None:
    given = findings.mapping(setting.value, setting.path, what)
    return placed(given, setting.path) if isinstance(setting.value, dict) else None


def _with_teacher(target: type[S], settings: Mapping[str, Setting], path: KeyPath, findings: Findings) -> S | None:
    """Build a spec whose teacher, where it has one, is a component."""
    if "teacher" not in settings or settings["teacher"].value in (_TEACHER, None):
        return findings.build(target, settings, path)
    teacher = read_component("teachers", settings["teacher"], findings)
    built = findings.build(target, {**settings, "teacher": Setting(_TEACHER, path)}, path)
    return built.model_copy(update={"teacher": teacher}) if built and teacher else None
