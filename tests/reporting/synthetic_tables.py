"""Tables that a run may leave beside its record, with made-up numbers: trace, negatives, rankings, queries."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.record import write_text
from harness.seeding import generator
from harness.spec import Value
from harness.store import write_file
from harness.sweep_files import Point, read_plan, write_points

PAIRS, WIDTH, DEPTH = 60, 4, 10


def trace(arm: str, seed: int, epochs: int = 3) -> pd.DataFrame:
    """Losses that fall from epoch to epoch, with a tail."""
    rng = generator(seed, "trace", arm)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "epoch": epoch,
                    "query_id": [f"t{pair}" for pair in range(PAIRS)],
                    "document_id": [f"p{pair}" for pair in range(PAIRS)],
                    "loss": rng.lognormal(0.5 - 0.8 * epoch, 0.9, PAIRS),
                    "positive": rng.normal(0.6, 0.1, PAIRS),
                    "negative_mean": rng.normal(0.3, 0.1, PAIRS),
                    "negative_variance": 0.01,
                }
            )
            for epoch in range(epochs)
        ],
        ignore_index=True,
    )


def negatives(shift: int) -> pd.DataFrame:
    """Give each pair WIDTH neighbouring documents from `shift` on, so that arms agree the more, the closer theirs."""
    place = np.tile(np.arange(WIDTH), PAIRS)
    pair = np.repeat(np.arange(PAIRS), WIDTH)
    return pd.DataFrame(
        {
            "query_id": [f"t{each}" for each in pair],
            "positive_id": [f"p{each}" for each in pair],
            "positive_score": np.float32(0.6),
            "place": place + 1,
            "document_id": [f"d{each}" for each in place + shift],
            "score": (0.5 - 0.01 * place).astype(np.float32),
            "hidden": place == 0,
        }
    )


def rankings(queries: Sequence[str], first: int) -> pd.DataFrame:
    """Rank the same documents for each query, beginning with the one numbered `first`."""
    rank = np.tile(np.arange(DEPTH), len(queries))
    return pd.DataFrame(
        {
            "split": "test",
            "query_id": np.repeat(list(queries), DEPTH),
            "rank": rank + 1,
            "document_id": [f"d{(each + first) % DEPTH}" for each in rank],
            "score": (1.0 - 0.05 * rank).astype(np.float32),
        }
    )


def keep(frame: pd.DataFrame, path: Path) -> None:
    write_file(path, frame.to_parquet(index=False, compression="zstd"))


def keep_queries(folder: Path, queries: Sequence[str], *, texts: bool = True) -> None:
    """Keep judgements in which d1 is relevant to every query, and texts, in one folder of `queries/`."""
    keep(
        pd.DataFrame({"split": "test", "query_id": list(queries), "document_id": "d1", "relevance": 1}),
        folder / "qrels.parquet",
    )
    if texts:
        names = [*queries, *(f"d{each}" for each in range(DEPTH))]
        kinds = ["query"] * len(queries) + ["document"] * DEPTH
        keep(
            pd.DataFrame({"kind": kinds, "id": names, "text": [f"text of {name}" for name in names]}),
            folder / "texts.parquet",
        )


def make_points(folder: Path, values: Mapping[str, Mapping[str, Value]]) -> None:
    """Turn arms of a plan, by name, into points of its search with these values, as a real search leaves them."""
    plan = read_plan(folder)
    points = [
        Point(
            number=number,
            values=dict(found),
            arm=next(arm for arm in plan.arms if arm.name == name),
            runs=tuple(run for run in plan.runs if run.arm == name),
        )
        for number, (name, found) in enumerate(values.items())
    ]
    arms = tuple(arm for arm in plan.arms if arm.name not in values)
    runs = tuple(run for run in plan.runs if run.arm not in values)
    write_text(folder / "plan.json", plan.model_copy(update={"arms": arms, "runs": runs}).model_dump_json())
    write_points(folder, points)
