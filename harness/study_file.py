"""What a search was told of its points, as `study.json`: all that a copy of it in a database is made from."""

from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError

from harness.errors import StorageError
from harness.fingerprint import digest
from harness.record import write_text
from harness.spec import SearchSpec, Spec, SweepSpec

__all__ = ["NAME", "Direction", "StudyFile", "Trial", "TrialState", "read_study", "study_of", "write_study"]

NAME = "study.json"

Direction = Literal["maximize", "minimize"]
TrialState = Literal["complete", "fail", "pruned"]


class Trial(Spec):
    """One point as the sampler knows it; `distributions` are in Optuna's own JSON.

    `values` are the objectives, in the order of the study's directions, and empty unless the
    state is `complete`. `runs` are the fingerprints of the point's runs, `arm` is its name.
    """

    state: TrialState
    params: dict[str, JsonValue]
    distributions: dict[str, str]
    values: tuple[float, ...] = ()
    arm: str = ""
    runs: tuple[str, ...] = ()


class StudyFile(Spec):
    """A search and the trials that have ended; the place of a trial is its number.

    The name ends in a digest of what makes the search the one it is, so that an edited
    search is another study, while one with more trials goes on in its own.
    """

    name: str
    directions: tuple[Direction, ...]
    objectives: tuple[str, ...]
    trials: tuple[Trial, ...] = ()


def study_of(sweep: SweepSpec, search: SearchSpec) -> StudyFile:
    """Return the study of a sweep's search, without trials."""
    told = search.model_dump(mode="json", exclude={"trials", "budget"})
    template = next(arm for arm in sweep.arms if arm.name == search.arm)
    identity = digest([told, template, sweep.metric, sweep.seeds, sweep.datasets], 8)
    second = search.minimise
    return StudyFile(
        name=f"{sweep.name}-{identity}",
        directions=("maximize",) if second is None else ("maximize", "minimize"),
        objectives=(f"dev {sweep.metric}",) if second is None else (f"dev {sweep.metric}", second),
    )


def read_study(results: Path) -> StudyFile | None:
    """Read `study.json`, None if there is none; raise StorageError if it is malformed."""
    path = results / NAME
    try:
        return StudyFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        message = f"{path} is no study: {str(error).splitlines()[0]}; the sweep, carried out again, writes it anew"
        raise StorageError(message) from error


def write_study(results: Path, study: StudyFile) -> None:
    """Write `study.json`, in full or not at all; raise StorageError if it cannot be."""
    write_text(results / NAME, study.model_dump_json() + "\n")
