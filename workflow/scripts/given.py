"""Check what is given of the volumes, and keep the given slices (rule ``given``)."""

from micro3diff.files import read_json
from micro3diff.given import check_fraction, check_room, read_anchors, write_given
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    source = read_json(snakemake.input.about)
    settings = snakemake.params.settings
    check_fraction(settings["volume_fraction"], source["fractions"])
    anchors = read_anchors(settings["anchors"], settings["shape"], source["origin"])
    check_room(settings["volume_fraction"], anchors, settings["shape"])
    write_given(snakemake.output[0], anchors)
