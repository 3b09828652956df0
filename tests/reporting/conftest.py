from pathlib import Path

import pytest
from synthetic import Sweep

from harness.reporting.report import ReportPaths, write_report
from harness.reporting.tables import Analysis, analyse


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Sweep().write(tmp_path_factory.mktemp("quickstart"))


@pytest.fixture(scope="session")
def analysis(quickstart: Path) -> Analysis:
    return analyse(quickstart)


@pytest.fixture(scope="session")
def report(quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportPaths:
    return write_report(quickstart, tmp_path_factory.mktemp("reports"))
