"""Write the volumes of a case as VTK image data (rule ``vti``)."""

from micro3diff.export import write_vti
from micro3diff.files import atomic_folder
from micro3diff.logs import configure_logging
from micro3diff.volumes import read_threshold, read_values, read_voxel_size, volumes_of

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    paths = [path for table in snakemake.input for path in volumes_of(table)]
    with atomic_folder(snakemake.output[0]) as folder:
        for path in paths:
            name = "phase" if read_threshold(path) is None else "grey"
            size, unit = read_voxel_size(path)
            write_vti(folder / f"{path.stem}.vti", read_values(path), name, size, unit)
