"""The argument that says where a sweep is shared on object storage."""

import argparse
import os

from harness.remote.storage import VARIABLE, Remote

__all__ = ["add_remote", "remote_of"]


def add_remote(parser: argparse.ArgumentParser) -> None:
    """Add the argument."""
    parser.add_argument(
        "--remote",
        metavar="URL",
        help=f"share results and store with other machines, such as on s3://bucket/prefix (default: {VARIABLE})",
    )


def remote_of(options: argparse.Namespace) -> Remote | None:
    """Return the place that the argument or the environment names; raise ConfigError for one that cannot be used."""
    url = os.environ.get(VARIABLE, "") if options.remote is None else options.remote
    return Remote(url) if url else None
