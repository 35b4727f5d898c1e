"""Draw a volume of each case (rule ``figure_2``), beside the original if that is a volume."""

from micro3diff.figures.style import case_name
from micro3diff.figures.volumes import block_of, plot_harmonizing
from micro3diff.files import read_json
from micro3diff.logs import configure_logging
from micro3diff.volumes import phase_count, read_labels, read_threshold, read_values, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    names = [case_name(*case) for case in snakemake.params.cases]
    paths = [volumes_of(table)[0] for table in snakemake.input.volumes]
    volumes = dict(zip(names, map(read_values, paths), strict=True))
    threshold = read_threshold(paths[0])
    if threshold is None and read_json(snakemake.input.about)["kind"] == "volume":
        original = read_labels(snakemake.input.labels)
        volumes = {"original": block_of(original, volumes[names[0]].shape)} | volumes
    plot_harmonizing(volumes, snakemake.output, threshold, phase_count(paths[0]))
