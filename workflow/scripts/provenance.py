"""What led to the results of this run (rule ``provenance``)."""

from micro3diff.files import write_json
from micro3diff.logs import configure_logging
from micro3diff.provenance import collect

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    origins = (snakemake.params.workflow, snakemake.params.materials)
    known = collect(snakemake.config, *origins, results=snakemake.input.results)
    write_json(snakemake.output[0], known)
