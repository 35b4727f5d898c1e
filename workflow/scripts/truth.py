"""Read a known volume, made into labels as its material's source is (rule ``truth``)."""

from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.sources import load_truth, save_source

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    origin = read_json(snakemake.input.like)["origin"]
    truth = load_truth(snakemake.params.settings, origin, snakemake.input[0])
    save_source(truth, snakemake.output.labels, snakemake.output.about)
