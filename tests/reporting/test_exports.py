import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Arm, Sweep, mined

from harness.reporting.blocks import Table, tables_of
from harness.reporting.document import compose
from harness.reporting.exports import as_latex, as_markdown, escape_csv, escape_latex, escape_markdown
from harness.reporting.gallery import Gallery
from harness.reporting.numbers import ablation_numbers, as_csv, as_parquet
from harness.reporting.tables import Analysis, analyse
from harness.reporting.terminal import columns_of, terminal_table

HOSTILE = (
    '#read("secret.txt")',
    "*bold* _it_",
    "$x$ \\frac{1}{2}",
    "a|b & c % d ~ ^",
    "=SUM(A1)",
    "x" * 80,
    "two\nlines",
    "\u65e5\u672c\u8a9e \u202eevil",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    arms = [Arm("topk", mined("topk")), *[Arm(name, mined("topk_percpos", share=0.9)) for name in HOSTILE]]
    return analyse(Sweep(arms=arms, seeds=(0, 1), test=30, dev=10).write(tmp_path_factory.mktemp("hostile")))


def _csv(analysis: Analysis) -> str:
    return as_csv(ablation_numbers(analysis)).decode()


def _tables(analysis: Analysis, name: str = "ablation") -> list[Table]:
    return [table for table in tables_of(compose(analysis, Gallery())) if table.name == name]


def test_csv_holds_every_number_of_the_rows(analysis: Analysis) -> None:
    lines = list(csv.DictReader(io.StringIO(_csv(analysis))))

    assert [line["arm"] for line in lines] == [row.arm for row in analysis.tables[0].rows]
    for line, row in zip(lines, analysis.tables[0].rows, strict=True):
        assert row.score is not None
        assert float(line["test"]) == pytest.approx(row.score.mean, rel=1e-5)
        assert line["p_adjusted"] == ("" if row.p_adjusted is None else f"{row.p_adjusted:.6g}")
        assert line["contamination"] == ("" if row.contamination is None else f"{row.contamination:.6g}")
        assert line["verdict"] == ("" if row.versus is None else row.versus.verdict)


def test_parquet_holds_the_same_rows_with_every_digit(analysis: Analysis) -> None:
    rows = ablation_numbers(analysis)

    read = pd.read_parquet(io.BytesIO(as_parquet(rows)))

    assert list(read.columns) == list(rows[0])
    for name in ("test", "difference_low", "p_adjusted", "contamination"):
        expected = [np.nan if row[name] is None else row[name] for row in rows]
        np.testing.assert_array_equal(read[name].astype("float64"), expected)
    assert list(read["arm"]) == [row["arm"] for row in rows]


def test_csv_keeps_names_whole_and_disarms_formulas(hostile: Analysis) -> None:
    names = {line["arm"] for line in csv.DictReader(io.StringIO(_csv(hostile)))}

    assert names == {"topk", "'=SUM(A1)", *[name for name in HOSTILE if name != "=SUM(A1)"]}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@cmd", "  =1", "\t=1"])
def test_a_cell_that_could_be_a_formula_is_quoted(text: str) -> None:
    assert escape_csv(text) == "'" + text


def test_a_cell_that_cannot_be_a_formula_stays() -> None:
    assert [escape_csv(text) for text in ("topk", "a=b", "")] == ["topk", "a=b", ""]


def test_markdown_tables_keep_their_columns(hostile: Analysis) -> None:
    lines = [line for line in as_markdown(_tables(hostile)).splitlines() if line.startswith("|")]

    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines[: len(HOSTILE) + 3]}
    assert widths == {len(lines[1].split("|")) - 1}
    assert r"a\|b" in as_markdown(_tables(hostile))


def test_latex_rows_keep_their_columns(hostile: Analysis) -> None:
    text = as_latex(_tables(hostile))

    rows = [line for line in text.splitlines() if line.endswith(r"\\") and line.startswith("{")]
    widths = [len(re.findall(r"(?<!\\)&", row)) for row in rows]
    assert sorted(widths) == [8] * (2 * len(HOSTILE) + 1) + [9] * (len(HOSTILE) + 1)
    assert r"\#read(\textquotedbl{}secret.txt\textquotedbl{})" in text
    assert r"\$x\$ \textbackslash{}frac\{1\}\{2\}" in text
    assert r"a\textbar{}b \& c \% d \textasciitilde{} \textasciicircum{}" in text


@given(st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_no_special_character_survives_escaping(text: str) -> None:
    bare = re.sub(r"\\(text[a-z]+\{\}|[&%$#_{}])|\$-\$", "", escape_latex(text))
    assert not set(bare) & set("\\&%$#_{}~^\n")
    assert not set(re.sub(r"\\.", "", escape_markdown(text))) & set("|*_`<>$#[]\n")


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_table_fits(hostile: Analysis, analysis: Analysis, width: int) -> None:
    for each in (hostile, analysis):
        lines = terminal_table(each, width=width).splitlines()
        assert max(columns_of(line) for line in lines) <= width
    assert "x…" in terminal_table(hostile)


def test_the_terminal_table_is_golden(tmp_path: Path) -> None:
    arms = (
        Arm("topk", mined("topk"), 0.4, 0.1),
        Arm("better", mined("random"), 0.6, 0.01),
        Arm("in-batch", level=0.3),
    )
    sweep = Sweep(arms=arms, failed=[("in-batch", 2)], test=100, dev=10)

    assert terminal_table(analyse(sweep.write(tmp_path))) == (
        "docstrings: 100 test queries\n"
        "   arm             nDCG@10 [95 %]      diff       p  contam  seeds\n"
        "*  better    0.596 [0.539, 0.650]  +0.164 +  <0.001   1.0 %    3/3\n"
        "   topk      0.431 [0.376, 0.484]  baseline       –  10.0 %    3/3\n"  # noqa: RUF001
        "!  in-batch  0.339 [0.287, 0.389]  −0.091 -  <0.001       –    2/3\n"  # noqa: RUF001
        "\n"
        "* highest score; ! seeds missing; + better, beyond noise; - worse, beyond noise\n"
    )


def test_the_same_results_give_the_same_texts(quickstart: Path, analysis: Analysis) -> None:
    again = analyse(quickstart)

    assert _csv(again) == _csv(analysis)
    assert terminal_table(again) == terminal_table(analysis)
    for write in (as_latex, as_markdown):
        assert write(_tables(again)) == write(_tables(analysis))
