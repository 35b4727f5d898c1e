"""The paper's figures and our own, one module per family, all in one style.

Every plotting function takes data and ``paths``: a stem (``"results/figures/figure_2"``, both the
PNG and the PDF are written) or a list of file names.
"""
