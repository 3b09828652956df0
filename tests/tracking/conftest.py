"""A store whose tables exist already, and the results folder of a small sweep."""

import shutil
import warnings
from pathlib import Path

import pytest
from toy_sweep import plan_of, records

from harness.record import write_record, write_text
from harness.spec import SweepPlan
from harness.tracking.destination import DATABASE, Destination
from harness.tracking.store import Store

NOLOAD = "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(NOLOAD))  # sqlalchemy, of mlflow's tables


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Creating the tables takes seconds: done once, then copied."""
    root = tmp_path_factory.mktemp("store")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Store(Destination(root))
    return root / DATABASE


@pytest.fixture
def root(tmp_path: Path, empty_store: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(empty_store, folder / DATABASE)
    return folder


@pytest.fixture
def plan() -> SweepPlan:
    return plan_of()


@pytest.fixture
def results(root: Path, plan: SweepPlan) -> Path:
    folder = root / plan.name
    write_text(folder / "plan.json", plan.model_dump_json())
    for one in records(plan):
        write_record(folder / "runs", one, None)
    return folder
