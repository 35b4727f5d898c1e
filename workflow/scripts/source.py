"""Read or generate a material's label array (rule ``source``)."""

from micro3diff.logs import configure_logging
from micro3diff.sources import load_source, save_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    path = snakemake.input[0] if len(snakemake.input) else None
    source = load_source({**snakemake.params.settings, "path": path})
    save_source(source, snakemake.output.labels, snakemake.output.about)
