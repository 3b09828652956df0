"""Where a run happens: versions, commit, hardware; what of it fills a file is kept beside the runs of a sweep."""

import hashlib
import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from harness.record import Environment
from harness.store import write_file

__all__ = ["environment", "keep_environment"]

_PACKAGES = (
    "beir",
    "bm25s",
    "datasets",
    "matplotlib",
    "mlflow",
    "mteb",
    "numpy",
    "optuna",
    "pandas",
    "pydantic",
    "pytrec_eval-terrier",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
    "typst",
    "winnow",
)


@cache
def environment() -> Environment:
    """Describe this process's surroundings."""
    import torch

    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        packages={name: _version(name) for name in _PACKAGES},
        commit=_git("rev-parse", "HEAD"),
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
        lock=_name_of(installed()),
        diff=_name_of(changed()),
    )


def keep_environment(results: Path) -> None:
    """Write the files that `Environment.lock` and `.diff` name below the sweep's folder, unless they are there."""
    for content, suffix in ((installed(), "lock"), (changed(), "patch")):
        path = results / "environment" / f"{_name_of(content)}.{suffix}"
        if content and not path.exists():
            write_file(path, content)


@cache
def installed() -> bytes:
    """List every installed distribution as `name==version`, a line each, sorted; of two of one name the one in use.

    Where a distribution came from is left out: a path or an address may say who installed it.
    """
    found: dict[str, str] = {}
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.name or "").lower()
        if name:
            found.setdefault(name, distribution.version)
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found)).encode()


@cache
def changed() -> bytes:
    """Return what git sees changed in Winnow's own code since the last commit; nothing outside of a checkout.

    Only the folder of this file: sweep files and documents may name whoever works on
    them, and no number depends on them beyond what the plan says.
    """
    plain = (
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--no-renames",
        "--full-index",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    )
    return _answer_of_git("diff", *plain, "HEAD", "--", ".")


def _name_of(content: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file's bytes; nothing if it would be empty."""
    return hashlib.sha256(content).hexdigest()[:16] if content else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    """Return the processor's model name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git(*arguments: str) -> str:
    return _answer_of_git(*arguments).decode("utf-8", "replace").strip()


def _answer_of_git(*arguments: str) -> bytes:
    """Return what git says about the checkout that this file is in; nothing outside of one."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607  # git from the user's PATH
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout
