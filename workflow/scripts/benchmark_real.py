"""Cut or generate real samples of a material (rule ``benchmark_real``; others too)."""

from micro3diff.benchmark.real import cut_real, write_real
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.sources import settings_like

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    files, params = snakemake.input, snakemake.params
    path = files[0] if files[0] != files.like else None
    settings = settings_like(params.settings, read_json(files.like)["origin"])
    write_real(snakemake.output[0], cut_real(settings, path, params.shape, params.patch))
