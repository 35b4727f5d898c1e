"""Download a source file and check it (rule ``fetch``)."""

from micro3diff.logs import configure_logging
from micro3diff.sources.download import fetch

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    fetch(
        snakemake.params.url,
        snakemake.params.sha256,
        snakemake.output[0],
        mirror=snakemake.config["run"]["mirror"],
    )
