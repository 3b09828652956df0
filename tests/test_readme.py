import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from harness.mining.base import PADDING, Pool
from harness.registry import MINERS

ROOT = Path(__file__).parent.parent
POOL = Pool(
    document=np.array([[1, 2, 3], [4, 5, PADDING]], dtype=np.int32),
    score=np.array([[0.95, 0.75, 0.2], [0.3, 0.45, -np.inf]], dtype=np.float32),
    positive=np.array([0.8, 0.5], dtype=np.float32),
    eligible=np.array([[True, True, True], [True, True, False]]),
    hidden=np.zeros((2, 3), dtype=np.bool_),
    query=np.array([0, 1], dtype=np.int32),
    positive_document=np.array([0, 6], dtype=np.int32),
    group=np.array([0, 1], dtype=np.int32),
    excluded=np.array([[0], [6]], dtype=np.int32),
    pair_key=np.array([1, 2], dtype=np.uint64),
    document_key=np.arange(7, dtype=np.uint64),
)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_both_commands_stand_on_the_first_screen_and_the_checks_call_the_second():
    first_screen = "\n".join(README.splitlines()[:24])
    commands = re.findall(r"```bash\n(.+?)\n```", first_screen)
    extract = re.search(r"test_command=\$\((.*)\)", (ROOT / ".ci/run").read_text()).group(1)

    called = subprocess.run(["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert [command.rpartition(" ")[2] for command in commands] == ["sweep", "tests"]
    assert called.strip() == commands[1]


def test_every_file_that_the_docs_link_to_is_there():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    links = {
        (page, link)
        for page in pages
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    }

    assert len(links) > 5
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_miner_of_the_readme_works():
    code = next(block for block in re.findall(r"```python\n(.+?)```", README, re.DOTALL) if "@MINERS" in block)
    try:
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102  # our own README
        miner = MINERS.create("outside_band", {"band": 0.1, "k": 2})
        chosen = miner.select(POOL, np.random.default_rng(0))
    finally:
        MINERS._entries.pop("outside_band", None)

    assert chosen.document.tolist() == [[1, 3], [4, -1]]


def test_names_of_commands_in_the_readme_exist():
    from harness.cli import _parser

    named = set(re.findall(r"`winnow ([a-z]+)", README))

    for name in named:
        with pytest.raises(SystemExit) as caught:
            _parser().parse_args([name, "--help"])
        assert caught.value.code == 0
