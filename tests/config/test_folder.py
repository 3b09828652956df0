from pathlib import Path

import pytest

from harness.config import load_sweep, on_folder
from harness.errors import ConfigError
from harness.plan import dataset_names
from harness.spec import Component

SWEEPS = Path(__file__).parent.parent.parent / "sweeps"


def test_any_sweep_can_be_turned_to_a_folder():
    sweep = on_folder(load_sweep(SWEEPS / "quickstart.yaml"), Path("data/my set"))

    assert sweep.name == "quickstart-my-set"
    assert [dataset.name for dataset in sweep.datasets] == ["beir_folder"]
    assert sweep.datasets[0].params["path"] == "data/my set"
    assert sweep.datasets[0].params["empty_text"] == "error"
    assert dataset_names(sweep.datasets) == ["my set"]


def test_the_settings_of_a_folder_in_the_file_stay():
    template = load_sweep(SWEEPS / "own_data.yaml")
    dataset = Component(name="beir_folder", params={"path": "old", "hide_positives": 3})

    sweep = on_folder(template.model_copy(update={"datasets": (dataset,)}), Path("new"))

    assert (sweep.datasets[0].params["path"], sweep.datasets[0].params["hide_positives"]) == ("new", 3)


def test_an_odd_folder_still_gives_a_name_that_is_one():
    sweep = load_sweep(SWEEPS / "quickstart.yaml")

    names = {on_folder(sweep, Path(folder)).name for folder in ("/", "x" * 200, "a/../b c")}

    assert names == {"quickstart-root", f"quickstart-{'x' * 53}", "quickstart-b-c"}


def test_a_setting_that_is_wrong_is_told():
    sweep = load_sweep(SWEEPS / "own_data.yaml")
    broken = Component(name="beir_folder", params={"path": "old", "hide_positives": -1})

    with pytest.raises(ConfigError, match="hide_positives"):
        on_folder(sweep.model_copy(update={"datasets": (broken,)}), Path("new"))
