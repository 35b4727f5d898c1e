"""Wall times of all materials and cases (rule ``timings``)."""

from collections import defaultdict
from pathlib import Path

from micro3diff.evaluation import timing_table, write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.volumes import volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    volumes = defaultdict(list)
    for path in [path for table in snakemake.input.volumes for path in volumes_of(table)]:
        about = read_json(path.with_suffix(".json"))
        material = path.parents[1].name
        settings = about["settings"]
        volumes[material, settings["rule"], settings["n_h"]].append(about)
    images = {Path(path).parent.name: read_json(path) for path in snakemake.input.images}
    write_table(snakemake.output[0], timing_table(volumes, images))
