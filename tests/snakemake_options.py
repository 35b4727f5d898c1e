"""Options of Snakemake that several tests give."""

NETWORK_RULES = ("train", "sample_2d", "choose", "reconstruct", "trace")

# Jobs of several threads wait for each other longer than the networks of tests compute, and sums
# over threads come in another order, so that two trainings differ in the last digits.
ONE_THREAD = ["--set-threads", *(f"{rule}=1" for rule in NETWORK_RULES)]
