"""How an arm is trained: settings, loss, guides, batching, refresh, early stopping."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from harness.config.around import OFF
from harness.config.components import read_component
from harness.config.findings import Findings, Setting, placed
from harness.mistakes import KeyPath, shown
from harness.registry import LOSSES, TEACHERS
from harness.spec import Component, EarlyStoppingSpec, MiningSpec, TrainingSpec

if TYPE_CHECKING:
    from harness.losses.base import Guidance, Loss

__all__ = ["NEUTRAL", "guidance", "objection", "read_training"]

_LOSS = TrainingSpec.model_fields["loss"].default.name
_PARTS = {"batching": "batchers", "refresh": "refreshes"}
NEUTRAL = {"batching": (OFF, "random"), "refresh": (OFF, "static")}
"""What an arm says that does without a part: the same as saying nothing."""


def read_training(given: Mapping[str, Setting], where: KeyPath, findings: Findings) -> TrainingSpec | None:
    """Check the settings of a training, by their key; None if anything is wrong."""
    plain = dict(given)
    loss = read_component("losses", plain.pop("loss", Setting(_LOSS, (*where, "loss"))), findings)
    parts: dict[str, Component | None] = {}
    for key, kind in _PARTS.items():
        setting = plain.pop(key, None)
        if setting is not None and setting.value is not None and setting.value not in NEUTRAL[key]:
            part = read_component(kind, setting, findings)
            if part is None or part.name not in NEUTRAL[key]:
                parts[key] = part
    guides = _guides(plain.pop("guides", None), findings)
    stopping = plain.pop("early_stopping", None)
    if stopping is not None and stopping.value is not None and stopping.value != OFF:
        plain["early_stopping"] = stopping
        _early_stopping(stopping, findings)
    training = findings.build(TrainingSpec, plain, where)
    if training is None or loss is None or guides is None or None in parts.values():
        return None
    return training.model_copy(update={"loss": loss, "guides": guides, **parts})


def _early_stopping(setting: Setting, findings: Findings) -> None:
    given = findings.mapping(setting.value, setting.path, EarlyStoppingSpec.expected)
    if isinstance(setting.value, dict):
        findings.build(EarlyStoppingSpec, placed(given, setting.path), setting.path)


def _guides(setting: Setting | None, findings: Findings) -> tuple[Component, ...] | None:
    """Return the teachers that guide a loss, none if none is named; None if anything is wrong."""
    if setting is None or setting.value in (OFF, None):
        return ()
    value, path = setting.value, setting.path
    items = [Setting(value, path)]
    if isinstance(value, list):
        items = [Setting(item, (*path, place)) for place, item in enumerate(value)]
    found = [read_component("teachers", item, findings) for item in items]
    return tuple(teacher for teacher in found if teacher is not None) if None not in found else None


def objection(training: TrainingSpec, mining: MiningSpec | None) -> str | None:
    """Say what the loss of an arm lacks in it; None if nothing."""
    loss = LOSSES.create(training.loss.name, training.loss.params)
    if not hasattr(loss, "objection"):
        return None
    guides = len(training.guides) or int(mining is not None)
    return cast("Loss", loss).objection(guides=guides, mined=mining is not None or training.refresh is not None)


def guidance(training: TrainingSpec, mining: MiningSpec | None) -> str | None:
    """Say what is wrong with the teachers that the loss of an arm looks up; None if nothing is."""
    loss = training.loss.name
    needed = cast("Guidance", getattr(LOSSES[loss].factory, "guidance", "none"))
    guides = training.guides or ((mining.teacher,) if mining is not None else ())
    if needed == "none":
        return f"must be left out: the loss {loss} looks up no teacher" if training.guides else None
    if not guides:
        return f"is required: the teacher that the loss {loss} looks up; an arm that mines has its own by default"
    if needed == "blocks":
        if len(guides) > 1:
            return f"must be one teacher for the loss {loss}, got {len(guides)}"
        if not hasattr(TEACHERS[guides[0].name].factory, "embed_documents"):
            allowed = [entry.name for entry in TEACHERS if hasattr(entry.factory, "embed_documents")]
            listed = ", ".join(allowed)
            return f"must be a teacher that embeds for the loss {loss} ({listed}), got {shown(guides[0].name)}"
    return None
