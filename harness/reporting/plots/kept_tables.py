"""Read the tables that a run may have left beside its record."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StorageError
from harness.sums import require_intact

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]


def read_table(path: Path, columns: tuple[str, ...]) -> "pd.DataFrame | None":
    """Read some columns of a table; None if it was not kept, StorageError if it is malformed or lacks one."""
    import pandas as pd

    if not path.exists():
        return None
    require_intact(path)
    try:
        return pd.read_parquet(path, columns=list(columns))
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read with the columns {', '.join(columns)}: {str(error).splitlines()[0]}"
        raise StorageError(message) from error
