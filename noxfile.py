"""Sessions: `nox -s sweep`, `nox -s tests`, and the checks of `.ci/run`."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]

ENVIRONMENT = Path(__file__).parent / ".venv"
"""All sessions share one environment, so that torch and its friends are installed once."""

SCRIPTS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"


def install(session: nox.Session, extra: str = "") -> None:
    """Install the project with the versions of constraints.txt, unless that has been done.

    PyPI's torch for Linux carries gigabytes of CUDA. Where there is no NVIDIA driver, the
    CPU build of the same version is looked for first; if it is out of reach, PyPI's it is.
    """
    state = hashlib.sha256(Path("pyproject.toml").read_bytes() + Path("constraints.txt").read_bytes()).hexdigest()
    stamp = ENVIRONMENT / f"installed{extra}"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == state:
        return
    if not SCRIPTS.exists():
        session.run(sys.executable, "-m", "venv", str(ENVIRONMENT), external=True)
    pip = (str(SCRIPTS / "python"), "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt")
    if sys.platform == "linux" and shutil.which("nvidia-smi") is None:
        reach = ("--retries", "0", "--timeout", "15", "--extra-index-url", CPU_WHEELS)
        session.run(*pip, "--no-deps", *reach, "torch", external=True, silent=True)
    session.run(*pip, "--editable", f".{extra}", external=True)
    stamp.write_text(state, encoding="utf-8")


def run(session: nox.Session, command: str, *arguments: str) -> None:
    """Run a command of the environment."""
    session.run(str(SCRIPTS / command), *arguments, external=True)


@nox.session(python=False)
def sweep(session: nox.Session) -> None:
    """Carry out a sweep: `nox -s sweep -- sweeps/other.yaml --workers 2`; the quickstart by default."""
    install(session)
    run(session, "winnow", "sweep", *(session.posargs or ["sweeps/quickstart.yaml"]))


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """Run the tests, two at a time; arguments go to pytest."""
    install(session, "[test]")
    run(session, "pytest", *(session.posargs or ["-q", "--numprocesses", "2"]))


@nox.session(python=False, default=False)
def faults(session: nox.Session) -> None:
    """Inject faults into sweeps and compare what they leave: the quick part, or all with `-- --long`."""
    install(session, "[test]")
    given = [argument for argument in session.posargs if argument != "--long"]
    part = ["-m", "fault_sweep or not fault_sweep"] if "--long" in session.posargs else []
    run(session, "pytest", "-q", "--numprocesses", "2", "--dist", "loadfile", "tests/faults", *part, *given)


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Check format, style, spelling and the layers."""
    install(session, "[dev]")
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "typos")
    run(session, "lint-imports", "--no-cache")


@nox.session(python=False)
def types(session: nox.Session) -> None:
    """Check the annotations."""
    install(session, "[dev]")
    run(session, "mypy")


@nox.session(python=False, default=False)
def coverage(session: nox.Session) -> None:
    """Measure which branches the tests reach."""
    install(session, "[test]")
    run(session, "pytest", "-q", "--cov", "--cov-report=term-missing:skip-covered", *session.posargs)


@nox.session(python=False, default=False)
def reproduce(session: nox.Session) -> None:
    """Run the published quickstart again and compare: `nox -s reproduce -- --sample 3`, or name another sweep."""
    install(session)
    named = [argument for argument in session.posargs if Path(argument).is_dir()]
    run(session, "winnow", "reproduce", *([] if named else ["results/published/quickstart"]), *session.posargs)
