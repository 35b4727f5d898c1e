"""Draw several volumes of each material (rule ``figure_S1``)."""

from micro3diff.figures.volumes import plot_gallery
from micro3diff.logs import configure_logging
from micro3diff.volumes import phase_count, read_labels, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    titles, tables = snakemake.params.titles, list(snakemake.input)
    each = len(tables) // len(titles)  # tables of a material
    rows, phases = [], []
    for row, title in enumerate(titles):
        paths = [
            path for table in tables[row * each : (row + 1) * each] for path in volumes_of(table)
        ]
        samples = [read_labels(path) for path in paths[: snakemake.params.samples]]
        rows.append((title, samples))
        phases.append(phase_count(paths[0]))
    plot_gallery(rows, snakemake.output, phases)
