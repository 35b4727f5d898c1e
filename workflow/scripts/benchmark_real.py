"""Cut or generate real samples of a material (rule ``benchmark_real``)."""

from micro3diff.benchmark.real import cut_real, write_real
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    path = snakemake.input[0] if len(snakemake.input) else None
    params = snakemake.params
    real = cut_real(params.settings, path, params.shape, params.patch)
    write_real(snakemake.output[0], real)
