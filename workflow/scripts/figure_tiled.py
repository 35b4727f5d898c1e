"""Draw a periodic volume beside itself (rule ``figure_tiled``)."""

from micro3diff.figures.volumes import plot_tiled
from micro3diff.logs import configure_logging
from micro3diff.volumes import (
    periodic_axes,
    phase_count,
    read_threshold,
    read_values,
    volumes_of,
)

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    path = volumes_of(snakemake.input[0])[0]
    plot_tiled(
        read_values(path),
        periodic_axes(path),
        snakemake.output,
        phases=phase_count(path),
        threshold=read_threshold(path),
    )
