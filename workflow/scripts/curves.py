"""S2 and LP of the volumes of one case (rule ``curves``)."""

from micro3diff.evaluation import measure, resolve_dimension, write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.volumes import periodic_axes, read_labels, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    how = snakemake.params.how
    # volumes are judged in the dimension that the source was seen in
    kind = read_json(snakemake.input.about)["kind"]
    how = how | {"dimension": resolve_dimension(kind, how["dimension"])}
    paths = [path for table in snakemake.input.volumes for path in volumes_of(table)]
    how["periodic"] = periodic_axes(paths[0])  # as all volumes of a case
    write_table(snakemake.output[0], measure(map(read_labels, paths), **how))
