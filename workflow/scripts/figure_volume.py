"""Draw a volume and its sections (rule ``figure_volume``: figures 7, 9, 11)."""

from micro3diff.figures.volumes import plot_volume
from micro3diff.logs import configure_logging
from micro3diff.volumes import (
    phase_count,
    read_threshold,
    read_values,
    volumes_of,
)

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    path = volumes_of(snakemake.input[0])[0]
    plot_volume(
        read_values(path),
        snakemake.output,
        inverted=snakemake.params.inverted,
        phases=phase_count(path),
        threshold=read_threshold(path),
    )
