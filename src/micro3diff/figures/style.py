"""One look for all figures: fonts, widths, colours that the colour-blind can tell apart."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import Patch
from matplotlib.text import Text

from micro3diff.errors import InputError
from micro3diff.files import atomic_path

DOUBLE_COLUMN = 7.0  # inches
LETTERS_AN_INCH = 14  # of text of 8 points, on the safe side
SMALL = 6.5  # points, for what stands beside a panel

BLACK = "#000000"
GREY = "#999999"
# M. Okabe and K. Ito, Color Universal Design (2008); its yellow is too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
RULE_COLOURS = {"alternate": COLOURS[0], "average": COLOURS[1], "evidence": COLOURS[2]}
# Labels of two phases are black and white; of more, each phase has its colour in every figure.
TWO_PHASES = ("#000000", "#FFFFFF")
PHASE_COLOURS = (
    "#262626", "#F0DFA8", "#4F9BD0", "#C4533A", "#5FA777", "#9C7FBA", "#E8A33D", "#A0A0A0",
)  # fmt: skip
LINES = ("-", "--", ":", "-.")  # for more lines than there are colours
MARKERS = ("o", "s", "^", "D", "v", "P")

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "figure.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "hatch.linewidth": 0.6,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.03,
    "pdf.fonttype": 42,  # TrueType: text stays text
    "mathtext.fontset": "dejavusans",
}


def styled(plot: Callable) -> Callable:
    """Decorator: run a plotting function under the common style."""
    return matplotlib.rc_context(STYLE)(plot)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches; needs neither pyplot nor a display."""
    return Figure(figsize=(width, height))


def save(figure: Figure, paths: str | os.PathLike | Iterable[str | os.PathLike]) -> None:
    """Write the figure to each of ``paths``, atomically; a stem stands for its PNG and its PDF.

    A user's title that is no formula, for all its dollars, is shown as it is.
    """
    for text in figure.findobj(Text):
        if "$" in text.get_text():
            text.set_parse_math(_is_formula(text.get_text()))
    if isinstance(paths, str | os.PathLike):
        stem = Path(paths)
        whole = stem.suffix in (".png", ".pdf")
        paths = [stem] if whole else [f"{stem}.png", f"{stem}.pdf"]
    for path in paths:
        # No date inside: the same data give the same file.
        metadata = {"CreationDate": None} if Path(path).suffix == ".pdf" else {}
        with atomic_path(path) as temporary:
            figure.savefig(temporary, metadata=metadata)


def _is_formula(text: str) -> bool:
    try:
        for line in text.split("\n"):
            MathTextParser("path").parse(line)
    except ValueError:
        return False
    return True


def case_name(rule: str, n_h: int) -> str:
    """Name of a case in a legend: the plane rule, and n_h where it means something."""
    return f"{rule}, $n_h$ = {n_h}" if n_h or rule == "alternate" else rule


def phase_colours(phases: int) -> tuple[str, ...]:
    """The colours of labels 0 .. ``phases`` - 1; they repeat where there are many."""
    if phases <= 2:
        return TWO_PHASES
    return tuple(PHASE_COLOURS[k % len(PHASE_COLOURS)] for k in range(phases))


def phase_legend(figure: Figure, phases: int | None) -> None:
    """Name the colours of the phases below a figure, where there are more than two."""
    if phases and phases > 2:
        handles = [
            Patch(facecolor=colour, edgecolor="black", lw=0.5, label=f"phase {k}")
            for k, colour in enumerate(phase_colours(phases))
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(phases, 8))


def percent(value: float) -> str:
    """An error rate to three figures, as the paper gives them."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def require_columns(table: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise `InputError` when ``table`` lacks one of ``columns`` or has no row."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        found = ", ".join(map(str, table.columns)) or "none"
        raise InputError(f"{what}: columns {', '.join(missing)} are missing; found: {found}")
    if table.empty:
        raise InputError(f"{what}: the table has no rows, so there is nothing to plot")
