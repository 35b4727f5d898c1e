"""Check what is given of the volumes, and keep the given slices (rule ``given``)."""

from micro3diff.files import read_json
from micro3diff.given import requested, write_given
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_json(snakemake.input.about)
    write_given(snakemake.output[0], requested(snakemake.params.settings, source))
