"""Time the metrics of a 256^3 volume on one core: `python benchmarks/metrics.py`.

Exits with status 1 if a bound is missed. The peak memory is that of the whole process.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from bounds import report
from scipy.ndimage import gaussian_filter

from micro3diff.metrics import lineal_path, two_point_correlation

SIDE = 256
AXES_SECONDS, RADIAL_SECONDS, PEAK_GIB = 10, 30, 4


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gib() -> float:
    """Peak memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main() -> int:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    lineal_path(np.eye(4, dtype=int))  # imports PoreSpy, which takes seconds
    noise = np.random.default_rng(0).standard_normal((SIDE,) * 3, dtype=np.float32)
    labels = (gaussian_filter(noise, 4) > 0).astype(np.uint8)
    del noise
    rows = [
        (
            "S2 along the axes and LP, s",
            seconds(lambda: (two_point_correlation(labels), lineal_path(labels))),
            AXES_SECONDS,
        ),
        (
            "radial S2, s",
            seconds(lambda: two_point_correlation(labels, along="radial")),
            RADIAL_SECONDS,
        ),
        ("peak memory, GiB", peak_gib(), PEAK_GIB),
    ]
    return report(f"{SIDE}^3 labels, one core", rows)


if __name__ == "__main__":
    sys.exit(main())
