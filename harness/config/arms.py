"""Arms of a sweep file: the defaults, then a recipe, then what the arm itself says."""

from collections.abc import Mapping

from pydantic import JsonValue

from harness.config.around import AROUND, OFF
from harness.config.components import read_component
from harness.config.findings import Findings, Setting, placed
from harness.config.refresh import refresh_mistakes
from harness.config.training import guidance, objection, read_training
from harness.mistakes import KeyPath, dotted, shown
from harness.recipes import RECIPES
from harness.registry import unknown_name
from harness.spec import ArmSpec, Component, MiningSpec, Spec, TrainingSpec

__all__ = ["ArmReader"]

Settings = dict[str, Setting]

_MINING = ("teacher", "negatives", "depth", "on_shortage", *AROUND, "redraw")
_SETTINGS = ("base", "max_length", "miner", *_MINING, "training")
_LONGEST_NAME = 60
_STAND_IN: JsonValue = {"name": "-"}
"""Takes the place of a component that is checked on its own."""


class ArmReader:
    """Reads one arm after another against the same defaults."""

    def __init__(self, defaults: Mapping[str, JsonValue], findings: Findings) -> None:
        self._findings = findings
        self._missing: dict[str, list[str]] = {}
        self._defaults = self._settings(defaults, ("defaults",))
        findings.known(defaults, _SETTINGS, ("defaults",))
        self._check_defaults()

    def read(self, entry: JsonValue, path: KeyPath) -> ArmSpec | None:
        """Return the arm at `path`, None if anything is wrong with it."""
        arm = self._findings.mapping(entry, path, "settings with a name")
        if not isinstance(entry, dict):
            return None
        self._findings.known(arm, ("name", "recipe", *_SETTINGS), path)
        name = self._name(arm.get("name"), path)
        own = self._settings({key: value for key, value in arm.items() if key in _SETTINGS}, path)
        recipe = self._recipe(arm, path)
        settings = self._defaults | (recipe or {}) | own
        if recipe is None and "miner" not in settings:
            return None
        miner = self._miner(settings, path)
        if miner is None:
            for key in own.keys() & set(_MINING):
                self._findings.add((*path, key), "has no effect in an arm without a miner")
        frame = self._frame(settings, path)
        base = self._component("bases", "base", settings, path)
        mining = self._mining(miner, settings, path) if miner else None
        training = self._training(settings, path) if _trained(settings) else None
        if training and not (miner and mining is None):
            self._go_together(training, mining, settings, path)
        complete = base and name and (mining or not miner) and (training or not _trained(settings))
        if frame is None or not complete:
            return None
        return frame.model_copy(update={"name": name, "base": base, "mining": mining, "training": training})

    def _go_together(
        self, training: TrainingSpec, mining: MiningSpec | None, settings: Settings, path: KeyPath
    ) -> None:
        """Check the training of an arm against its mining."""
        if mistake := guidance(training, mining):
            where = settings["training.guides"].path if training.guides else (*path, "training", "guides")
            self._findings.add(where, mistake)
        if mistake := objection(training, mining):
            self._findings.add((*path, "training", "loss"), mistake)
        for key, mistake in refresh_mistakes(training, mining):
            self._findings.add(settings[key].path if key in settings else (*path, *key.split(".")), mistake)

    def report_missing(self) -> None:
        """Note once for all arms what neither they nor the defaults set."""
        for key, arms in self._missing.items():
            message = f"is required, here or in each of the arms that need it: {', '.join(arms)}"
            self._findings.add(("defaults", key), message)

    def _name(self, name: JsonValue, path: KeyPath) -> str:
        if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip():
            return name
        got = "none" if name is None else shown(name)
        self._findings.add((*path, "name"), f"must be text of 1 to {_LONGEST_NAME} printable characters, got {got}")
        return ""

    def _settings(self, layer: Mapping[str, JsonValue], path: KeyPath) -> Settings:
        """Flatten `training`, so that an arm may change one of its settings and keep the others."""
        settings = placed(layer, path)
        training = settings.get("training")
        if training is not None and isinstance(training.value, dict):
            settings |= {f"training.{key}": value for key, value in placed(training.value, training.path).items()}
            settings["training"] = Setting(True, training.path)
        elif training is not None and not isinstance(training.value, bool):
            message = f"must be false, or a mapping of settings such as epochs, got {shown(training.value)}"
            self._findings.add(training.path, message)
        return settings

    def _recipe(self, arm: Mapping[str, JsonValue], path: KeyPath) -> Settings | None:
        """Return the settings of the arm's recipe, None if there is no recipe of that name."""
        if "recipe" not in arm:
            return {}
        where = (*path, "recipe")
        name = arm["recipe"]
        if isinstance(name, str) and name in RECIPES:
            return self._settings(RECIPES[name].arm, where)
        if isinstance(name, str):
            self._findings.add(where, f"is an {unknown_name('recipe', name, sorted(RECIPES))}")
        else:
            self._findings.add(where, f"must be the name of a recipe, got {shown(name)}")
        return None

    def _miner(self, settings: Settings, path: KeyPath) -> Setting | None:
        """Return the setting of the arm's miner, None if it has none."""
        miner = settings.get("miner")
        if not _trained(settings):
            if miner is not None and miner.value != "none" and miner.path[0] != "defaults":
                self._findings.add(miner.path, "has no effect in an arm with training: false")
            return None
        if miner is None:
            message = "is required: the name of a miner, or none to train on the negatives of the batch alone"
            self._findings.add((*path, "miner"), message)
        return None if miner is None or miner.value == "none" else miner

    def _component(self, kind: str, key: str, settings: Settings, path: KeyPath) -> Component | None:
        if key in settings:
            return read_component(kind, settings[key], self._findings)
        self._missing.setdefault(key, []).append(dotted(path))
        return None

    def _mining(self, miner: Setting, settings: Settings, path: KeyPath) -> MiningSpec | None:
        inherited = {"k": settings["negatives"]} if "negatives" in settings else {}
        chosen = read_component("miners", miner, self._findings, inherited)
        teacher = self._component("teachers", "teacher", settings, path)
        mining = self._depth_and_shortage(settings, path)
        around = self._around(chosen, settings)
        if chosen is None or teacher is None or mining is None:
            return None
        k = chosen.params.get("k")
        if isinstance(k, int) and mining.depth < k:
            where = settings["depth"].path if "depth" in settings else (*path, "depth")
            self._findings.add(where, f"must be at least the {k} negatives asked for, got {mining.depth}")
        return mining.model_copy(update={"miner": chosen, "teacher": teacher, **around})

    def _around(self, miner: Component | None, settings: Settings) -> dict[str, Spec | None]:
        """Read what goes around the miner, and check that it goes together."""
        given = {key: settings[key] for key in AROUND if key in settings and settings[key].value != OFF}
        redraw = settings.get("redraw")
        if "repair" in given and redraw and redraw.value is True:
            message = "must be false in an arm with a repair: every epoch would drop other queries"
            self._findings.add(redraw.path, message)
        if "confirm" in given and miner is not None and miner.name == "random":
            message = "has no effect on the miner random, which draws from the whole corpus"
            self._findings.add(given["confirm"].path, message)
        return {key: AROUND[key](setting, self._findings) for key, setting in given.items()}

    def _frame(self, settings: Settings, path: KeyPath) -> ArmSpec | None:
        """Check what an arm says of no component and no part of its own."""
        stand_ins = {"name": Setting("-", path), "base": Setting(_STAND_IN, path)}
        given = {key: settings[key] for key in ("max_length",) if key in settings}
        return self._findings.build(ArmSpec, given | stand_ins, path)

    def _depth_and_shortage(self, settings: Settings, path: KeyPath) -> MiningSpec | None:
        given = {key: settings[key] for key in ("depth", "on_shortage", "redraw") if key in settings}
        stand_ins = {key: Setting(_STAND_IN, path) for key in ("teacher", "miner")}
        return self._findings.build(MiningSpec, given | stand_ins, path)

    def _training(self, settings: Settings, path: KeyPath) -> TrainingSpec | None:
        where = (*path, "training")
        given = {key.partition(".")[2]: value for key, value in settings.items() if key.startswith("training.")}
        return read_training(given, where, self._findings)

    def _check_defaults(self) -> None:
        """Check what is under `defaults` even where every arm overrides it."""
        defaults, path = self._defaults, ("defaults",)
        negatives = defaults.get("negatives")
        if negatives and (isinstance(negatives.value, bool) or not isinstance(negatives.value, int)):
            self._findings.add(negatives.path, f"must be a whole number, got {shown(negatives.value)}")
        for kind, key in (("bases", "base"), ("teachers", "teacher"), ("miners", "miner")):
            if key in defaults and (key, defaults[key].value) != ("miner", "none"):
                inherited = {"k": negatives} if negatives else {}
                read_component(kind, defaults[key], self._findings, inherited)
        self._frame(defaults, path)
        self._depth_and_shortage(defaults, path)
        self._around(None, defaults)
        self._training(defaults, path)


def _trained(settings: Settings) -> bool:
    return "training" not in settings or settings["training"].value is not False
