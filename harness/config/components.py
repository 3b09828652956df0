"""Registered strategies as a sweep file names them, with every parameter written out."""

from collections.abc import Mapping

from pydantic import TypeAdapter

from harness.config.findings import Findings, Setting, placed
from harness.mistakes import shown
from harness.parameters import parameters
from harness.registry import REGISTRIES, unknown_name
from harness.spec import Component

__all__ = ["read_component"]


def read_component(
    kind: str, setting: Setting, findings: Findings, inherited: Mapping[str, Setting] | None = None
) -> Component | None:
    """Check a strategy given as `name` or `{name: ..., parameter: ...}`; None if anything is wrong.

    `kind` is a key of REGISTRIES. `inherited` are parameters that hold where the
    strategy has them and the file does not set them here.
    """
    registry = REGISTRIES[kind]
    given = setting.value if isinstance(setting.value, dict) else {"name": setting.value}
    name = given.get("name")
    if not isinstance(name, str):
        got = "a mapping without one" if "name" not in given else shown(name)
        findings.add(setting.path, f"must be the name of a {registry.kind}, or a mapping with a name, got {got}")
        return None
    if name not in registry:
        findings.add(setting.path, f"is an {unknown_name(registry.kind, name, registry.names())}")
        return None
    factory = registry[name].factory
    names = {parameter.name for parameter in parameters(factory)}
    params = {key: value for key, value in (inherited or {}).items() if key in names}
    params |= placed({key: value for key, value in given.items() if key != "name"}, setting.path)
    strategy = findings.build(factory, params, setting.path)
    if strategy is None:
        return None
    dumped = TypeAdapter(factory).dump_python(strategy, mode="json")
    return Component(name=name, params={key: value for key, value in dumped.items() if key in names})
