"""Draw a volume of each case (rule ``figure_2``)."""

from micro3diff.figures.style import case_name
from micro3diff.figures.volumes import plot_harmonizing
from micro3diff.logs import configure_logging
from micro3diff.volumes import phase_count, read_threshold, read_values, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    names = [case_name(*case) for case in snakemake.params.cases]
    paths = [volumes_of(table)[0] for table in snakemake.input]
    volumes = dict(zip(names, map(read_values, paths), strict=True))
    plot_harmonizing(volumes, snakemake.output, read_threshold(paths[0]), phase_count(paths[0]))
