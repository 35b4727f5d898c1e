"""The volumes of one case along each axis (rule ``directions_curves``)."""

from micro3diff.directions import common_box, measure_directions
from micro3diff.evaluation import write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.volumes import periodic_axes, read_labels, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    paths = [path for table in snakemake.input.volumes for path in volumes_of(table)]
    table = measure_directions(
        map(read_labels, paths),
        "volume",
        phases=len(read_json(snakemake.input.about)["fractions"]),
        max_lag=snakemake.params.max_lag,
        periodic=periodic_axes(paths[0]),  # as all volumes of a case
        box=common_box(read_json(snakemake.input.known), snakemake.params.shape),
    )
    write_table(snakemake.output[0], table)
