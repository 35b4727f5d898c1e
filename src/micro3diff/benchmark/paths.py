"""Where the volumes of the benchmark lie."""

import os
from pathlib import Path


def volume_path(runs: str | os.PathLike, sample: int) -> Path:
    """The volume of a row of the table ``runs``, beside which it lies."""
    return Path(runs).parent / f"volume_{sample:03d}.tif"
