"""Errors of real spheres along body diagonals against those along the axes.

    python benchmarks/diagonals.py

docs/benchmarks.md compares volumes of `evidence` with it. Volumes of 64^3 in sets of 25, drawn from
240, against the source of the benchmark; about a minute.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np

from micro3diff.evaluation import body_diagonal
from micro3diff.metrics import error_rate, two_point_correlation
from micro3diff.sources.generators import spheres

SIDE, SETS, SIZE = 64, 4000, 25

source = spheres()
boxes = [spheres(shape=(4 * SIDE, SIDE, SIDE), seed=seed) for seed in range(5000, 5060)]
volumes = [volume for box in boxes for volume in np.split(box, 4)]
measures = {
    "axes": lambda labels: two_point_correlation(labels, 1, SIDE // 2).values,
    "diagonals": lambda labels: body_diagonal(labels, "volume", 1, SIDE // 2),
}
drawn = np.random.default_rng(0).integers(len(volumes), size=(SETS, SIZE))
errors = {}
for name, measure in measures.items():
    curves = np.array([measure(labels) for labels in volumes])
    reference = measure(source)
    errors[name] = np.array([error_rate(reference, curves[which].mean(0)) for which in drawn])
errors["diagonals / axes"] = errors["diagonals"] / errors["axes"]
for name, found in errors.items():
    low, middle, high = np.percentile(found, [2.5, 50, 97.5])
    print(f"{name}: {middle:.2f} ({low:.2f} to {high:.2f})")
share = np.mean(errors["diagonals / axes"] > 1.5)
print(f"diagonals more than 1.5 times the axes: {share:.0%} of {SETS} sets of {SIZE}")
