"""The end of a run on a terminal: `python -m micro3diff.summary results/`."""

import sys
from pathlib import Path

import pandas as pd


def summary(results: Path) -> str:
    """The error table of a results folder, and where the report lies."""
    table = pd.read_csv(results / "tables" / "error_rates.csv")
    shown = table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.2f}")
    lines = ["Error rates in percent (equation 24), with a 95 % interval over the volumes:", shown]
    report = results / "report.html"
    if report.exists():
        lines.append(f"\nReport: {report}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(summary(Path(sys.argv[1])))
