"""Draw a real reverse process (rule ``figures_12_14``)."""

from micro3diff.figures.diffusion import plot_diffusion_cubes, plot_diffusion_sections
from micro3diff.logs import configure_logging

if __name__ == "__main__":
    configure_logging(snakemake.log[0])
    plot_diffusion_sections(snakemake.input[0], snakemake.output.sections)
    plot_diffusion_cubes(snakemake.input[0], snakemake.output.cubes)
