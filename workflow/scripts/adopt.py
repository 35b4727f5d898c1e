"""Take a pretrained model in place of training, after a check (rule ``adopt``)."""

from micro3diff.denoisers import adopt_model
from micro3diff.files import read_json
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_json(snakemake.input.about)
    adopt_model(
        snakemake.input.model,
        snakemake.output.model,
        source["fractions"],
        source["isotropic"],
        source["threshold"],
    )
